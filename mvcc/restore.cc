#include "mvcc/restore.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include <absl/strings/numbers.h>

#include "kv/base/bytes.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

// Newest `storageVersion` that is understood here.
constexpr int kStorageMajorMax = 3;
constexpr int kStorageMinorMax = 7;

absl::Status CheckStorageVersion(std::string_view version) {
  const size_t dot = version.find('.');
  const size_t end = dot == std::string_view::npos ? dot : version.find('.', dot + 1);
  int major = 0;
  int minor = 0;
  if (end == std::string_view::npos ||
      !absl::SimpleAtoi(AbslView(version.substr(0, dot)), &major) ||
      !absl::SimpleAtoi(AbslView(version.substr(dot + 1, end - dot - 1)), &minor)) {
    return absl::DataLossError(
        fmt::format("meta/storageVersion is '{}', which is not a version", version));
  }
  if (major > kStorageMajorMax || (major == kStorageMajorMax && minor > kStorageMinorMax)) {
    return absl::FailedPreconditionError(
        fmt::format("the data was written with storage version {}, this program knows up to {}.{}",
                    version, kStorageMajorMax, kStorageMinorMax));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ReadNumber(const kv::ReadTxn& pages, std::string_view key) {
  ASSIGN_OR_RETURN(const auto value, pages.Get("meta", key));
  if (!value) {
    return 0;
  }
  if (value->size() != sizeof(uint64_t)) {
    return absl::DataLossError(fmt::format("meta/{} has {} bytes, not 8", key, value->size()));
  }
  return GetBigEndian64(value->data());
}

// -1 when there is none.
absl::StatusOr<int64_t> ReadRevision(const kv::ReadTxn& pages, std::string_view key) {
  ASSIGN_OR_RETURN(const auto value, pages.Get("meta", key));
  if (!value) {
    return -1;
  }
  const auto parsed = ParseRevisionKey(*value);
  if (!parsed) {
    return absl::DataLossError(fmt::format("meta/{} is not a revision", key));
  }
  return parsed->revision.main;
}

struct StoredLease {
  LeaseId id{};
  int64_t ttl_seconds = 0;
  int64_t remaining_ttl_seconds = 0;
};

std::optional<StoredLease> DecodeLease(std::string_view bytes) {
  StoredLease lease;
  while (!bytes.empty()) {
    uint64_t tag = 0;
    uint64_t value = 0;
    if (!ConsumeVarint(&bytes, &tag) || (tag & 7U) != 0 || !ConsumeVarint(&bytes, &value)) {
      return std::nullopt;
    }
    const auto number = static_cast<int64_t>(value);
    switch (tag >> 3U) {
      case 1:
        lease.id = LeaseId{number};
        break;
      case 2:
        lease.ttl_seconds = number;
        break;
      case 3:
        lease.remaining_ttl_seconds = number;
        break;
      default:
        break;
    }
  }
  return lease;
}

absl::Status RestoreLeases(const kv::ReadTxn& pages, LeaseHook* hook) {
  ASSIGN_OR_RETURN(const auto cursor, pages.NewCursor("lease"));
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    const auto lease = DecodeLease(cursor->value());
    if (!lease || lease->id == kNoLease || hook->Exists(lease->id)) {
      return absl::DataLossError(
          fmt::format("a record of {} bytes in the lease bucket is not a lease, or is there twice",
                      cursor->value().size()));
    }
    hook->Grant(lease->id, lease->ttl_seconds, lease->remaining_ttl_seconds);
  }
  return cursor->status();
}

}  // namespace

// Walks the key bucket once, in revision order.
class Restorer {
 public:
  explicit Restorer(Applier* applier) : applier_(applier) {}

  absl::Status Run(const kv::ReadTxn& pages) {
    if (applier_->lease_hook_ != nullptr) {
      RETURN_IF_ERROR(RestoreLeases(pages, applier_->lease_hook_));
    }
    ASSIGN_OR_RETURN(const auto cursor, pages.NewCursor("key"));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      RETURN_IF_ERROR(AddStored(cursor->key(), cursor->value()));
    }
    RETURN_IF_ERROR(cursor->status());
    ASSIGN_OR_RETURN(applier_->finished_compact_, ReadRevision(pages, kFinishedCompactKey));
    ASSIGN_OR_RETURN(applier_->scheduled_compact_, ReadRevision(pages, kScheduledCompactKey));
    applier_->compact_revision_ =
        std::max(applier_->finished_compact_, applier_->scheduled_compact_);
    applier_->revision_ = std::max({int64_t{1}, last_.main, applier_->compact_revision_});
    if (!lost_.empty()) {
      LogWarning("keys were attached to leases that do not exist", {{"keys", lost_.size()}});
    }
    return absl::OkStatus();
  }

 private:
  absl::Status AddStored(std::string_view key, std::string_view value) {
    const auto parsed = ParseRevisionKey(key);
    if (!parsed || parsed->revision <= last_) {
      return absl::DataLossError(
          fmt::format("the entry after revision {}/{} in the key bucket is not a later revision",
                      last_.main, last_.sub));
    }
    last_ = parsed->revision;
    const auto kv = DecodeRecord(value);
    if (!kv) {
      return absl::DataLossError(
          fmt::format("revision {}/{} does not hold a key-value record", last_.main, last_.sub));
    }
    const HistoryItem item(last_, parsed->is_tombstone);
    if (kv->key.empty()) {
      // What `snapshot restore --bump-revision` leaves: only there to raise the revision.
      PROBE("restore: revision bump");
      applier_->garbage_.AddSuperseded(item, last_.main);
      return absl::OkStatus();
    }
    const KeyEntry* const known = applier_->index_.Find(kv->key);
    if (parsed->is_tombstone) {
      applier_->garbage_.AddTombstone(item);
      if (known != nullptr && !known->is_live()) {
        return absl::OkStatus();
      }
    }
    const Index::Added added = applier_->index_.Add(kv->key, last_, parsed->is_tombstone,
                                                    kv->create_revision, kv->version);
    if (added.superseded && !added.superseded->is_tombstone()) {
      applier_->garbage_.AddSuperseded(*added.superseded, last_.main);
    }
    Attach(kv->key, parsed->is_tombstone ? kNoLease : kv->lease);
    return absl::OkStatus();
  }

  void Attach(std::string_view key, LeaseId lease) {
    // Older revisions may well name leases that were revoked since: only the newest counts.
    const bool is_lost = lease != kNoLease && !applier_->LeaseExists(lease);
    if (is_lost) {
      lost_.emplace(key);
      lease = kNoLease;
    } else if (!lost_.empty()) {
      lost_.erase(std::string(key));
    }
    applier_->MoveLease(key, lease);
  }

  Applier* const applier_;
  Revision last_{-1, 0};
  std::set<std::string> lost_;  // keys whose lease is gone
};

absl::StatusOr<Restored> ReadBookkeeping(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const auto version, pages.Get("meta", "storageVersion"));
  if (version) {
    RETURN_IF_ERROR(CheckStorageVersion(*version));
  }
  Restored restored;
  ASSIGN_OR_RETURN(restored.consistent_index, ReadNumber(pages, kConsistentIndexKey));
  ASSIGN_OR_RETURN(restored.store_id, ReadNumber(pages, kStoreIdKey));
  return restored;
}

absl::Status RestoreState(const kv::ReadTxn& pages, Applier* applier) {
  return Restorer(applier).Run(pages);
}

}  // namespace socle::mvcc
