#include "lease/lessor.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "mvcc/errors.h"

namespace socle::lease {
namespace {

// Past the end of time counts as its end; TTLs come from files too.
int64_t After(int64_t now, int64_t seconds) {
  constexpr int64_t kEnd = DeadlineHeap::kNever - 1;
  if (seconds <= 0) {
    return now;
  }
  if (seconds > (kEnd - now) / kNanosPerSecond) {
    return kEnd;
  }
  return now + seconds * kNanosPerSecond;
}

}  // namespace

Lessor::Lessor(LessorOptions options)
    : clock_(options.clock != nullptr ? options.clock : Clock::Real()),
      ttl_min_seconds_(options.ttl_min_seconds),
      checkpoint_interval_nanos_(options.checkpoint_interval_nanos),
      random_(options.random_seed.has_value() ? *options.random_seed : Random::FreshSeed()) {}

Lessor::~Lessor() {
  MutexLock lock(&mu_);
  for (const auto& [id, lease] : leases_) {
    CHECK(lease->waiting.empty());
  }
}

Lessor::Held* Lessor::Find(LeaseId id) const {
  const auto it = leases_.find(id);
  return it == leases_.end() ? nullptr : it->second.get();
}

int64_t Lessor::FirstDue() const {
  return std::min(expiries_.NextDue(), checkpoints_.NextDue());
}

void Lessor::SetDeadline(Held* lease, int64_t deadline) {
  lease->deadline = deadline;
  expiries_.Set(&lease->expiry, deadline);
}

bool Lessor::IsLong(const Held& lease) const {
  return lease.ttl_seconds > checkpoint_interval_nanos_ / kNanosPerSecond;
}

void Lessor::ScheduleCheckpoint(Held* lease, int64_t now) {
  if (checkpoint_interval_nanos_ <= 0 || lease->ttl_seconds < kNotedTtlMinSeconds) {
    return;
  }
  // Clients renew after a third of the TTL: half of it has passed only for those that don't.
  const int64_t pause =
      std::min(checkpoint_interval_nanos_, lease->ttl_seconds * kNanosPerSecond / 2);
  checkpoints_.Set(&lease->next_checkpoint, now + pause);
}

// Nanoseconds, of a lease whose deadline is noted.
int64_t Lessor::LeftAfterRestart(const Held& lease, int64_t wall_millis) const {
  const int64_t passed = std::max(wall_millis - lease.noted_unix_millis, int64_t{0});
  const int64_t grace = std::min(kRestartGraceSeconds, lease.ttl_seconds) * 1'000;
  if (passed >= lease.left_millis - grace) {
    PROBE("lease: over before the restart");
    return grace * kNanosPerMilli;
  }
  return (lease.left_millis - passed) * kNanosPerMilli;
}

void Lessor::SpreadDeadlines(std::vector<Held*>* leases) {
  std::ranges::sort(*leases, {},
                    [](const Held* lease) { return std::pair(lease->deadline, lease->expiry.id); });
  for (size_t i = kRestartsPerSecond; i < leases->size(); ++i) {
    Held* const lease = (*leases)[i];
    const int64_t floor = (*leases)[i - kRestartsPerSecond]->deadline;
    if (lease->deadline - floor < kNanosPerSecond) {
      PROBE("lease: deadlines spread after a restart");
      lease->deadline = After(floor, 1);
    }
  }
}

void Lessor::StartDeadlines() {
  std::function<void()> wake;
  {
    MutexLock lock(&mu_);
    CHECK(!is_started_);
    is_started_ = true;
    const int64_t now = clock_->MonotonicNanos();
    const int64_t wall_nanos = clock_->WallNanos();
    const int64_t wall_millis = wall_nanos / kNanosPerMilli;
    wall_ahead_nanos_ = wall_nanos - now;
    std::vector<Held*> unknown;
    for (const auto& [id, lease] : leases_) {
      if (lease->left_millis > 0) {
        lease->deadline =
            now + std::min(LeftAfterRestart(*lease, wall_millis), DeadlineHeap::kNever - 1 - now);
        continue;
      }
      const int64_t left =
          lease->checkpoint_seconds > 0 ? lease->checkpoint_seconds : lease->ttl_seconds;
      lease->deadline = After(now, left);
      unknown.push_back(lease.get());
    }
    SpreadDeadlines(&unknown);  // law 4
    for (const auto& [id, lease] : leases_) {
      SetDeadline(lease.get(), lease->deadline);
      if (lease->left_millis == 0 || IsLong(*lease)) {
        ScheduleCheckpoint(lease.get(), now);
      }
      if (lease->left_millis > 0 && wall_millis < lease->noted_unix_millis) {
        PROBE("lease: the wall clock went back over a restart");
        checkpoints_.Set(&lease->next_checkpoint, now);
      }
    }
    wake = wake_;
  }
  if (wake) {
    wake();
  }
}

void Lessor::Close() {
  std::vector<RenewalDone> waiting;
  {
    MutexLock lock(&mu_);
    is_closed_ = true;
    for (const auto& [id, lease] : leases_) {
      std::ranges::move(lease->waiting, std::back_inserter(waiting));
      lease->waiting.clear();
    }
  }
  for (RenewalDone& done : waiting) {
    done(mvcc::MakeError(mvcc::StoreError::kStopped));
  }
}

bool Lessor::Exists(LeaseId id) const {
  MutexLock lock(&mu_);
  return Find(id) != nullptr;
}

void Lessor::Grant(LeaseId id, int64_t ttl_seconds, int64_t remaining_ttl_seconds) {
  std::function<void()> wake;
  {
    MutexLock lock(&mu_);
    auto [it, is_new] = leases_.emplace(id, nullptr);
    CHECK(is_new);
    it->second = std::make_unique<Held>();
    Held* const lease = it->second.get();
    lease->ttl_seconds = std::clamp(ttl_seconds, ttl_min_seconds_, kTtlMaxSeconds);
    lease->checkpoint_seconds = std::clamp<int64_t>(remaining_ttl_seconds, 0, lease->ttl_seconds);
    lease->expiry.id = id;
    lease->next_checkpoint.id = id;
    if (!is_started_) {
      return;
    }
    ++stats_.granted;
    const int64_t first_due = FirstDue();
    const int64_t now = clock_->MonotonicNanos();
    SetDeadline(lease, After(now, lease->ttl_seconds));
    ScheduleCheckpoint(lease, now);
    if (FirstDue() < first_due) {
      wake = wake_;
    }
  }
  if (wake) {
    wake();
  }
}

void Lessor::Revoke(LeaseId id) {
  write_loop_.AssertHeld();
  std::unique_ptr<Held> lease;
  {
    MutexLock lock(&mu_);
    const auto it = leases_.find(id);
    CHECK(it != leases_.end());
    lease = std::move(it->second);
    leases_.erase(it);
    expiries_.Remove(&lease->expiry);
    checkpoints_.Remove(&lease->next_checkpoint);
    if (is_started_) {
      ++stats_.revoked;
    }
  }
  // Nobody else sees the lease any more.
  for (const std::string_view key : std::exchange(lease->keys, {})) {
    lease_of_.erase(lease_of_.find(key));
  }
  for (RenewalDone& done : lease->waiting) {
    done(0);
  }
}

std::vector<std::string> Lessor::KeysOf(LeaseId id) const {
  MutexLock lock(&mu_);
  const Held* const lease = Find(id);
  CHECK(lease != nullptr);
  return {lease->keys.begin(), lease->keys.end()};
}

void Lessor::Checkpoint(const mvcc::LeaseCheckpoint& checkpoint) {
  MutexLock lock(&mu_);
  Held* const lease = Find(checkpoint.id);
  if (lease == nullptr) {
    return;
  }
  lease->checkpoint_seconds =
      std::clamp<int64_t>(checkpoint.remaining_ttl_seconds, 0, lease->ttl_seconds);
  lease->noted_unix_millis = checkpoint.noted_unix_millis;
  lease->left_millis = std::clamp<int64_t>(checkpoint.left_millis, 0, lease->ttl_seconds * 1'000);
  lease->is_checkpoint_under_way = false;
}

LeaseId Lessor::LeaseOf(std::string_view key) const {
  write_loop_.AssertHeld();
  const auto it = lease_of_.find(key);
  return it == lease_of_.end() ? mvcc::kNoLease : it->second;
}

int64_t Lessor::GrantedTtl(LeaseId id) const {
  MutexLock lock(&mu_);
  const Held* const lease = Find(id);
  CHECK(lease != nullptr);
  return lease->ttl_seconds;
}

void Lessor::Attach(LeaseId id, std::string_view key) {
  write_loop_.AssertHeld();
  MutexLock lock(&mu_);
  Held* const lease = Find(id);
  if (lease == nullptr) {
    return;
  }
  const auto [it, is_new] = lease_of_.try_emplace(std::string(key), id);
  CHECK(is_new || it->second == id);
  lease->keys.insert(it->first);
}

void Lessor::Detach(LeaseId id, std::string_view key) {
  write_loop_.AssertHeld();
  const auto it = lease_of_.find(key);
  if (it == lease_of_.end() || it->second != id) {
    return;
  }
  {
    MutexLock lock(&mu_);
    Find(id)->keys.erase(it->first);
  }
  lease_of_.erase(it);
}

LeaseId Lessor::NewId() {
  MutexLock lock(&mu_);
  for (;;) {
    const LeaseId id{static_cast<int64_t>(random_.Next() >> 1U)};
    if (id != mvcc::kNoLease && Find(id) == nullptr) {
      return id;
    }
  }
}

absl::StatusOr<int64_t> Lessor::GrantableTtl(int64_t ttl_seconds) const {
  if (ttl_seconds > kTtlMaxSeconds) {
    return mvcc::MakeError(mvcc::StoreError::kLeaseTtlTooLarge);
  }
  return std::max(ttl_seconds, ttl_min_seconds_);
}

std::optional<LeaseStatus> Lessor::TimeToLive(LeaseId id, bool with_keys) const {
  MutexLock lock(&mu_);
  const Held* const lease = Find(id);
  if (lease == nullptr) {
    return std::nullopt;
  }
  LeaseStatus status{id, lease->ttl_seconds, lease->ttl_seconds, {}};
  if (is_started_) {
    status.remaining_seconds = (lease->deadline - clock_->MonotonicNanos()) / kNanosPerSecond;
  }
  if (with_keys) {
    status.keys.assign(lease->keys.begin(), lease->keys.end());
  }
  return status;
}

std::vector<LeaseId> Lessor::Leases() const {
  std::vector<std::pair<int64_t, LeaseId>> by_deadline;
  {
    MutexLock lock(&mu_);
    by_deadline.reserve(leases_.size());
    for (const auto& [id, lease] : leases_) {
      by_deadline.emplace_back(lease->deadline, id);
    }
  }
  std::ranges::sort(by_deadline);
  std::vector<LeaseId> ids;
  ids.reserve(by_deadline.size());
  for (const auto& [deadline, id] : by_deadline) {
    ids.push_back(id);
  }
  return ids;
}

LessorStats Lessor::Stats() const {
  MutexLock lock(&mu_);
  LessorStats stats = stats_;
  stats.leases = leases_.size();
  return stats;
}

absl::StatusOr<Lessor::Renewal> Lessor::Renew(LeaseId id, RenewalDone* done) {
  MutexLock lock(&mu_);
  Held* const lease = Find(id);
  if (lease == nullptr) {
    return Renewal{RenewalKind::kUnknown, 0};
  }
  const int64_t now = clock_->MonotonicNanos();
  if (lease->deadline <= now) {  // law 2
    if (is_closed_) {
      return mvcc::MakeError(mvcc::StoreError::kStopped);
    }
    lease->waiting.push_back(std::move(*done));
    return Renewal{RenewalKind::kWaits, 0};
  }
  if (lease->checkpoint_seconds > 0 || lease->left_millis > 0 ||
      lease->is_checkpoint_under_way) {  // law 3
    return Renewal{RenewalKind::kNeedsCheckpoint0, 0};
  }
  ++stats_.renewed;
  SetDeadline(lease, After(now, lease->ttl_seconds));
  ScheduleCheckpoint(lease, now);
  return Renewal{RenewalKind::kRenewed, lease->ttl_seconds};
}

std::vector<LeaseId> Lessor::TakeExpired(size_t max) {
  std::vector<LeaseId> ids;
  MutexLock lock(&mu_);
  const int64_t now = clock_->MonotonicNanos();
  while (ids.size() < max) {
    DeadlineHeap::Entry* const entry = expiries_.PopDue(now);
    if (entry == nullptr) {
      break;
    }
    if (entry->due() == Find(entry->id)->deadline) {
      ++stats_.expired;
    } else {
      PROBE("lease: revocation tried again");
    }
    expiries_.Set(entry, now + kRevokeRetryNanos);
    ids.push_back(entry->id);
  }
  return ids;
}

mvcc::LeaseCheckpoint Lessor::NoteDeadline(Held* lease, int64_t now) {
  const int64_t left_nanos = lease->deadline - now;
  // Rounded up: a checkpoint never shortens a lease.
  const int64_t left_seconds = (left_nanos - 1) / kNanosPerSecond + 1;
  const int64_t left_millis = (left_nanos - 1) / kNanosPerMilli + 1;
  lease->is_checkpoint_under_way = true;
  return {.id = lease->expiry.id,
          .remaining_ttl_seconds =
              IsLong(*lease) && left_seconds < lease->ttl_seconds ? left_seconds : 0,
          .noted_unix_millis = (now + wall_ahead_nanos_) / kNanosPerMilli,
          .left_millis = left_millis};
}

// Notes are by the wall clock; when it jumps they are all wrong, and made anew.
void Lessor::LookForJump(int64_t now) {
  const int64_t ahead = clock_->WallNanos() - now;
  if (std::abs(ahead - wall_ahead_nanos_) <= kJumpNanos) {
    return;
  }
  PROBE("lease: the wall clock jumped");
  wall_ahead_nanos_ = ahead;
  for (const auto& [id, lease] : leases_) {
    if (lease->left_millis > 0 || lease->is_checkpoint_under_way) {
      checkpoints_.Set(&lease->next_checkpoint, now);
    }
  }
}

std::vector<mvcc::LeaseCheckpoint> Lessor::TakeCheckpoints(size_t max) {
  std::vector<mvcc::LeaseCheckpoint> checkpoints;
  MutexLock lock(&mu_);
  if (!is_started_) {
    return checkpoints;
  }
  const int64_t now = clock_->MonotonicNanos();
  LookForJump(now);
  while (checkpoints.size() < max) {
    DeadlineHeap::Entry* const entry = checkpoints_.PopDue(now);
    if (entry == nullptr) {
      break;
    }
    Held* const lease = Find(entry->id);
    if (lease->deadline <= now) {
      continue;  // about to be revoked
    }
    if (IsLong(*lease)) {
      ScheduleCheckpoint(lease, now);  // etcd's own goes stale, so it is repeated
    }
    checkpoints.push_back(NoteDeadline(lease, now));
  }
  return checkpoints;
}

std::vector<mvcc::LeaseCheckpoint> Lessor::TakeAllCheckpoints() {
  std::vector<mvcc::LeaseCheckpoint> checkpoints;
  MutexLock lock(&mu_);
  const int64_t now = clock_->MonotonicNanos();
  LookForJump(now);
  for (const auto& [id, lease] : leases_) {
    if (is_started_ && checkpoint_interval_nanos_ > 0 && lease->deadline > now &&
        lease->left_millis == 0 && lease->ttl_seconds >= kNotedTtlMinSeconds) {
      checkpoints.push_back(NoteDeadline(lease.get(), now));
    }
  }
  return checkpoints;
}

int64_t Lessor::NextDue() const {
  MutexLock lock(&mu_);
  return FirstDue();
}

void Lessor::SetWake(std::function<void()> wake) {
  MutexLock lock(&mu_);
  wake_ = std::move(wake);
}

void Lessor::CheckInvariants() const {
  write_loop_.AssertHeld();
  MutexLock lock(&mu_);
  expiries_.CheckInvariants();
  checkpoints_.CheckInvariants();
  CHECK_EQ(expiries_.size(), is_started_ ? leases_.size() : 0);
  CHECK_LE(checkpoints_.size(), leases_.size());
  size_t keys = 0;
  for (const auto& [id, lease] : leases_) {
    CHECK_EQ(lease->expiry.id, id);
    keys += lease->keys.size();
    for (const std::string_view key : lease->keys) {
      CHECK_EQ(LeaseOf(key), id);
    }
    CHECK_GE(lease->ttl_seconds, ttl_min_seconds_);
    CHECK(!is_started_ || lease->deadline <= lease->expiry.due());
  }
  CHECK_EQ(keys, lease_of_.size());
}

}  // namespace socle::lease
