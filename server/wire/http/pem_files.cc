#include "server/wire/http/pem_files.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>
#include <openssl/pem.h>

#include "kv/base/status_macros.h"

namespace socle::server::http {
namespace {

constexpr size_t kFileBytesMax = 64UL * 1024 * 1024;

// Nobody is there to be asked for a passphrase.
int NoPassphrase(char* /*out*/, int /*size*/, int /*is_writing*/, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

absl::StatusOr<OpenSslPtr<EVP_PKEY>> ReadKey(const std::string& path) {
  constexpr std::string_view kWhat = "private key";
  ASSIGN_OR_RETURN(std::string bytes, ReadPemFile(kWhat, path));
  const bool has_one = bytes.find("PRIVATE KEY-----") != std::string::npos;
  bool was_asked = false;
  OpenSslPtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(PemReader(bytes).get(), nullptr, NoPassphrase, &was_asked));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (was_asked) {
    return BadPemFile(kWhat, path, "it is encrypted: give one without a passphrase");
  }
  if (key == nullptr) {
    const std::string text = OpenSslText();
    return BadPemFile(kWhat, path, has_one ? text : "there is no PEM private key in it");
  }
  ERR_clear_error();
  return key;
}

}  // namespace

absl::Status BadPemFile(std::string_view what, const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{} {}: {}", what, path, why));
}

absl::StatusOr<std::string> ReadPemFile(std::string_view what, const std::string& path) {
  errno = 0;
  const OpenSslPtr<BIO> file(BIO_new_file(path.c_str(), "r"));
  std::string bytes;
  std::array<char, 16'384> part{};
  int got = 0;
  while (file != nullptr && bytes.size() <= kFileBytesMax &&
         (got = BIO_read(file.get(), part.data(), static_cast<int>(part.size()))) > 0) {
    bytes.append(part.data(), static_cast<size_t>(got));
  }
  const int error = errno;
  ERR_clear_error();
  if (file == nullptr || got < 0) {
    return BadPemFile(what, path, std::generic_category().message(error));
  }
  if (bytes.size() > kFileBytesMax) {
    return BadPemFile(what, path, "it is larger than 64 MiB");
  }
  return bytes;
}

OpenSslPtr<BIO> PemReader(const std::string& bytes) {
  return OpenSslPtr<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

absl::StatusOr<Certificates> ReadCertificates(std::string_view what, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadPemFile(what, path));
  const OpenSslPtr<BIO> in = PemReader(bytes);
  Certificates all;
  while (X509* const one = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    all.emplace_back(one);
  }
  const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string text = OpenSslText();
  if (!is_at_end) {
    return BadPemFile(what, path, fmt::format("certificate {} in it: {}", all.size() + 1, text));
  }
  if (all.empty()) {
    return BadPemFile(what, path, "there is no PEM certificate in it");
  }
  return all;
}

absl::Status UseCertificate(const std::string& chain_path, const std::string& key_path,
                            SSL_CTX* context) {
  constexpr std::string_view kWhat = "certificate";
  ASSIGN_OR_RETURN(const Certificates chain, ReadCertificates(kWhat, chain_path));
  ASSIGN_OR_RETURN(const OpenSslPtr<EVP_PKEY> key, ReadKey(key_path));
  X509* const own = chain.front().get();
  if (SSL_CTX_use_certificate(context, own) != 1) {
    return BadPemFile(kWhat, chain_path, OpenSslText());
  }
  if (X509_check_private_key(own, key.get()) != 1) {
    ERR_clear_error();
    return BadPemFile("private key", key_path,
                      fmt::format("it does not belong to the certificate {}", chain_path));
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return BadPemFile("private key", key_path, OpenSslText());
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return BadPemFile(kWhat, chain_path, OpenSslText());
    }
  }
  return absl::OkStatus();
}

bool HasEnded(const X509& certificate) {
  return X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0;
}

std::string EndOf(const X509& certificate) {
  const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
  ASN1_TIME_print_ex(out.get(), X509_get0_notAfter(&certificate), ASN1_DTFLGS_ISO8601);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(size)};
}

std::string CommonNameOf(const X509& certificate) {
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

}  // namespace socle::server::http
