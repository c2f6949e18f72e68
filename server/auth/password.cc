#include "server/auth/password.h"

#include <crypt.h>

#include <array>
#include <memory>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace socle::server {
namespace {

constexpr size_t kPasswordBytesMax = 72;  // bcrypt looks at no more
constexpr size_t kSaltBytes = 16;

// Empty when the setting is none of bcrypt. C strings: the caller has seen that there is no zero byte.
std::string Bcrypt(const std::string& password, const std::string& setting) {
  const auto work = std::make_unique<crypt_data>();
  const char* const hash = crypt_r(password.c_str(), setting.c_str(), work.get());
  std::string result = hash != nullptr && hash[0] == '$' ? hash : "";
  OPENSSL_cleanse(work.get(), sizeof(crypt_data));
  return result;
}

}  // namespace

absl::StatusOr<std::string> HashPassword(std::string_view password, int cost) {
  if (password.size() > kPasswordBytesMax) {
    return absl::UnknownError("bcrypt: password length exceeds 72 bytes");
  }
  if (password.find('\0') != std::string_view::npos) {
    return absl::UnknownError("bcrypt: password holds a zero byte");
  }
  std::array<unsigned char, kSaltBytes> salt{};
  if (RAND_bytes(salt.data(), salt.size()) != 1) {
    return absl::InternalError("no randomness for a password's salt");
  }
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  if (crypt_gensalt_rn("$2a$", static_cast<unsigned long>(cost),
                       reinterpret_cast<const char*>(salt.data()), salt.size(), setting.data(),
                       setting.size()) == nullptr) {
    return absl::InternalError("libcrypt makes no bcrypt hashes of this cost");
  }
  std::string hash = Bcrypt(std::string(password), setting.data());
  if (hash.empty()) {
    return absl::InternalError("libcrypt makes no bcrypt hashes");
  }
  return hash;
}

bool IsPassword(std::string_view password, std::string_view hash) {
  if (!hash.starts_with("$2") || password.find('\0') != std::string_view::npos) {
    return false;
  }
  const std::string made = Bcrypt(std::string(password), std::string(hash));
  return made.size() == hash.size() && CRYPTO_memcmp(made.data(), hash.data(), hash.size()) == 0;
}

}  // namespace socle::server
