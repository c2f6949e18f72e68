// Contender: a key that waits to be the oldest under its prefix; what locks and elections are made of.
//
//   lease ─► txn: make the key, or find it ─► oldest? ─yes─► held
//                                              │ no
//                                              ▼
//                        watch the next older key until it is gone ─► look again
//
// Laws     1. Whoever has the smallest create revision under the prefix holds it; a contender waits for
//             its predecessor alone, so that a release wakes one.
//          2. The result is told once; Cancel makes it Cancelled, if it was not told yet, and takes the key
//             away again.
//          3. Nothing of it outlives its owner's last reference but a write under way.
// Threads  thread-safe. The result is told on a worker or the store's write loop.
// Source   spec etcd 1.10.
#ifndef SOCLE_SERVER_SERVICE_CONTENDER_H_
#define SOCLE_SERVER_SERVICE_CONTENDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "mvcc/store.h"
#include "server/service/node.h"

namespace socle::server {

struct Contest {
  std::string name;
  int64_t lease = 0;  // 0: one of its own, which nobody keeps alive
  std::string value;
  bool sets_value = false;  // a key that is there already gets this value (elections)
  bool checks_key = false;  // having waited, it looks whether its own key is still there (locks)
};

struct Held {
  std::string key;
  int64_t lease = 0;
  int64_t create_revision = 0;
  int64_t revision = 0;  // of the header
};

// etcd's lock and election servers are clients of its store, and what it refuses them comes out as Unknown with the same
// text; only the end of the call itself keeps its code. For whatever those services answer.
absl::Status RefusedContest(const absl::Status& status);

inline Done AsContest(Done done) {
  return [done = std::move(done)](const absl::Status& status) mutable {
    done(RefusedContest(status));
  };
}

inline constexpr std::string_view kNotLeaderText = "election: not leader";

// The keys of a contest lie in [PrefixOfContest, EndOfContest).
std::string PrefixOfContest(std::string_view name);
std::string EndOfContest(std::string_view name);

class Contender : public std::enable_shared_from_this<Contender> {
 public:
  using Told = absl::AnyInvocable<void(absl::StatusOr<Held>)>;

  // Use Start.
  Contender(Node* node, Contest contest, Told told);
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  static std::shared_ptr<Contender> Start(Node* node, Contest contest, Told told);

  // The caller has gone: the key goes too, unless the result was told.
  void Cancel();

 private:
  void GrantLease();
  void Enter(int64_t lease);
  void Entered(absl::StatusOr<mvcc::TxnResult> result);
  void SetValue();
  // On a worker: looks who is before it.
  void LookSoon();
  void Look();
  // False when there is still a predecessor, which is being watched now.
  absl::StatusOr<bool> IsOldest();
  bool IsPredecessorGone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckKey();
  void Tell(absl::StatusOr<Held> result);
  void TakeKeyAway(int64_t create_revision);

  Node* const node_;
  const Contest contest_;
  const std::string prefix_;
  // Written before it enters.
  int64_t lease_ = 0;
  std::string key_;

  Mutex mu_;
  Told told_ ABSL_GUARDED_BY(mu_);  // null: told, or nobody listens
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool has_entered_ ABSL_GUARDED_BY(mu_) = false;
  int64_t create_revision_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t revision_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<mvcc::WatchStream> watch_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_CONTENDER_H_
