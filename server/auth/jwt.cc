#include "server/auth/jwt.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <absl/strings/escaping.h>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"
#include "server/config/flag_table.h"

namespace socle::server {
namespace {

namespace json = boost::json;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using Signature = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

enum class Family { kHmac, kRsa, kRsaPss, kEcdsa, kEdwards };

struct Algorithm {
  std::string_view name;
  Family family;
  const EVP_MD* (*digest)();
  int number_bytes = 0;  // of each half of an ECDSA signature
};

constexpr std::array kAlgorithms = {
    Algorithm{"HS256", Family::kHmac, EVP_sha256},
    Algorithm{"HS384", Family::kHmac, EVP_sha384},
    Algorithm{"HS512", Family::kHmac, EVP_sha512},
    Algorithm{"RS256", Family::kRsa, EVP_sha256},
    Algorithm{"RS384", Family::kRsa, EVP_sha384},
    Algorithm{"RS512", Family::kRsa, EVP_sha512},
    Algorithm{"PS256", Family::kRsaPss, EVP_sha256},
    Algorithm{"PS384", Family::kRsaPss, EVP_sha384},
    Algorithm{"PS512", Family::kRsaPss, EVP_sha512},
    Algorithm{"ES256", Family::kEcdsa, EVP_sha256, 32},
    Algorithm{"ES384", Family::kEcdsa, EVP_sha384, 48},
    Algorithm{"ES512", Family::kEcdsa, EVP_sha512, 66},
    Algorithm{"EdDSA", Family::kEdwards, nullptr},
};

int KeyTypeOf(Family family) {
  switch (family) {
    case Family::kEcdsa:
      return EVP_PKEY_EC;
    case Family::kEdwards:
      return EVP_PKEY_ED25519;
    default:
      return EVP_PKEY_RSA;
  }
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Bytes(std::string* text) {
  return reinterpret_cast<unsigned char*>(text->data());
}

std::string Base64(std::string_view text) {
  std::string out;
  absl::WebSafeBase64Escape(AbslView(text), &out);
  return out;
}

std::optional<std::string> FromBase64(std::string_view text) {
  std::string out;
  if (text.find('=') != std::string_view::npos ||
      !absl::WebSafeBase64Unescape(AbslView(text), &out)) {
    return std::nullopt;
  }
  return out;
}

// The two numbers side by side, each of fixed width, to and from OpenSSL's DER.
std::string RawFromDer(std::string_view der, int number_bytes) {
  const unsigned char* at = Bytes(der);
  const auto bytes = static_cast<long>(der.size());  // NOLINT(google-runtime-int): OpenSSL's
  const Signature parsed(d2i_ECDSA_SIG(nullptr, &at, bytes), ECDSA_SIG_free);
  std::string raw(2 * static_cast<size_t>(number_bytes), '\0');
  if (parsed == nullptr ||
      BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), Bytes(&raw), number_bytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), Bytes(&raw) + number_bytes, number_bytes) < 0) {
    return {};
  }
  return raw;
}

std::string DerFromRaw(std::string_view raw, int number_bytes) {
  if (raw.size() != 2 * static_cast<size_t>(number_bytes)) {
    return {};
  }
  const Signature signature(ECDSA_SIG_new(), ECDSA_SIG_free);
  BIGNUM* const r = BN_bin2bn(Bytes(raw), number_bytes, nullptr);
  BIGNUM* const s = BN_bin2bn(Bytes(raw) + number_bytes, number_bytes, nullptr);
  if (signature == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
  std::string der(static_cast<size_t>(std::max(size, 0)), '\0');
  unsigned char* at = Bytes(&der);
  i2d_ECDSA_SIG(signature.get(), &at);
  return der;
}

class SignedTokens final : public TokenSource {
 public:
  SignedTokens(const Algorithm& algorithm, std::string secret, Key key, bool can_sign,
               int64_t ttl_seconds, Clock* clock)
      : algorithm_(algorithm),
        secret_(std::move(secret)),
        key_(std::move(key)),
        can_sign_(can_sign),
        ttl_seconds_(ttl_seconds),
        clock_(clock),
        head_(Base64(fmt::format(R"({{"alg":"{}","typ":"JWT"}})", algorithm.name))) {}

  absl::StatusOr<std::string> Make(std::string_view user, uint64_t auth_revision) override {
    if (!can_sign_) {
      return absl::UnknownError("auth: token signing attempted with verify-only key");
    }
    const json::object claims = {{"exp", NowSeconds() + ttl_seconds_},
                                 {"revision", auth_revision},
                                 {"username", json::string_view(user.data(), user.size())}};
    std::string token = fmt::format("{}.{}", head_, Base64(json::serialize(claims)));
    const std::string signature = Sign(token);
    if (signature.empty()) {
      return absl::UnknownError("auth: the token could not be signed");
    }
    return fmt::format("{}.{}", token, Base64(signature));
  }

  std::optional<TokenOwner> Read(std::string_view token, uint64_t /*auth_revision*/) override {
    const size_t first = token.find('.');
    const size_t last = token.rfind('.');
    if (first == std::string_view::npos || first == last) {
      return std::nullopt;
    }
    const std::optional<json::object> head = ParseObject(token.substr(0, first));
    const std::optional<std::string> signature = FromBase64(token.substr(last + 1));
    if (!head.has_value() || !signature.has_value()) {
      return std::nullopt;
    }
    const json::value* const alg = head->if_contains("alg");
    if (alg == nullptr || !alg->is_string() ||
        std::string_view(alg->get_string().data(), alg->get_string().size()) != algorithm_.name ||
        !Verify(token.substr(0, last), *signature)) {
      return std::nullopt;
    }
    const std::optional<json::object> claims =
        ParseObject(token.substr(first + 1, last - first - 1));
    return claims.has_value() ? OwnerOf(*claims) : std::nullopt;
  }

  void Drop(std::string_view /*user*/) override {}

  void DropToken(std::string_view /*token*/) override {}

  void DropAll() override {}

 private:
  int64_t NowSeconds() const { return clock_->WallNanos() / kNanosPerSecond; }

  static std::optional<json::object> ParseObject(std::string_view base64) {
    const std::optional<std::string> text = FromBase64(base64);
    if (!text.has_value()) {
      return std::nullopt;
    }
    json::error_code error;
    json::value parsed = json::parse(*text, error);
    if (error || !parsed.is_object()) {
      return std::nullopt;
    }
    return std::move(parsed.get_object());
  }

  static std::optional<double> NumberOf(const json::object& claims, std::string_view name) {
    const json::value* const value =
        claims.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr || !value->is_number()) {
      return std::nullopt;
    }
    return value->to_number<double>();
  }

  std::optional<TokenOwner> OwnerOf(const json::object& claims) const {
    const auto now = static_cast<double>(NowSeconds());
    const std::optional<double> dies = NumberOf(claims, "exp");
    const std::optional<double> born = NumberOf(claims, "nbf");
    const std::optional<double> revision = NumberOf(claims, "revision");
    const json::value* const user = claims.if_contains("username");
    const bool is_in_time = (!claims.contains("exp") || (dies.has_value() && now < *dies)) &&
                            (!claims.contains("nbf") || (born.has_value() && now >= *born));
    if (!is_in_time || !revision.has_value() || *revision < 0 || *revision > 9e18 ||
        user == nullptr || !user->is_string()) {
      return std::nullopt;
    }
    return TokenOwner{.user = std::string(user->get_string().data(), user->get_string().size()),
                      .revision = static_cast<uint64_t>(*revision)};
  }

  std::string Hmac(std::string_view text) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned int size = 0;
    if (HMAC(algorithm_.digest(), secret_.data(), static_cast<int>(secret_.size()), Bytes(text),
             text.size(), mac.data(), &size) == nullptr) {
      return {};
    }
    return {reinterpret_cast<const char*>(mac.data()), size};
  }

  const EVP_MD* digest() const {
    return algorithm_.digest != nullptr ? algorithm_.digest() : nullptr;
  }

  bool UsePss(EVP_PKEY_CTX* context) const {
    return algorithm_.family != Family::kRsaPss ||
           (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
  }

  // Empty when it failed.
  std::string Sign(std::string_view text) const {
    if (algorithm_.family == Family::kHmac) {
      return Hmac(text);
    }
    const Digest context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* key_context = nullptr;
    size_t size = 0;
    if (EVP_DigestSignInit(context.get(), &key_context, digest(), nullptr, key_.get()) != 1 ||
        !UsePss(key_context) ||
        EVP_DigestSign(context.get(), nullptr, &size, Bytes(text), text.size()) != 1) {
      return {};
    }
    std::string signature(size, '\0');
    if (EVP_DigestSign(context.get(), Bytes(&signature), &size, Bytes(text), text.size()) != 1) {
      return {};
    }
    signature.resize(size);
    return algorithm_.family == Family::kEcdsa ? RawFromDer(signature, algorithm_.number_bytes)
                                               : signature;
  }

  bool Verify(std::string_view text, std::string_view signature) const {
    if (algorithm_.family == Family::kHmac) {
      const std::string mac = Hmac(text);
      return !mac.empty() && mac.size() == signature.size() &&
             CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
    }
    std::string der;
    if (algorithm_.family == Family::kEcdsa) {
      der = DerFromRaw(signature, algorithm_.number_bytes);
      signature = der;
    }
    const Digest context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* key_context = nullptr;
    return !signature.empty() &&
           EVP_DigestVerifyInit(context.get(), &key_context, digest(), nullptr, key_.get()) == 1 &&
           UsePss(key_context) &&
           EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(text),
                            text.size()) == 1;
  }

  const Algorithm& algorithm_;
  const std::string secret_;  // of HMAC
  const Key key_;             // of the others; private unless !can_sign_
  const bool can_sign_;
  const int64_t ttl_seconds_;
  Clock* const clock_;
  const std::string head_;
};

struct SignOptions {
  std::string method;
  std::string public_file;
  std::string private_file;
  int64_t ttl_nanos = 300 * kNanosPerSecond;
};

absl::StatusOr<SignOptions> ParseOptions(std::string_view text) {
  SignOptions options;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const size_t equal = pair.find('=');
    if (equal == std::string_view::npos) {
      return absl::InvalidArgumentError(fmt::format("'{}' is not name=value", pair));
    }
    const std::string_view name = pair.substr(0, equal);
    const std::string value(pair.substr(equal + 1));
    if (name == "sign-method") {
      options.method = value;
    } else if (name == "pub-key") {
      options.public_file = value;
    } else if (name == "priv-key") {
      options.private_file = value;
    } else if (name == "ttl") {
      ASSIGN_OR_RETURN(options.ttl_nanos, ParseDurationNanos(value));
    } else {
      LogWarning("unknown option of --auth-token", {{"option", name}});
    }
  }
  return options;
}

absl::StatusOr<std::string> ReadKeyFile(const std::string& path) {
  constexpr uint64_t kKeyBytesMax = 1 << 20;
  const auto broken = [&path](const absl::Status& why) {
    return absl::InvalidArgumentError(
        fmt::format("key file {} can't be read: {}", path, MessageOf(why)));
  };
  const absl::StatusOr<std::unique_ptr<File>> file = Env::Posix()->Open(path, OpenMode::kReadOnly);
  if (!file.ok()) {
    return broken(file.status());
  }
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok() || *size == 0 || *size > kKeyBytesMax) {
    return broken(size.ok() ? absl::InvalidArgumentError("it is empty or too large")
                            : size.status());
  }
  std::string text(*size, '\0');
  const absl::Status read = (*file)->ReadAt(0, text);
  return read.ok() ? absl::StatusOr<std::string>(std::move(text)) : broken(read);
}

// The key itself or, as etcd takes it too, a certificate of it.
EVP_PKEY* ReadPublicKey(BIO* bio) {
  if (EVP_PKEY* const key = PEM_read_bio_PUBKEY(bio, nullptr, nullptr, nullptr)) {
    return key;
  }
  BIO_reset(bio);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), X509_free);
  return certificate == nullptr ? nullptr : X509_get_pubkey(certificate.get());
}

absl::StatusOr<Key> ReadKey(const std::string& path, bool is_private, int type) {
  ASSIGN_OR_RETURN(const std::string text, ReadKeyFile(path));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  Key key(is_private ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)
                     : ReadPublicKey(bio.get()),
          EVP_PKEY_free);
  if (key == nullptr || EVP_PKEY_base_id(key.get()) != type) {
    return absl::InvalidArgumentError(fmt::format("{} is not a {} key of the sign-method in PEM",
                                                  path, is_private ? "private" : "public"));
  }
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenSource>> MakeSignedTokens(std::string_view text, Clock* clock) {
  ASSIGN_OR_RETURN(const SignOptions options, ParseOptions(text));
  const Algorithm* algorithm = nullptr;
  for (const Algorithm& candidate : kAlgorithms) {
    algorithm = candidate.name == options.method ? &candidate : algorithm;
  }
  if (algorithm == nullptr) {
    return absl::InvalidArgumentError(fmt::format(
        "sign-method '{}' is none of HS, RS, PS, ES with 256, 384, 512, or EdDSA", options.method));
  }
  if (options.private_file.empty() &&
      (options.public_file.empty() || algorithm->family == Family::kHmac)) {
    return absl::InvalidArgumentError(
        fmt::format("sign-method {} needs priv-key=FILE{}", algorithm->name,
                    algorithm->family == Family::kHmac ? "" : " or pub-key=FILE"));
  }
  std::string secret;
  Key key(nullptr, EVP_PKEY_free);
  if (algorithm->family == Family::kHmac) {
    ASSIGN_OR_RETURN(secret, ReadKeyFile(options.private_file));
  } else {
    const int type = KeyTypeOf(algorithm->family);
    Key other(nullptr, EVP_PKEY_free);
    if (!options.private_file.empty()) {
      ASSIGN_OR_RETURN(key, ReadKey(options.private_file, true, type));
    }
    if (!options.public_file.empty()) {
      ASSIGN_OR_RETURN(other, ReadKey(options.public_file, false, type));
    }
    if (key != nullptr && other != nullptr && EVP_PKEY_eq(key.get(), other.get()) != 1) {
      return absl::InvalidArgumentError("pub-key and priv-key are no pair");
    }
    key = key != nullptr ? std::move(key) : std::move(other);
    if (algorithm->family == Family::kEcdsa &&
        (EVP_PKEY_bits(key.get()) + 7) / 8 != algorithm->number_bytes) {
      return absl::InvalidArgumentError(
          fmt::format("the key's curve is not that of {}", algorithm->name));
    }
  }
  return std::make_unique<SignedTokens>(*algorithm, std::move(secret), std::move(key),
                                        !options.private_file.empty(),
                                        options.ttl_nanos / kNanosPerSecond, clock);
}

}  // namespace socle::server
