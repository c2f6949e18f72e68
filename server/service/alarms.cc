#include "server/service/alarms.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

std::string KeyOf(const Alarm& alarm) {
  etcdserverpb::AlarmMember member;
  member.set_memberid(alarm.member_id);
  member.set_alarm(alarm.type);
  return member.SerializeAsString();
}

}  // namespace

absl::Status Alarms::Load() {
  ASSIGN_OR_RETURN(const auto stored, store_->ReadSystem("alarm"));
  MutexLock lock(&mu_);
  for (const auto& [key, value] : stored) {
    etcdserverpb::AlarmMember member;
    if (!member.ParseFromString(key)) {
      return absl::DataLossError("bucket alarm: a key is not an AlarmMember message");
    }
    active_.insert({.member_id = member.memberid(), .type = member.alarm()});
  }
  Publish();
  return absl::OkStatus();
}

std::vector<Alarm> Alarms::List(etcdserverpb::AlarmType type) const {
  std::vector<Alarm> alarms;
  MutexLock lock(&mu_);
  for (const Alarm& alarm : active_) {
    if (type == etcdserverpb::NONE || alarm.type == type) {
      alarms.push_back(alarm);
    }
  }
  return alarms;
}

bool Alarms::IsActive(etcdserverpb::AlarmType type) const {
  return type == etcdserverpb::NOSPACE   ? no_space_.load(std::memory_order_relaxed)
         : type == etcdserverpb::CORRUPT ? corrupt_.load(std::memory_order_relaxed)
                                         : false;
}

void Alarms::Activate(const Alarm& alarm, Done done) {
  bool is_known = false;
  {
    MutexLock lock(&mu_);
    is_known = active_.contains(alarm);
  }
  if (is_known) {
    done(absl::OkStatus());
    return;
  }
  store_->WriteSystem(
      {{.bucket = "alarm", .key = KeyOf(alarm), .value = {}}},
      [this, alarm, done = std::move(done)](const absl::StatusOr<uint64_t>& written) mutable {
        if (written.ok() && Add(alarm)) {
          LogWarning("alarm raised", {{"alarm", etcdserverpb::AlarmType_Name(alarm.type)},
                                      {"member-id", fmt::format("{:x}", alarm.member_id)}});
        }
        done(written.status());
      });
}

void Alarms::Deactivate(const Alarm& alarm, Done done) {
  bool is_known = false;
  {
    MutexLock lock(&mu_);
    is_known = active_.contains(alarm);
  }
  if (!is_known) {
    done(absl::NotFoundError("no such alarm"));
    return;
  }
  store_->WriteSystem(
      {{.bucket = "alarm", .key = KeyOf(alarm), .value = {}, .is_delete = true}},
      [this, alarm, done = std::move(done)](const absl::StatusOr<uint64_t>& written) mutable {
        if (written.ok() && Remove(alarm)) {
          LogInfo("alarm disarmed", {{"alarm", etcdserverpb::AlarmType_Name(alarm.type)},
                                     {"member-id", fmt::format("{:x}", alarm.member_id)}});
        }
        done(written.status());
      });
}

bool Alarms::Add(const Alarm& alarm) {
  MutexLock lock(&mu_);
  const bool is_new = active_.insert(alarm).second;
  Publish();
  return is_new;
}

bool Alarms::Remove(const Alarm& alarm) {
  MutexLock lock(&mu_);
  const bool was_there = active_.erase(alarm) > 0;
  Publish();
  return was_there;
}

void Alarms::StoreAgain(etcdserverpb::AlarmType type) {
  std::vector<mvcc::SystemWrite> writes;
  for (const Alarm& alarm : List(type)) {
    writes.push_back({.bucket = "alarm", .key = KeyOf(alarm), .value = {}});
  }
  if (!writes.empty()) {
    store_->WriteSystem(std::move(writes), [](const absl::StatusOr<uint64_t>&) {});
  }
}

void Alarms::Publish() {
  bool no_space = false;
  bool corrupt = false;
  for (const Alarm& alarm : active_) {
    no_space = no_space || alarm.type == etcdserverpb::NOSPACE;
    corrupt = corrupt || alarm.type == etcdserverpb::CORRUPT;
  }
  no_space_.store(no_space, std::memory_order_relaxed);
  corrupt_.store(corrupt, std::memory_order_relaxed);
}

Quota::Quota(const mvcc::Store* store, int64_t quota_bytes, bool recovers)
    : store_(store),
      is_limited_(quota_bytes >= 0),
      reported_bytes_(quota_bytes == 0 ? kDefaultBytes : quota_bytes),
      recovers_(recovers) {}

int64_t Quota::BytesNow() const {
  const mvcc::StoreStats stats = store_->Stats();
  return static_cast<int64_t>(recovers_ ? stats.db_in_use_bytes + stats.pending_bytes
                                        : stats.db_size_bytes);
}

bool Quota::Admits(int64_t cost) {
  if (!is_limited_ || cost == 0) {
    return true;
  }
  constexpr uint32_t kRefreshEvery = 1'024;
  const bool is_due = asked_.fetch_add(1, std::memory_order_relaxed) % kRefreshEvery == 0;
  if (is_stale_.exchange(false, std::memory_order_relaxed) || is_due) {
    db_size_.store(BytesNow(), std::memory_order_relaxed);
  }
  if (!recovers_) {
    return db_size_.load(std::memory_order_relaxed) + cost < reported_bytes_;
  }
  const int64_t limit =
      reported_bytes_ - (cost <= kSmallCost ? reserve_bytes() / 2 : reserve_bytes());
  // What is admitted counts at once: the reserve must be there when it is needed.
  if (db_size_.fetch_add(cost, std::memory_order_relaxed) + cost < limit) {
    return true;
  }
  db_size_.fetch_sub(cost, std::memory_order_relaxed);
  return false;
}

bool Quota::HasRoomAgain() const {
  return !is_limited_ || BytesNow() < reported_bytes_ - 2 * reserve_bytes();
}

}  // namespace socle::server
