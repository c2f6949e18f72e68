// MapLeaseHook: the simplest LeaseHook; aborts when the store breaks a law of lease_hook.h.
//
// Threads  as LeaseHook; tests may look between operations.
#ifndef SOCLE_MVCC_TESTING_MAP_LEASE_HOOK_H_
#define SOCLE_MVCC_TESTING_MAP_LEASE_HOOK_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kv/base/check.h"
#include "mvcc/lease_hook.h"

namespace socle::mvcc {

class MapLeaseHook final : public LeaseHook {
 public:
  struct Lease {
    int64_t ttl = 0;
    int64_t remaining = 0;
    int64_t noted = 0;
    int64_t left = 0;
    std::set<std::string> keys;
  };

  bool Exists(LeaseId id) const override { return leases_.contains(id); }

  void Grant(LeaseId id, int64_t ttl, int64_t remaining) override {
    CHECK(!Exists(id));
    leases_[id] = {.ttl = ttl, .remaining = remaining, .noted = 0, .left = 0, .keys = {}};
  }

  void Revoke(LeaseId id) override {
    CHECK(Exists(id));
    for (const std::string& key : leases_[id].keys) {
      lease_of_.erase(key);
    }
    leases_.erase(id);
  }

  std::vector<std::string> KeysOf(LeaseId id) const override {
    const std::set<std::string>& keys = leases_.at(id).keys;
    return {keys.begin(), keys.end()};
  }

  LeaseId LeaseOf(std::string_view key) const override {
    const auto at = lease_of_.find(std::string(key));
    return at == lease_of_.end() ? kNoLease : at->second;
  }

  int64_t GrantedTtl(LeaseId id) const override { return leases_.at(id).ttl; }

  void Checkpoint(const LeaseCheckpoint& checkpoint) override {
    if (const auto at = leases_.find(checkpoint.id); at != leases_.end()) {
      at->second.remaining = checkpoint.remaining_ttl_seconds;
      at->second.noted = checkpoint.noted_unix_millis;
      at->second.left = checkpoint.left_millis;
    }
  }

  void Attach(LeaseId id, std::string_view key) override {
    CHECK(Exists(id));
    CHECK(lease_of_.emplace(std::string(key), id).second);
    leases_[id].keys.emplace(key);
  }

  void Detach(LeaseId id, std::string_view key) override {
    CHECK(LeaseOf(key) == id);
    lease_of_.erase(std::string(key));
    leases_.at(id).keys.erase(std::string(key));
  }

  const std::map<LeaseId, Lease>& leases() const { return leases_; }

 private:
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, LeaseId> lease_of_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_MAP_LEASE_HOOK_H_
