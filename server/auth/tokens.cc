#include "server/auth/tokens.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/rand.h>

#include "server/auth/jwt.h"

namespace socle::server {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr size_t kPrefixLetters = 16;

// Empty when the machine has no randomness to give.
std::string RandomLetters() {
  constexpr auto kLetterCount = static_cast<unsigned char>(kLetters.size());
  constexpr unsigned char kFair =
      256 / kLetterCount * kLetterCount;  // above, letters would not be even
  std::string letters;
  std::array<unsigned char, 32> bytes{};
  while (letters.size() < kPrefixLetters) {
    if (RAND_bytes(bytes.data(), bytes.size()) != 1) {
      return {};
    }
    for (const unsigned char byte : bytes) {
      if (byte < kFair && letters.size() < kPrefixLetters) {
        letters.push_back(kLetters[byte % kLetterCount]);
      }
    }
  }
  return letters;
}

}  // namespace

absl::StatusOr<std::string> SimpleTokens::Make(std::string_view user, uint64_t /*auth_revision*/) {
  const std::string letters = RandomLetters();
  if (letters.empty()) {
    return absl::UnknownError("no randomness for a token");
  }
  const int64_t now = clock_->MonotonicNanos();
  MutexLock lock(&mu_);
  if (tokens_.size() >= sweep_at_) {
    Sweep(now);
  }
  std::string token = fmt::format("{}.{}", letters, ++made_);
  tokens_[token] = Held{.user = std::string(user), .dies_at_nanos = now + ttl_nanos_};
  return token;
}

std::optional<TokenOwner> SimpleTokens::Read(std::string_view token, uint64_t auth_revision) {
  const int64_t now = clock_->MonotonicNanos();
  MutexLock lock(&mu_);
  const auto found = tokens_.find(token);
  if (found == tokens_.end()) {
    return std::nullopt;
  }
  if (found->second.dies_at_nanos <= now) {
    tokens_.erase(found);
    return std::nullopt;
  }
  found->second.dies_at_nanos = now + ttl_nanos_;
  return TokenOwner{.user = found->second.user, .revision = auth_revision};
}

void SimpleTokens::Drop(std::string_view user) {
  MutexLock lock(&mu_);
  absl::erase_if(tokens_, [user](const auto& entry) { return entry.second.user == user; });
}

void SimpleTokens::DropToken(std::string_view token) {
  MutexLock lock(&mu_);
  const auto found = tokens_.find(token);
  if (found != tokens_.end()) {
    tokens_.erase(found);
  }
}

void SimpleTokens::DropAll() {
  MutexLock lock(&mu_);
  tokens_.clear();
}

size_t SimpleTokens::size() const {
  MutexLock lock(&mu_);
  return tokens_.size();
}

void SimpleTokens::Sweep(int64_t now_nanos) {
  absl::erase_if(
      tokens_, [now_nanos](const auto& entry) { return entry.second.dies_at_nanos <= now_nanos; });
  sweep_at_ = std::max<size_t>(64, tokens_.size() * 2);
}

absl::StatusOr<std::unique_ptr<TokenSource>> MakeTokenSource(const TokenOptions& options) {
  Clock* const clock = options.clock != nullptr ? options.clock : Clock::Real();
  const std::string_view kind = options.kind;
  const std::string_view name = kind.substr(0, kind.find(','));
  if (name == "jwt") {
    return MakeSignedTokens(kind.substr(std::min(kind.size(), name.size() + 1)), clock);
  }
  if (kind != "simple") {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is neither simple nor jwt,sign-method=…,priv-key=FILE", kind));
  }
  return std::make_unique<SimpleTokens>(options.simple_ttl_nanos, clock);
}

}  // namespace socle::server
