#include "server/service/contender.h"

#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

constexpr int64_t kOwnLeaseSeconds = 60;

mvcc::Compare CreatedAt(std::string_view key, int64_t revision) {
  return {.op = mvcc::CompareOp::kEqual,
          .target = mvcc::CompareTarget::kCreate,
          .key = std::string(key),
          .number = revision};
}

}  // namespace

absl::Status RefusedContest(const absl::Status& status) {
  if (status.ok() || absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) {
    return status;
  }
  return absl::UnknownError(status.message());
}

std::string PrefixOfContest(std::string_view name) {
  return fmt::format("{}/", name);
}

std::string EndOfContest(std::string_view name) {
  return fmt::format("{}0", name);  // what follows the slash
}

Contender::Contender(Node* node, Contest contest, Told told)
    : node_(node),
      contest_(std::move(contest)),
      prefix_(PrefixOfContest(contest_.name)),
      told_(std::move(told)) {}

std::shared_ptr<Contender> Contender::Start(Node* node, Contest contest, Told told) {
  auto contender = std::make_shared<Contender>(node, std::move(contest), std::move(told));
  if (contender->contest_.lease == 0) {
    contender->GrantLease();
  } else {
    contender->Enter(contender->contest_.lease);
  }
  return contender;
}

void Contender::GrantLease() {
  node_->leases().Grant(mvcc::kNoLease, kOwnLeaseSeconds,
                        [self = shared_from_this()](absl::StatusOr<lease::Granted> granted) {
                          if (granted.ok()) {
                            self->Enter(mvcc::Raw(granted->id));
                          } else {
                            self->Tell(WireStatus(granted.status()));
                          }
                        });
}

void Contender::Enter(int64_t lease) {
  lease_ = lease;
  key_ = fmt::format("{}{:x}", prefix_, static_cast<uint64_t>(lease));
  mvcc::TxnRequest txn;
  txn.compares.push_back(CreatedAt(key_, 0));
  txn.success.emplace_back(
      mvcc::PutRequest{.key = key_, .value = contest_.value, .lease = mvcc::LeaseId{lease_}});
  txn.failure.emplace_back(mvcc::RangeRequest{.key = key_});
  node_->store().Txn(std::move(txn),
                     [self = shared_from_this()](absl::StatusOr<mvcc::TxnResult> result) {
                       self->Entered(std::move(result));
                     });
}

void Contender::Entered(absl::StatusOr<mvcc::TxnResult> result) {
  if (!result.ok()) {
    Tell(WireStatus(result.status()));
    return;
  }
  bool has_other_value = false;
  bool is_cancelled = false;
  int64_t create_revision = 0;
  {
    MutexLock lock(&mu_);
    has_entered_ = true;
    revision_ = result->revision;
    create_revision_ = result->revision;
    if (!result->succeeded) {
      const auto& found = std::get<mvcc::RangeResult>(result->responses[0]);
      create_revision_ = found.kvs[0].create_revision;
      has_other_value = found.kvs[0].value != contest_.value;
    }
    create_revision = create_revision_;
    is_cancelled = is_cancelled_;
  }
  if (is_cancelled) {
    TakeKeyAway(create_revision);
  } else if (has_other_value && contest_.sets_value) {
    SetValue();
  } else {
    LookSoon();
  }
}

void Contender::SetValue() {
  mvcc::TxnRequest txn;
  {
    MutexLock lock(&mu_);
    txn.compares.push_back(CreatedAt(key_, create_revision_));
  }
  txn.success.emplace_back(
      mvcc::PutRequest{.key = key_, .value = contest_.value, .lease = mvcc::LeaseId{lease_}});
  node_->store().Txn(std::move(txn),
                     [self = shared_from_this()](absl::StatusOr<mvcc::TxnResult> result) {
                       if (!result.ok()) {
                         self->Tell(WireStatus(result.status()));
                       } else if (!result->succeeded) {
                         self->Tell(absl::UnknownError(AbslView(kNotLeaderText)));
                       } else {
                         self->LookSoon();
                       }
                     });
}

void Contender::LookSoon() {
  // Not what may be refused: a watch that rings on the hub's thread may not be ended there.
  node_->ResumeOnWorker([self = shared_from_this()] { self->Look(); });
}

void Contender::Look() {
  absl::StatusOr<bool> is_oldest = IsOldest();
  if (is_oldest.ok() && !*is_oldest) {
    return;
  }
  if (is_oldest.ok() && contest_.checks_key) {
    if (absl::Status there = CheckKey(); !there.ok()) {
      is_oldest = there;
    }
  }
  if (!is_oldest.ok()) {
    Tell(is_oldest.status());
    return;
  }
  Held held{.key = key_, .lease = lease_};
  {
    MutexLock lock(&mu_);
    held.create_revision = create_revision_;
    held.revision = revision_;
  }
  Tell(std::move(held));
}

bool Contender::IsPredecessorGone() {
  while (std::optional<mvcc::WatchResponse> response = watch_->Next()) {
    // A watch that ends by itself says nothing about the key: the range will.
    if (response->canceled) {
      return true;
    }
    for (const mvcc::WatchEvent& event : response->events) {
      if (event.is_delete) {
        return true;
      }
    }
  }
  return false;
}

absl::StatusOr<bool> Contender::IsOldest() {
  std::unique_ptr<mvcc::WatchStream>
      old_watch;  // destroyed outside the lock: it waits for its callback
  MutexLock lock(&mu_);
  if (told_ == nullptr) {
    return false;
  }
  if (watch_ != nullptr && !IsPredecessorGone()) {
    return false;
  }
  old_watch = std::move(watch_);
  const absl::StatusOr<mvcc::RangeResult> older =
      node_->store().Range({.key = prefix_,
                            .range_end = EndOfContest(contest_.name),
                            .limit = 1,
                            .sort_order = mvcc::SortOrder::kDescend,
                            .sort_target = mvcc::SortTarget::kCreate,
                            .keys_only = true,
                            .max_create_revision = create_revision_ - 1});
  if (!older.ok()) {
    return WireStatus(older.status());
  }
  if (older->kvs.empty()) {
    // A lock tells the revision it was got at; a campaign that of its own entry, however long it waited (as etcd's).
    revision_ = old_watch != nullptr && contest_.checks_key ? older->revision : revision_;
    return true;
  }
  watch_ = node_->store().NewWatchStream([weak = weak_from_this()] {
    if (const std::shared_ptr<Contender> self = weak.lock()) {
      self->LookSoon();
    }
  });
  watch_->Create({.key = std::string(older->kvs[0].key),
                  .start_revision = older->revision + 1,
                  .no_put = true});
  return false;
}

// It may have waited longer than its lease lived.
absl::Status Contender::CheckKey() {
  const absl::StatusOr<mvcc::RangeResult> own =
      node_->store().Range({.key = key_, .keys_only = true});
  if (!own.ok()) {
    return WireStatus(own.status());
  }
  if (own->kvs.empty()) {
    return absl::UnknownError("mutex: session is expired");
  }
  return absl::OkStatus();
}

void Contender::Tell(absl::StatusOr<Held> result) {
  Told told;
  std::unique_ptr<mvcc::WatchStream> watch;
  {
    MutexLock lock(&mu_);
    told = std::exchange(told_, nullptr);
    watch = std::move(watch_);
  }
  if (told != nullptr) {
    told(std::move(result));
  }
}

void Contender::Cancel() {
  {
    MutexLock lock(&mu_);
    if (told_ == nullptr) {
      return;
    }
    is_cancelled_ = true;
  }
  Tell(WireStatus(EtcdError::kRequestCanceled));
  MutexLock lock(&mu_);
  if (has_entered_) {
    TakeKeyAway(create_revision_);
  }  // else Entered does it
}

void Contender::TakeKeyAway(int64_t create_revision) {
  mvcc::TxnRequest txn;
  txn.compares.push_back(CreatedAt(key_, create_revision));
  txn.success.emplace_back(mvcc::DeleteRangeRequest{.key = key_});
  node_->store().Txn(std::move(txn), [](const absl::StatusOr<mvcc::TxnResult>&) {});
}

}  // namespace socle::server
