#include "server/wire/http/tls.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::server::http {
namespace {

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

using ContextPtr = std::unique_ptr<SSL_CTX, Free>;
using SslPtr = std::unique_ptr<SSL, Free>;

constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";

std::string OpenSslText() {
  const char* const reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown error";
}

absl::Status BadFile(const char* what, const std::string& path) {
  return absl::InvalidArgumentError(fmt::format("{} {}: {}", what, path, OpenSslText()));
}

int ChooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void* /*user*/) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof(kProtocols) - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// In UTF-8; empty when there is none, several, or one with a zero byte: nobody's name is cut short.
std::string CommonName(const X509& certificate) {
  const X509_NAME* const subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
    return {};
  }
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  std::string name;
  if (size > 0) {
    name.assign(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  }
  OPENSSL_free(text);
  return name.find('\0') == std::string::npos ? name : std::string();
}

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(ContextPtr context) : context_(std::move(context)) {}

  SSL_CTX* get() const { return context_.get(); }

 private:
  const ContextPtr context_;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(SslPtr ssl, int fd) : ssl_(std::move(ssl)), fd_(fd) {}

  ~TlsStream() override { ::close(fd_); }

  int fd() const override { return fd_; }

  Result Read(std::span<char> into) override {
    const int size = static_cast<int>(std::min<size_t>(into.size(), INT_MAX));
    return ResultOf(SSL_read(ssl_.get(), into.data(), size));
  }

  Result Write(std::string_view bytes) override {
    const int size = static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX));
    return ResultOf(SSL_write(ssl_.get(), bytes.data(), size));
  }

  void EndWriting() override {
    if (!is_broken_) {
      SSL_shutdown(ssl_.get());
      ERR_clear_error();
    }
    ::shutdown(fd_, SHUT_WR);
  }

  bool has_buffered() const override { return !is_broken_ && SSL_pending(ssl_.get()) > 0; }

  std::string_view protocol() const override {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  std::string_view peer_name() override {
    // Without SSL_VERIFY_PEER no certificate is asked for, so that none was seen unverified.
    if (!has_peer_name_ && SSL_is_init_finished(ssl_.get()) != 0) {
      has_peer_name_ = true;
      const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
      if (certificate != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK) {
        peer_name_ = CommonName(*certificate);
      }
    }
    return peer_name_;
  }

  bool is_encrypted() const override { return true; }

 private:
  Result ResultOf(int done) {
    if (done > 0) {
      return {.bytes = static_cast<size_t>(done)};
    }
    const int error = SSL_get_error(ssl_.get(), done);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      return {.state = State::kAgain, .wants_write = error == SSL_ERROR_WANT_WRITE};
    }
    is_broken_ = true;
    return {.state = State::kClosed};
  }

  const SslPtr ssl_;
  const int fd_;
  bool is_broken_ = false;
  bool has_peer_name_ = false;  // looked for after the handshake
  std::string peer_name_;
};

// A socket BIO that does not raise SIGPIPE, whatever the program does about signals.
int WriteQuietly(BIO* bio, const char* bytes, int size) {
  const int fd = static_cast<int>(BIO_get_fd(bio, nullptr));
  const ssize_t sent = ::send(fd, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(sent);
}

const BIO_METHOD* QuietSocket() {
  static const BIO_METHOD* const method = [] {
    const BIO_METHOD* const stock = BIO_s_socket();
    BIO_METHOD* const quiet = BIO_meth_new(BIO_TYPE_SOCKET, "quiet socket");
    CHECK(quiet != nullptr);
    BIO_meth_set_write(quiet, WriteQuietly);
    BIO_meth_set_read(quiet, BIO_meth_get_read(stock));
    BIO_meth_set_ctrl(quiet, BIO_meth_get_ctrl(stock));
    BIO_meth_set_create(quiet, BIO_meth_get_create(stock));
    BIO_meth_set_destroy(quiet, BIO_meth_get_destroy(stock));
    return quiet;
  }();
  return method;
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Make(const TlsFiles& files) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) {
    return absl::InternalError(fmt::format("TLS: {}", OpenSslText()));
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), ChooseProtocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate_chain.c_str()) != 1) {
    return BadFile("certificate", files.certificate_chain);
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.private_key.c_str(), SSL_FILETYPE_PEM) !=
          1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return BadFile("private key", files.private_key);
  }
  if (!files.client_authorities.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), files.client_authorities.c_str(), nullptr) !=
        1) {
      return BadFile("client authorities", files.client_authorities);
    }
    SSL_CTX_set_client_CA_list(context.get(),
                               SSL_load_client_CA_file(files.client_authorities.c_str()));
    const int must_have = files.may_lack_client_certificate ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | must_have, nullptr);
    // A resumed session must belong to this server.
    static constexpr unsigned char kSessionContext[] = "socle";
    SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof(kSessionContext) - 1);
  }
  return std::make_shared<OpenSslContext>(std::move(context));
}

std::unique_ptr<ByteStream> MakeTlsStream(TlsContext* context, int fd) {
  SslPtr ssl(SSL_new(static_cast<OpenSslContext*>(context)->get()));
  CHECK(ssl != nullptr);
  BIO* const bio = BIO_new(QuietSocket());
  CHECK(bio != nullptr);
  BIO_set_fd(bio, fd, BIO_NOCLOSE);
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_accept_state(ssl.get());
  return std::make_unique<TlsStream>(std::move(ssl), fd);
}

}  // namespace socle::server::http
