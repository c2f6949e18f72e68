// Random schedules of everything that happens to leases, restarts included, against a map.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "lease/lessor.h"

namespace socle::lease {
namespace {

constexpr int64_t kCheckpointInterval = 60 * kNanosPerSecond;
constexpr int64_t kNever = INT64_MIN;

// What the laws of Lessor say of one lease.
struct ModelLease {
  int64_t ttl = 0;
  int64_t deadline = 0;
  int64_t renewed_at = 0;          // or granted, or begun anew
  int64_t handed_out_at = kNever;  // to be revoked
  mvcc::LeaseCheckpoint stored;
  bool is_under_way = false;  // a checkpoint that was taken and not applied
  int waiting = 0;
  std::set<std::string> keys;

  bool is_noted() const { return stored.remaining_ttl_seconds > 0 || stored.left_millis > 0; }
};

class Schedule {
 public:
  explicit Schedule(uint64_t seed) : random_(seed) { Restart(); }

  ~Schedule() {
    lessor_->Close();
    EXPECT_EQ(stopped_, WaitingNow());
  }

  void Step() {
    switch (random_.Below(12)) {
      case 0:
      case 1:
        Grant();
        break;
      case 2:
        Revoke();
        break;
      case 3:
      case 4:
        Attach();
        break;
      case 5:
        Detach();
        break;
      case 6:
      case 7:
        Renew();
        break;
      case 8:
        Expire();
        break;
      case 9:
        TakeCheckpoints();
        break;
      case 10:
        clock_.Advance(static_cast<int64_t>(random_.Below(20)) * kNanosPerSecond +
                       static_cast<int64_t>(random_.Below(kNanosPerSecond)));
        break;
      default:
        if (random_.OneIn(20)) {
          Restart();
        }
    }
  }

  void Check() {
    lessor_->CheckInvariants();
    ASSERT_EQ(lessor_->Stats().leases, model_.size());
    std::vector<LeaseId> listed = lessor_->Leases();
    std::ranges::sort(listed);
    std::vector<LeaseId> known;
    for (const auto& [id, lease] : model_) {
      known.push_back(id);
      const std::optional<LeaseStatus> status = lessor_->TimeToLive(id, true);
      ASSERT_TRUE(status.has_value());
      ASSERT_EQ(status->granted_ttl_seconds, lease.ttl);
      ASSERT_EQ(status->remaining_seconds, (lease.deadline - Now()) / kNanosPerSecond);
      ASSERT_EQ(status->keys, std::vector<std::string>(lease.keys.begin(), lease.keys.end()));
    }
    ASSERT_EQ(listed, known);
  }

 private:
  int64_t Now() { return clock_.MonotonicNanos(); }

  int WaitingNow() const {
    int waiting = 0;
    for (const auto& [id, lease] : model_) {
      waiting += lease.waiting;
    }
    return waiting;
  }

  // Sometimes one that there is not.
  LeaseId AnyId() { return LeaseId{static_cast<int64_t>(random_.Below(40)) + 1}; }

  void Grant() {
    const LeaseId id = AnyId();
    if (model_.contains(id)) {
      return;
    }
    constexpr int64_t kTtls[] = {2, 5, 10, 30, 59, 60, 61, 400};
    const int64_t ttl = kTtls[random_.Below(std::size(kTtls))];
    lessor_->Grant(id, ttl, 0);
    model_[id] = {.ttl = ttl, .deadline = Now() + ttl * kNanosPerSecond, .renewed_at = Now()};
  }

  void Remove(LeaseId id) {
    const int waiting = model_[id].waiting;
    const int before = revoked_;
    lessor_->Revoke(id);
    ASSERT_EQ(revoked_ - before, waiting);
    model_.erase(id);
  }

  void Revoke() {
    if (const LeaseId id = AnyId(); model_.contains(id)) {
      Remove(id);
    }
  }

  LeaseId OwnerOf(const std::string& key) const {
    for (const auto& [id, lease] : model_) {
      if (lease.keys.contains(key)) {
        return id;
      }
    }
    return mvcc::kNoLease;
  }

  // As the store does it: a key leaves its lease before it goes to another.
  void Attach() {
    const LeaseId id = AnyId();
    const std::string key = fmt::format("key{}", random_.Below(60));
    const LeaseId old = OwnerOf(key);
    ASSERT_EQ(lessor_->LeaseOf(key), old);
    if (!model_.contains(id) || old == id) {
      return;
    }
    if (old != mvcc::kNoLease) {
      lessor_->Detach(old, key);
      model_[old].keys.erase(key);
    }
    lessor_->Attach(id, key);
    model_[id].keys.insert(key);
  }

  void Detach() {
    const std::string key = fmt::format("key{}", random_.Below(60));
    if (const LeaseId old = OwnerOf(key); old != mvcc::kNoLease) {
      lessor_->Detach(old, key);
      model_[old].keys.erase(key);
    }
  }

  Lessor::Renewal RenewOnce(LeaseId id) {
    Lessor::RenewalDone done = [this](const absl::StatusOr<int64_t>& ttl) {
      ++(ttl.ok() ? revoked_ : stopped_);
    };
    const absl::StatusOr<Lessor::Renewal> renewal = lessor_->Renew(id, &done);
    EXPECT_TRUE(renewal.ok());
    return *renewal;
  }

  void Renew() {
    const LeaseId id = AnyId();
    Lessor::Renewal renewal = RenewOnce(id);
    const auto at = model_.find(id);
    if (at == model_.end()) {
      ASSERT_EQ(renewal.kind, Lessor::RenewalKind::kUnknown);
      return;
    }
    ModelLease& lease = at->second;
    if (lease.deadline <= Now()) {
      ASSERT_EQ(renewal.kind, Lessor::RenewalKind::kWaits);
      ++lease.waiting;
      return;
    }
    if (lease.is_noted() || lease.is_under_way) {
      ASSERT_EQ(renewal.kind, Lessor::RenewalKind::kNeedsCheckpoint0);
      lessor_->Checkpoint({.id = id});
      lease.stored = {.id = id};
      lease.is_under_way = false;
      renewal = RenewOnce(id);
    }
    ASSERT_EQ(renewal.kind, Lessor::RenewalKind::kRenewed);
    ASSERT_EQ(renewal.ttl_seconds, lease.ttl);
    lease.deadline = Now() + lease.ttl * kNanosPerSecond;
    lease.renewed_at = Now();
  }

  // Some of what is due is revoked, some proposals get lost.
  void Expire() {
    const size_t max = random_.OneIn(2) ? 1'000 : 1 + random_.Below(3);
    std::set<LeaseId> due;
    for (const auto& [id, lease] : model_) {
      const bool is_free =
          lease.handed_out_at == kNever || lease.handed_out_at + Lessor::kRevokeRetryNanos <= Now();
      if (lease.deadline <= Now() && is_free) {
        due.insert(id);
      }
    }
    const std::vector<LeaseId> taken = lessor_->TakeExpired(max);
    ASSERT_EQ(taken.size(), std::min(max, due.size()));
    for (const LeaseId id : taken) {
      ASSERT_TRUE(due.erase(id) == 1);
      model_[id].handed_out_at = Now();
      if (!random_.OneIn(3)) {
        Remove(id);
      }
    }
  }

  static int64_t PauseOf(const ModelLease& lease) {
    return std::min(kCheckpointInterval, lease.ttl * kNanosPerSecond / 2);
  }

  void TakeCheckpoints() {
    std::set<LeaseId> wanted;  // law 3: not renewed for so long, and nothing noted yet
    for (const auto& [id, lease] : model_) {
      if (lease.ttl >= Lessor::kNotedTtlMinSeconds && lease.deadline > Now() && !lease.is_noted() &&
          !lease.is_under_way && lease.renewed_at + PauseOf(lease) <= Now()) {
        wanted.insert(id);
      }
    }
    for (const mvcc::LeaseCheckpoint& checkpoint : lessor_->TakeCheckpoints(1'000)) {
      ASSERT_TRUE(model_.contains(checkpoint.id));
      ModelLease& lease = model_[checkpoint.id];
      wanted.erase(checkpoint.id);
      ASSERT_GE(lease.ttl, Lessor::kNotedTtlMinSeconds);
      ASSERT_GT(lease.deadline, Now());
      ASSERT_LE(lease.renewed_at + PauseOf(lease), Now());
      ASSERT_GE(checkpoint.left_millis * kNanosPerMilli, lease.deadline - Now());
      ASSERT_LT((checkpoint.left_millis - 1) * kNanosPerMilli, lease.deadline - Now());
      lease.is_under_way = true;
      if (!random_.OneIn(4)) {
        lessor_->Checkpoint(checkpoint);
        lease.stored = checkpoint;
        lease.is_under_way = false;
      }
    }
    ASSERT_TRUE(wanted.empty());
  }

  // Everything but what was stored is forgotten; time goes on meanwhile.
  void Restart() {
    if (lessor_ != nullptr) {
      const int before = stopped_;
      lessor_->Close();
      ASSERT_EQ(stopped_ - before, WaitingNow());
    }
    clock_.Advance(static_cast<int64_t>(random_.Below(30)) * kNanosPerSecond);
    stopped_ = 0;
    lessor_ = std::make_unique<Lessor>(LessorOptions{
        .clock = &clock_, .checkpoint_interval_nanos = kCheckpointInterval, .random_seed = 1});
    for (auto& [id, lease] : model_) {
      lessor_->Grant(id, lease.ttl, lease.stored.remaining_ttl_seconds);
      if (lease.is_noted()) {
        lessor_->Checkpoint(lease.stored);
      }
      for (const std::string& key : lease.keys) {
        lessor_->Attach(id, key);
      }
    }
    lessor_->StartDeadlines();
    for (auto& [id, lease] : model_) {
      BeginAnew(&lease);
    }
  }

  void BeginAnew(ModelLease* lease) {
    const int64_t promised = lease->deadline;
    lease->deadline = Now() + lease->ttl * kNanosPerSecond;
    if (lease->stored.left_millis > 0) {
      const int64_t passed = clock_.WallNanos() / kNanosPerMilli - lease->stored.noted_unix_millis;
      const int64_t grace = std::min(Lessor::kRestartGraceSeconds, lease->ttl) * 1'000;
      lease->deadline =
          Now() + std::max(lease->stored.left_millis - passed, grace) * kNanosPerMilli;
    }
    ASSERT_GE(lease->deadline + kNanosPerMilli, promised);  // law 3: never shortened
    lease->renewed_at = Now();
    lease->handed_out_at = kNever;
    lease->is_under_way = false;
    lease->waiting = 0;
  }

  Random random_;
  ManualClock clock_;
  std::unique_ptr<Lessor> lessor_;
  std::map<LeaseId, ModelLease> model_;
  int revoked_ = 0;  // renewals that were answered by a revocation
  int stopped_ = 0;  // … or by Close
};

TEST(LessorModel, EveryScheduleKeepsTheLaws) {
  const uint64_t seed = TestSeed();
  for (uint64_t round = 0; round < 30; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    Schedule schedule(seed + round);
    for (int i = 0; i < 2'000 && !::testing::Test::HasFatalFailure(); ++i) {
      schedule.Step();
      if (i % 10 == 0) {
        schedule.Check();
      }
    }
  }
}

}  // namespace
}  // namespace socle::lease
