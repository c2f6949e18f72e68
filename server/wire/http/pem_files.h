// PemFiles: certificates and private keys out of PEM files, for the server's side of TLS and the client's.
//
// Threads  pure functions; a context is its caller's.
// Errors   InvalidArgument naming what the file is for, the file, and what is wrong with it.
#ifndef SOCLE_SERVER_WIRE_HTTP_PEM_FILES_H_
#define SOCLE_SERVER_WIRE_HTTP_PEM_FILES_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "server/wire/http/openssl_ptr.h"

namespace socle::server::http {

using Certificates = std::vector<OpenSslPtr<X509>>;

absl::Status BadPemFile(std::string_view what, const std::string& path, std::string_view why);

// At most 64 MiB.
absl::StatusOr<std::string> ReadPemFile(std::string_view what, const std::string& path);

// Reads from `bytes`, which must outlive it.
OpenSslPtr<BIO> PemReader(const std::string& bytes);

// At least one.
absl::StatusOr<Certificates> ReadCertificates(std::string_view what, const std::string& path);

// The context shows the first certificate of the file, whose key it gets, and hands the others along.
absl::Status UseCertificate(const std::string& chain_path, const std::string& key_path,
                            SSL_CTX* context);

bool HasEnded(const X509& certificate);

// When it ends, as "2026-11-27 01:15:36Z".
std::string EndOf(const X509& certificate);

// In UTF-8; empty when there is none, several, or one with a zero byte: nobody's name is cut short.
std::string CommonNameOf(const X509& certificate);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_PEM_FILES_H_
