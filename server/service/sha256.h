// Sha256: the digest at the end of a snapshot.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_SERVICE_SHA256_H_
#define SOCLE_SERVER_SERVICE_SHA256_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "kv/base/check.h"

namespace socle::server {

inline constexpr size_t kSha256Bytes = 32;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    CHECK(context_ != nullptr);
    CHECK_EQ(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), 1);
  }

  void Update(std::string_view bytes) {
    CHECK_EQ(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()), 1);
  }

  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    CHECK_EQ(EVP_DigestFinal_ex(context_.get(), digest.data(), &size), 1);
    return {reinterpret_cast<const char*>(digest.data()), size};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_SHA256_H_
