// Tokens: what a client shows instead of its password. TokenSource makes and reads them; SimpleTokens
// remembers them.
//
// Laws     1. A simple token is 16 random letters, a point and a number; it lives in memory only and dies
//             when it was not used for its time to live.
//          2. A simple token always speaks with the current auth revision; a signed one (jwt.h) with the
//             revision it was made at.
// Threads  thread-safe; Read is on the way of every call while authentication is on.
// Memory   about 150 bytes per simple token; dead ones go when as many new ones were made.
// Errors   Make: Unknown with the text that goes to the client.
// Source   spec etcd 1.9.
#ifndef SOCLE_SERVER_AUTH_TOKENS_H_
#define SOCLE_SERVER_AUTH_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle::server {

struct TokenOwner {
  std::string user;
  uint64_t revision = 0;
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;

  virtual absl::StatusOr<std::string> Make(std::string_view user, uint64_t auth_revision) = 0;
  // nullopt: not a token, or not any more.
  virtual std::optional<TokenOwner> Read(std::string_view token, uint64_t auth_revision) = 0;
  // The tokens of one user, one token, or all, are no longer good. Signed ones can't be called back.
  virtual void Drop(std::string_view user) = 0;
  virtual void DropToken(std::string_view token) = 0;
  virtual void DropAll() = 0;
};

class SimpleTokens final : public TokenSource {
 public:
  SimpleTokens(int64_t ttl_nanos, Clock* clock) : ttl_nanos_(ttl_nanos), clock_(clock) {}

  absl::StatusOr<std::string> Make(std::string_view user, uint64_t auth_revision) override;
  std::optional<TokenOwner> Read(std::string_view token, uint64_t auth_revision) override;
  void Drop(std::string_view user) override;
  void DropToken(std::string_view token) override;
  void DropAll() override;

  size_t size() const;

 private:
  struct Held {
    std::string user;
    int64_t dies_at_nanos = 0;
  };

  void Sweep(int64_t now_nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const int64_t ttl_nanos_;
  Clock* const clock_;
  mutable Mutex mu_;
  StringMap<Held> tokens_ ABSL_GUARDED_BY(mu_);
  uint64_t made_ ABSL_GUARDED_BY(mu_) = 0;
  size_t sweep_at_ ABSL_GUARDED_BY(mu_) = 64;
};

struct TokenOptions {
  std::string kind = "simple";  // or "jwt,sign-method=…,pub-key=FILE,priv-key=FILE,ttl=5m"
  int64_t simple_ttl_nanos = 300 * kNanosPerSecond;
  Clock* clock = nullptr;  // null: Clock::Real()
};

// InvalidArgument, with what is wrong with the kind.
absl::StatusOr<std::unique_ptr<TokenSource>> MakeTokenSource(const TokenOptions& options);

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_TOKENS_H_
