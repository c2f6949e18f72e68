// FakeLeaseLog: a log without a store. Proposals wait until the test applies them.
// Threads  thread-safe; applying is the test's, from one thread.
#ifndef SOCLE_LEASE_TESTING_FAKE_LEASE_LOG_H_
#define SOCLE_LEASE_TESTING_FAKE_LEASE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "kv/base/mutex.h"
#include "lease/lease_log.h"
#include "mvcc/errors.h"
#include "mvcc/lease_hook.h"

namespace socle::lease {

class FakeLeaseLog final : public LeaseLog {
 public:
  explicit FakeLeaseLog(mvcc::LeaseHook* hook) : hook_(hook) {}

  void Grant(LeaseId id, int64_t ttl_seconds,
             mvcc::Callback<mvcc::LeaseGrantResult> done) override {
    Propose([this, id, ttl_seconds, done = std::move(done)](const absl::Status& failure) mutable {
      if (!failure.ok()) {
        done(failure);
      } else if (hook_->Exists(id)) {
        done(mvcc::MakeError(mvcc::StoreError::kLeaseExists));
      } else {
        hook_->Grant(id, ttl_seconds, 0);
        done(mvcc::LeaseGrantResult{1});
      }
    });
  }

  void Revoke(LeaseId id, mvcc::Callback<mvcc::LeaseRevokeResult> done) override {
    Propose([this, id, done = std::move(done)](const absl::Status& failure) mutable {
      if (!failure.ok()) {
        done(failure);
      } else if (!hook_->Exists(id)) {
        done(mvcc::MakeError(mvcc::StoreError::kLeaseNotFound));
      } else {
        for (const std::string& key : hook_->KeysOf(id)) {
          hook_->Detach(id, key);
        }
        hook_->Revoke(id);
        {
          MutexLock lock(&mu_);
          revoked_.push_back(id);
        }
        done(mvcc::LeaseRevokeResult{1});
      }
    });
  }

  void Checkpoint(std::vector<mvcc::LeaseCheckpoint> checkpoints,
                  mvcc::Callback<int64_t> done) override {
    Propose([this, checkpoints = std::move(checkpoints),
             done = std::move(done)](const absl::Status& failure) mutable {
      if (!failure.ok()) {
        done(failure);
        return;
      }
      for (const mvcc::LeaseCheckpoint& checkpoint : checkpoints) {
        hook_->Checkpoint(checkpoint);
      }
      done(1);
    });
  }

  // Applies what was proposed so far, and what that proposes; answers it with `failure` instead
  // when that is not OK.
  size_t Apply(const absl::Status& failure = absl::OkStatus()) {
    size_t applied = 0;
    for (;;) {
      Entry entry;
      {
        MutexLock lock(&mu_);
        if (entries_.empty()) {
          return applied;
        }
        entry = std::move(entries_.front());
        entries_.pop_front();
      }
      entry(failure);
      ++applied;
    }
  }

  size_t proposed() const {
    MutexLock lock(&mu_);
    return entries_.size();
  }

  std::vector<LeaseId> revoked() const {
    MutexLock lock(&mu_);
    return revoked_;
  }

  // Blocks until something is proposed.
  void AwaitProposal() {
    MutexLock lock(&mu_);
    while (entries_.empty()) {
      proposed_.Wait(&mu_);
    }
  }

 private:
  using Entry = absl::AnyInvocable<void(const absl::Status&)>;

  void Propose(Entry entry) {
    MutexLock lock(&mu_);
    entries_.push_back(std::move(entry));
    proposed_.SignalAll();
  }

  mvcc::LeaseHook* const hook_;
  mutable Mutex mu_;
  CondVar proposed_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mu_);
  std::vector<LeaseId> revoked_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_TESTING_FAKE_LEASE_LOG_H_
