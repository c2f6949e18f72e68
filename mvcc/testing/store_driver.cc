#include "mvcc/testing/store_driver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/mutex.h"

namespace socle::mvcc {
namespace {

template <typename T>
Callback<T> Describing(std::function<void(DrivenAnswer)> done) {
  return [done = std::move(done)](absl::StatusOr<T> result) {
    if constexpr (std::is_integral_v<T>) {
      done({.status = result.status(),
            .text = result.ok() ? "done" : DescribeError(result.status())});
    } else {
      done({.status = result.status(), .text = Describe(result)});
    }
  };
}

class Submission {
 public:
  Submission(Store* store, std::function<void(DrivenAnswer)> done)
      : store_(store), done_(std::move(done)) {}

  void operator()(PutRequest& put) { store_->Put(std::move(put), Describing<PutResult>(done_)); }

  void operator()(DeleteRangeRequest& range) {
    store_->DeleteRange(std::move(range), Describing<DeleteRangeResult>(done_));
  }

  void operator()(TxnRequest& txn) { store_->Txn(std::move(txn), Describing<TxnResult>(done_)); }

  void operator()(CompactOp& op) {
    store_->Compact(op.revision, /*physical=*/false, Describing<CompactResult>(done_));
  }

  void operator()(LeaseGrantOp& op) {
    store_->LeaseGrant(op.id, op.ttl_seconds, Describing<LeaseGrantResult>(done_));
  }

  void operator()(LeaseRevokeOp& op) {
    store_->LeaseRevoke(op.id, Describing<LeaseRevokeResult>(done_));
  }

  void operator()(CheckpointOp& op) {
    store_->LeaseCheckpoints(std::move(op.checkpoints), Describing<int64_t>(done_));
  }

  void operator()(SystemOp& op) {
    store_->WriteSystem(std::move(op.writes), Describing<uint64_t>(done_));
  }

 private:
  Store* const store_;
  const std::function<void(DrivenAnswer)> done_;
};

std::string DifferenceOfKeys(const Store& store, const ModelStore& model) {
  const std::string zero(1, '\0');
  for (int64_t revision = std::max<int64_t>(1, model.compact_revision());
       revision <= model.revision(); ++revision) {
    const RangeRequest all{.key = zero, .range_end = zero, .revision = revision};
    const std::string actual = Describe(store.Range(all));
    const std::string expected = model.Read(all);
    if (actual != expected) {
      return fmt::format("at revision {}, compacted {}:\n  store {}\n  model {}", revision,
                         model.compact_revision(), actual, expected);
    }
  }
  return "";
}

std::string DifferenceOfLeases(const ModelStore& model, const MapLeaseHook& hook) {
  if (hook.leases().size() != model.leases().size()) {
    return fmt::format("{} leases, not {}", hook.leases().size(), model.leases().size());
  }
  for (const auto& [id, lease] : hook.leases()) {
    std::set<std::string> expected;
    for (const auto& [key, kv] : model.StateAt(model.revision())) {
      if (kv.lease == id) {
        expected.insert(key);
      }
    }
    if (!model.leases().contains(id) || lease.keys != expected) {
      return fmt::format("lease {} has {} keys, not {}", Raw(id), lease.keys.size(),
                         expected.size());
    }
  }
  return "";
}

}  // namespace

void Submit(Store* store, Operation operation, std::function<void(DrivenAnswer)> done) {
  std::visit(Submission(store, std::move(done)), operation);
}

DrivenAnswer Run(Store* store, Operation operation) {
  Mutex mu;
  CondVar changed;
  std::optional<DrivenAnswer> answer;
  Submit(store, std::move(operation), [&](DrivenAnswer given) {
    MutexLock lock(&mu);
    answer = std::move(given);
    changed.Signal();
  });
  MutexLock lock(&mu);
  while (!answer) {
    changed.Wait(&mu);
  }
  return *std::move(answer);
}

std::string Difference(const Store& store, ModelStore* model, const MapLeaseHook& hook) {
  if (store.current_revision() != model->revision() ||
      store.compact_revision() != model->compact_revision()) {
    return fmt::format("revision {} compacted {}, not {} and {}", store.current_revision(),
                       store.compact_revision(), model->revision(), model->compact_revision());
  }
  std::string difference = DifferenceOfKeys(store, *model);
  if (difference.empty()) {
    difference = DifferenceOfLeases(*model, hook);
  }
  for (const std::string bucket : {"alarm", "cluster"}) {
    const auto pairs = store.ReadSystem(bucket);
    const auto& expected = model->System(bucket);
    if (difference.empty() &&
        (!pairs.ok() || !std::equal(pairs->begin(), pairs->end(), expected.begin(), expected.end(),
                                    [](const auto& a, const auto& b) {
                                      return a.first == b.first && a.second == b.second;
                                    }))) {
      difference = fmt::format("bucket {} differs", bucket);
    }
  }
  return difference;
}

}  // namespace socle::mvcc
