#include "tests/linearizability/planted_fault.h"

#include <map>
#include <optional>

#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/wal/log_tail.h"
#include "mvcc/errors.h"

namespace socle::linearizability {
namespace {

using mvcc::Callback;
using mvcc::Store;

constexpr uint64_t kOneIn = 8;

// A store that passes everything on.
class Wrapper : public Store {
 public:
  explicit Wrapper(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}

  absl::StatusOr<mvcc::RangeResult> Range(const mvcc::RangeRequest& request) const override {
    return inner_->Range(request);
  }

  void Put(mvcc::PutRequest request, Callback<mvcc::PutResult> done) override {
    inner_->Put(std::move(request), std::move(done));
  }

  void DeleteRange(mvcc::DeleteRangeRequest request,
                   Callback<mvcc::DeleteRangeResult> done) override {
    inner_->DeleteRange(std::move(request), std::move(done));
  }

  void Txn(mvcc::TxnRequest request, Callback<mvcc::TxnResult> done) override {
    inner_->Txn(std::move(request), std::move(done));
  }

  void Compact(int64_t revision, bool physical, Callback<mvcc::CompactResult> done) override {
    inner_->Compact(revision, physical, std::move(done));
  }

  void LeaseGrant(mvcc::LeaseId id, int64_t ttl_seconds,
                  Callback<mvcc::LeaseGrantResult> done) override {
    inner_->LeaseGrant(id, ttl_seconds, std::move(done));
  }

  void LeaseRevoke(mvcc::LeaseId id, Callback<mvcc::LeaseRevokeResult> done) override {
    inner_->LeaseRevoke(id, std::move(done));
  }

  void LeaseCheckpoints(std::vector<mvcc::LeaseCheckpoint> checkpoints,
                        Callback<int64_t> done) override {
    inner_->LeaseCheckpoints(std::move(checkpoints), std::move(done));
  }

  void WriteSystem(std::vector<mvcc::SystemWrite> writes, Callback<uint64_t> done) override {
    inner_->WriteSystem(std::move(writes), std::move(done));
  }

  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadSystem(
      std::string_view bucket) const override {
    return inner_->ReadSystem(bucket);
  }

  std::unique_ptr<mvcc::WatchStream> NewWatchStream(std::function<void()> on_ready) override {
    return inner_->NewWatchStream(std::move(on_ready));
  }

  absl::StatusOr<std::unique_ptr<kv::ReadTxn>> CommitAndRead() override {
    return inner_->CommitAndRead();
  }

  std::unique_ptr<kv::LogTail> TailLog(uint64_t after) const override {
    return inner_->TailLog(after);
  }

  void HoldLog(uint64_t index) override { inner_->HoldLog(index); }

  uint64_t log_index() const override { return inner_->log_index(); }

  uint64_t store_id() const override { return inner_->store_id(); }

  int64_t current_revision() const override { return inner_->current_revision(); }

  int64_t compact_revision() const override { return inner_->compact_revision(); }

  mvcc::StoreStats Stats() const override { return inner_->Stats(); }

  std::vector<mvcc::PrefixUsage> PrefixUsages() const override { return inner_->PrefixUsages(); }

  absl::Status Health() const override { return inner_->Health(); }

  absl::Status Check() override { return inner_->Check(); }

  absl::Status Corruption() const override { return inner_->Corruption(); }

  absl::StatusOr<mvcc::KvHash> HashKv(int64_t revision) const override {
    return inner_->HashKv(revision);
  }

  absl::StatusOr<uint32_t> Hash() override { return inner_->Hash(); }

  void Shrink(Callback<uint64_t> done) override { inner_->Shrink(std::move(done)); }

  void StopShrinking() override { inner_->StopShrinking(); }

 protected:
  bool IsTime() const {
    const MutexLock lock(&mu_);
    return random_.OneIn(kOneIn);
  }

  const std::unique_ptr<Store> inner_;
  mutable Mutex mu_;

 private:
  mutable Random random_ ABSL_GUARDED_BY(mu_){1};
};

class LostWrite final : public Wrapper {
 public:
  using Wrapper::Wrapper;

  void Put(mvcc::PutRequest request, Callback<mvcc::PutResult> done) override {
    if (!request.prev_kv && !request.ignore_value && !request.ignore_lease && IsTime()) {
      request.key = "\x7f" + request.key;
    }
    inner_->Put(std::move(request), std::move(done));
  }
};

// Reads without a revision are answered from the one before.
class BehindReads final : public Wrapper {
 public:
  BehindReads(std::unique_ptr<Store> inner, bool has_old_header)
      : Wrapper(std::move(inner)), has_old_header_(has_old_header) {}

  absl::StatusOr<mvcc::RangeResult> Range(const mvcc::RangeRequest& request) const override {
    const int64_t before = inner_->current_revision() - 1;
    if (request.revision > 0 || before < 2 || !IsTime()) {
      return inner_->Range(request);
    }
    mvcc::RangeRequest behind = request;
    behind.revision = before;
    absl::StatusOr<mvcc::RangeResult> result = inner_->Range(behind);
    if (!result.ok()) {
      return inner_->Range(request);
    }
    result->revision = has_old_header_ ? before : result->revision;
    return result;
  }

 private:
  const bool has_old_header_;
};

class SameRevision final : public Wrapper {
 public:
  using Wrapper::Wrapper;

  void Put(mvcc::PutRequest request, Callback<mvcc::PutResult> done) override {
    inner_->Put(std::move(request), [is_time = IsTime(), done = std::move(done)](
                                        absl::StatusOr<mvcc::PutResult> result) mutable {
      if (result.ok() && is_time) {
        --result->revision;
      }
      done(std::move(result));
    });
  }
};

class SwappedRevisions final : public Wrapper {
 public:
  using Wrapper::Wrapper;

  void Put(mvcc::PutRequest request, Callback<mvcc::PutResult> done) override {
    {
      const MutexLock lock(&mu_);
      ++under_way_;
    }
    inner_->Put(std::move(request),
                [this, done = std::move(done)](absl::StatusOr<mvcc::PutResult> result) mutable {
                  Answer({std::move(done), std::move(result)});
                });
  }

 private:
  struct Held {
    Callback<mvcc::PutResult> done;
    absl::StatusOr<mvcc::PutResult> result;
  };

  // Holds an answer back while another put is under way, and swaps it with that one's.
  void Answer(Held held) {
    std::optional<Held> other;
    {
      const MutexLock lock(&mu_);
      --under_way_;
      if (!held_ && under_way_ > 0) {
        held_ = std::move(held);
        return;
      }
      other = std::exchange(held_, std::nullopt);
    }
    if (other) {
      if (held.result.ok() && other->result.ok()) {
        std::swap(held.result->revision, other->result->revision);
      }
      other->done(std::move(other->result));
    }
    held.done(std::move(held.result));
  }

  int under_way_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<Held> held_ ABSL_GUARDED_BY(mu_);
};

class DirtyRead final : public Wrapper {
 public:
  using Wrapper::Wrapper;

  void Put(mvcc::PutRequest request, Callback<mvcc::PutResult> done) override {
    const std::string key = request.key;
    const absl::StatusOr<mvcc::RangeResult> before = inner_->Range({.key = key});
    const bool is_shown = before.ok() && !request.ignore_value && !request.ignore_lease &&
                          request.lease == mvcc::kNoLease;
    if (is_shown) {
      const int64_t revision = before->revision + 1;
      auto pair = std::make_shared<Pair>(Pair{key, request.value, {}});
      pair->kv = {.key = pair->key,
                  .create_revision = revision,
                  .mod_revision = revision,
                  .version = 1,
                  .value = pair->value};
      if (!before->kvs.empty()) {
        pair->kv.create_revision = before->kvs[0].create_revision;
        pair->kv.version = before->kvs[0].version + 1;
      }
      const MutexLock lock(&mu_);
      shown_[key] = std::move(pair);
    }
    inner_->Put(std::move(request), [this, key, is_shown, done = std::move(done)](
                                        absl::StatusOr<mvcc::PutResult> result) mutable {
      if (is_shown) {
        const MutexLock lock(&mu_);
        shown_.erase(key);
      }
      done(std::move(result));
    });
  }

  absl::StatusOr<mvcc::RangeResult> Range(const mvcc::RangeRequest& request) const override {
    if (request.range_end.empty() && request.revision <= 0) {
      const MutexLock lock(&mu_);
      if (const auto at = shown_.find(request.key); at != shown_.end()) {
        mvcc::RangeResult result;
        result.revision = at->second->kv.mod_revision;
        result.kvs.push_back(at->second->kv);
        result.count = 1;
        result.pin = at->second;
        return result;
      }
    }
    return inner_->Range(request);
  }

 private:
  struct Pair {
    std::string key;
    std::string value;
    mvcc::KeyValueView kv;
  };

  std::map<std::string, std::shared_ptr<Pair>> shown_ ABSL_GUARDED_BY(mu_);
};

class CompactedTooFar final : public Wrapper {
 public:
  using Wrapper::Wrapper;

  absl::StatusOr<mvcc::RangeResult> Range(const mvcc::RangeRequest& request) const override {
    if (request.revision > 0 && request.revision == inner_->compact_revision()) {
      return mvcc::MakeError(mvcc::StoreError::kCompacted);
    }
    return inner_->Range(request);
  }
};

class LossyStream final : public mvcc::WatchStream {
 public:
  explicit LossyStream(std::unique_ptr<mvcc::WatchStream> inner) : inner_(std::move(inner)) {}

  void Create(mvcc::WatchRequest request) override { inner_->Create(std::move(request)); }

  void Cancel(int64_t watch_id) override { inner_->Cancel(watch_id); }

  void RequestProgress() override { inner_->RequestProgress(); }

  std::optional<mvcc::WatchResponse> Next() override {
    std::optional<mvcc::WatchResponse> response = inner_->Next();
    if (response && !response->events.empty() && random_.OneIn(kOneIn)) {
      response->events = WithoutFirst(response->events);
    }
    return response;
  }

  std::optional<mvcc::SharedWatchResponse> NextShared() override {
    std::optional<mvcc::WatchResponse> response = Next();
    if (!response) {
      return std::nullopt;
    }
    const int64_t watch_id = response->watch_id;
    return mvcc::SharedWatchResponse{.response = *std::move(response), .watch_ids = {watch_id}};
  }

  bool TakesCommands() const override { return inner_->TakesCommands(); }

 private:
  static mvcc::EventList WithoutFirst(const mvcc::EventList& events) {
    mvcc::EventList rest;
    uint32_t skipped = 0;
    for (const mvcc::EventList::Run& run : events.runs()) {
      for (uint32_t i = 0; i < run.count; ++i) {
        if (skipped++ > 0) {
          rest.Add(run.block, run.first + i);
        }
      }
    }
    return rest;
  }

  const std::unique_ptr<mvcc::WatchStream> inner_;
  Random random_{1};
};

class LostEvent final : public Wrapper {
 public:
  using Wrapper::Wrapper;

  std::unique_ptr<mvcc::WatchStream> NewWatchStream(std::function<void()> on_ready) override {
    return std::make_unique<LossyStream>(inner_->NewWatchStream(std::move(on_ready)));
  }
};

// Forgets the last of a lease's keys when it is asked for them.
class Survivor final : public mvcc::LeaseHook {
 public:
  explicit Survivor(mvcc::LeaseHook* inner) : inner_(inner) {}

  bool Exists(mvcc::LeaseId id) const override { return inner_->Exists(id); }

  void Grant(mvcc::LeaseId id, int64_t ttl_seconds, int64_t remaining_ttl_seconds) override {
    inner_->Grant(id, ttl_seconds, remaining_ttl_seconds);
  }

  void Revoke(mvcc::LeaseId id) override { inner_->Revoke(id); }

  std::vector<std::string> KeysOf(mvcc::LeaseId id) const override {
    std::vector<std::string> keys = inner_->KeysOf(id);
    if (!keys.empty()) {
      keys.pop_back();
    }
    return keys;
  }

  mvcc::LeaseId LeaseOf(std::string_view key) const override { return inner_->LeaseOf(key); }

  int64_t GrantedTtl(mvcc::LeaseId id) const override { return inner_->GrantedTtl(id); }

  void Checkpoint(const mvcc::LeaseCheckpoint& checkpoint) override {
    inner_->Checkpoint(checkpoint);
  }

  void Attach(mvcc::LeaseId id, std::string_view key) override { inner_->Attach(id, key); }

  void Detach(mvcc::LeaseId id, std::string_view key) override { inner_->Detach(id, key); }

 private:
  mvcc::LeaseHook* const inner_;
};

}  // namespace

std::unique_ptr<Store> WithFault(PlantedFault fault, std::unique_ptr<Store> store) {
  switch (fault) {
    case PlantedFault::kLostWrite:
      return std::make_unique<LostWrite>(std::move(store));
    case PlantedFault::kStaleRead:
      return std::make_unique<BehindReads>(std::move(store), /*has_old_header=*/false);
    case PlantedFault::kOldView:
      return std::make_unique<BehindReads>(std::move(store), /*has_old_header=*/true);
    case PlantedFault::kSameRevision:
      return std::make_unique<SameRevision>(std::move(store));
    case PlantedFault::kSwappedRevisions:
      return std::make_unique<SwappedRevisions>(std::move(store));
    case PlantedFault::kDirtyRead:
      return std::make_unique<DirtyRead>(std::move(store));
    case PlantedFault::kCompactedTooFar:
      return std::make_unique<CompactedTooFar>(std::move(store));
    case PlantedFault::kLostEvent:
      return std::make_unique<LostEvent>(std::move(store));
    case PlantedFault::kNone:
    case PlantedFault::kSurvivor:   // of leases
    case PlantedFault::kLyingDisk:  // of the disk
      break;
  }
  return store;
}

std::unique_ptr<mvcc::LeaseHook> WithFault(PlantedFault fault, mvcc::LeaseHook* hook) {
  return fault == PlantedFault::kSurvivor ? std::make_unique<Survivor>(hook) : nullptr;
}

}  // namespace socle::linearizability
