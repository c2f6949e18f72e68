// ExpectedState: what a store must hold, kept by a process that outlives it.
//
// Laws     1. Acknowledged requests are in the store; requests that were never sent are not.
//          2. A request whose answer never came is in the store whole or not at all.
//          3. A client's acknowledged revisions ascend; the store's revision never falls below any
//             of them.
// Threads  thread-safe. Each client has at most one request under way and owns its keys.
// Memory   every acknowledged write, for reads at old revisions.
#ifndef SOCLE_TESTS_CRASH_EXPECTED_STATE_H_
#define SOCLE_TESTS_CRASH_EXPECTED_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "kv/base/mutex.h"
#include "kv/base/random.h"

namespace socle::crash {

// One effect: a key gets a value, or goes. Leases take part as keys that have no revision.
struct Effect {
  std::string key;
  std::optional<std::string> value;
};

// What one request does, all or nothing.
struct Intent {
  std::vector<Effect> effects;
  bool takes_revision = true;
};

struct Found {
  std::string value;
  int64_t mod_revision = 0;  // 0 for leases
};

// A whole store as it answered: keys and leases.
struct Listing {
  int64_t revision = 0;
  std::map<std::string, Found, std::less<>> entries;
};

// A write that a read at its revision must show.
struct PastWrite {
  std::string key;
  std::string value;
  int64_t revision = 0;
};

class ExpectedState {
 public:
  void BeforeSend(int client, Intent intent);
  void OnAcknowledged(int client, int64_t revision);
  void OnCompactionAcknowledged(int64_t revision);
  void BeforeCompaction(int64_t revision);

  // The key's value as acknowledged; absent when it is not there.
  std::optional<std::string> ValueOf(std::string_view key) const;
  // Everything that the listing breaks, in words; settles the requests that were under way.
  std::vector<std::string> Verify(const Listing& listing);
  // Acknowledged writes above every compaction that was asked for.
  std::vector<PastWrite> SampleHistory(Random* random, size_t count) const;

  int64_t compacted() const;
  size_t acknowledged() const;
  // Claims a write that was never sent: shows that Verify can fail.
  void Plant();

 private:
  struct Truth {
    std::string value;
    int64_t mod_revision = 0;
  };

  void Apply(const Intent& intent, int64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Settle(int client, const Intent& intent, const Listing& listing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HoldsAsAcknowledged(const Effect& effect, const Listing& listing) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  std::map<std::string, Truth, std::less<>> truth_ ABSL_GUARDED_BY(mu_);
  std::map<int, Intent> under_way_ ABSL_GUARDED_BY(mu_);
  std::map<int, int64_t> last_revision_ ABSL_GUARDED_BY(mu_);
  std::set<int64_t> revisions_ ABSL_GUARDED_BY(mu_);
  std::vector<PastWrite> history_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> violations_ ABSL_GUARDED_BY(mu_);
  int64_t revision_max_ ABSL_GUARDED_BY(mu_) = 1;
  int64_t compaction_asked_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t compacted_ ABSL_GUARDED_BY(mu_) = 0;
  size_t acknowledged_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace socle::crash

#endif  // SOCLE_TESTS_CRASH_EXPECTED_STATE_H_
