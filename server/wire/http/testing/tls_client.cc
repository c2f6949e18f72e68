#include "server/wire/http/testing/tls_client.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "server/wire/http/pem_files.h"

namespace socle::server::http {

TlsClient::TlsClient(uint16_t port, const TlsClientOptions& options)
    : raw_(port), context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(raw_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (!options.certificate.empty()) {
    CHECK_EQ(SSL_use_certificate_chain_file(ssl_.get(), options.certificate.c_str()), 1);
    CHECK_EQ(SSL_use_PrivateKey_file(ssl_.get(), options.private_key.c_str(), SSL_FILETYPE_PEM), 1);
  }
  if (!options.authority.empty()) {
    X509_STORE* const trusted = X509_STORE_new();
    CHECK_EQ(X509_STORE_load_file(trusted, options.authority.c_str()), 1);
    SSL_set1_verify_cert_store(ssl_.get(), trusted);
    X509_STORE_free(trusted);
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
  }
  SSL_set_min_proto_version(ssl_.get(), options.min_version);
  SSL_set_max_proto_version(ssl_.get(), options.max_version);
  if (!options.ciphers_of_12.empty()) {
    CHECK_EQ(SSL_set_cipher_list(ssl_.get(), options.ciphers_of_12.c_str()), 1);
  }
  SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.alpn.data()),
                      static_cast<unsigned int>(options.alpn.size()));
  SSL_set_fd(ssl_.get(), raw_.fd());
  is_connected_ = SSL_connect(ssl_.get()) == 1;
}

std::string TlsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsClient::server_name() const {
  const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate != nullptr ? CommonNameOf(*certificate) : std::string();
}

bool TlsClient::Send(std::string_view bytes) {
  return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
         static_cast<int>(bytes.size());
}

bool TlsClient::ReadSome(std::string* all) {
  std::array<char, 65'536> bytes{};
  const int got = SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  all->append(bytes.data(), static_cast<size_t>(got > 0 ? got : 0));
  return got > 0;
}

std::string TlsClient::ReadToEnd() {
  std::string all;
  while (ReadSome(&all)) {
  }
  return all;
}

std::string TlsClient::ReadUntil(std::string_view text) {
  std::string all;
  while (all.find(text) == std::string::npos && ReadSome(&all)) {
  }
  return all;
}

std::string TlsClient::Get(std::string_view path) {
  const bool is_sent =
      is_connected_ &&
      Send(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path));
  return is_sent ? ReadToEnd() : std::string();
}

}  // namespace socle::server::http
