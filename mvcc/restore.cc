#include "mvcc/restore.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/strings/numbers.h>

#include "kv/base/bytes.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "mvcc/index_builder.h"
#include "mvcc/index_merge.h"
#include "mvcc/key_digest.h"
#include "mvcc/record_run.h"
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
  int64_t ttl_seconds = 0;
  LeaseCheckpoint checkpoint;
  bool is_of_key = false;
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
        lease.checkpoint.id = LeaseId{number};
        break;
      case 2:
        lease.ttl_seconds = number;
        break;
      case 3:
        lease.checkpoint.remaining_ttl_seconds = number;
        break;
      case kLeaseNotedField:
        lease.checkpoint.noted_unix_millis = number;
        break;
      case kLeaseLeftField:
        lease.checkpoint.left_millis = number;
        break;
      case kLeaseOfKeyField:
        lease.is_of_key = number != 0;
        break;
      default:
        break;
    }
  }
  return lease;
}

// `is_noted`: what is noted about deadlines still holds.
absl::Status RestoreLeases(const kv::ReadTxn& pages, bool is_noted, LeaseHook* hook,
                           absl::flat_hash_set<LeaseId>* of_keys) {
  ASSIGN_OR_RETURN(const auto cursor, pages.NewCursor("lease"));
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    auto lease = DecodeLease(cursor->value());
    if (!lease || lease->checkpoint.id == kNoLease || hook->Exists(lease->checkpoint.id)) {
      return absl::DataLossError(
          fmt::format("a record of {} bytes in the lease bucket is not a lease, or is there twice",
                      cursor->value().size()));
    }
    LeaseCheckpoint& checkpoint = lease->checkpoint;
    hook->Grant(checkpoint.id, lease->ttl_seconds, checkpoint.remaining_ttl_seconds);
    if (lease->is_of_key) {
      of_keys->insert(checkpoint.id);
    }
    if (checkpoint.left_millis != 0 && !is_noted) {
      PROBE("restore: another server may have renewed a lease");
    } else if (checkpoint.left_millis != 0) {
      hook->Checkpoint(checkpoint);
    }
  }
  return cursor->status();
}

}  // namespace

class Restorer {
 public:
  Restorer(Applier* applier, const RestoreShape& shape) : applier_(applier), shape_(shape) {}

  absl::Status Run(const kv::ReadTxn& pages) {
    RETURN_IF_ERROR(ReadRuns(pages));
    ASSIGN_OR_RETURN(const Restored bookkeeping, ReadBookkeeping(pages));
    applier_->finished_compact_ = bookkeeping.finished_compact;
    applier_->scheduled_compact_ = bookkeeping.scheduled_compact;
    applier_->compact_revision_ =
        std::max(applier_->finished_compact_, applier_->scheduled_compact_);
    const int64_t last = runs_.empty() ? 0 : runs_.back().last().main;
    applier_->revision_ = std::max({int64_t{1}, last, applier_->compact_revision_});
    const PagesPoint point{.consistent_index = bookkeeping.consistent_index,
                           .revision = applier_->revision_,
                           .finished_compact = bookkeeping.finished_compact};
    applier_->corruption_ = CompareDigest(bookkeeping.key_digest, point, applier_->digest_);
    if (!applier_->corruption_.ok()) {
      LogError("the pages do not hold what was written", {{"error", applier_->corruption_}});
    }
    if (applier_->lease_hook_ != nullptr) {
      RETURN_IF_ERROR(RestoreLeases(pages, SpeaksOf(bookkeeping.key_digest, point),
                                    applier_->lease_hook_, &applier_->leases_of_keys_));
    }
    MergeRuns();
    AttachLeases();
    QueueGarbage();
    ASSIGN_OR_RETURN(const auto quotas, pages.Get("meta", kPrefixQuotaKey));
    return quotas ? applier_->SetQuotas(*quotas) : absl::OkStatus();
  }

 private:
  absl::Status ReadRuns(const kv::ReadTxn& pages) {
    ASSIGN_OR_RETURN(const std::optional<RevisionSpan> span, StoredRevisions(pages));
    if (!span) {
      return absl::OkStatus();
    }
    const int64_t revisions = span->last - span->first;
    const int64_t count = std::min(revisions / shape_.revisions_per_run + 1, int64_t{kRunsMax});
    runs_.resize(static_cast<size_t>(count));
    std::vector<absl::Status> statuses(runs_.size());
    const auto bound = [&](size_t run) {
      if (run == 0) {
        return int64_t{0};
      }
      return run == runs_.size() ? std::numeric_limits<int64_t>::max()
                                 : span->first + revisions / count * static_cast<int64_t>(run);
    };
    ForEach(runs_.size(), [&](size_t run) {
      statuses[run] = runs_[run].Read(pages, bound(run), bound(run + 1));
      if (statuses[run].ok()) {
        runs_[run].SortByKey();
      }
    });
    for (const absl::Status& status : statuses) {
      RETURN_IF_ERROR(status);
    }
    for (const RecordRun& run : runs_) {
      applier_->digest_.Add(run.digest());
    }
    return absl::OkStatus();
  }

  // Keys that cut the key space into about equal parts, by a sample of each run.
  std::vector<std::string> Cuts(size_t parts) const {
    std::vector<std::string_view> sample;
    for (const RecordRun& run : runs_) {
      const size_t step = std::max(run.rows() / kSamplesPerRun, size_t{1});
      for (size_t row = 0; row < run.rows(); row += step) {
        sample.push_back(run.key(row));
      }
    }
    std::ranges::sort(sample);
    std::vector<std::string> cuts;
    for (size_t part = 1; part < parts && !sample.empty(); ++part) {
      cuts.emplace_back(sample[sample.size() * part / parts]);
    }
    return cuts;
  }

  void MergeRuns() {
    // More parts than threads: they are not exactly equal.
    const std::vector<std::string> cuts = Cuts(shape_.threads == 1 ? 1 : shape_.threads * 4);
    for (size_t part = 0; part <= cuts.size(); ++part) {
      merges_.push_back(std::make_unique<IndexMerge>(
          &runs_, part == 0 ? std::nullopt : std::optional(cuts[part - 1]),
          part == cuts.size() ? std::nullopt : std::optional(cuts[part]), applier_->index_));
    }
    ForEach(merges_.size(), [this](size_t part) { merges_[part]->Run(); });
    IndexBuilder all(applier_->index_);
    for (const auto& merge : merges_) {
      all.AppendPart(merge->built());
    }
    all.Install(&applier_->index_);
  }

  void AttachLeases() {
    LeaseHook* const hook = applier_->lease_hook_;
    if (hook == nullptr) {
      return;
    }
    uint64_t lost = 0;
    for (const auto& merge : merges_) {
      for (const IndexMerge::Attachment& attachment : merge->attachments()) {
        if (hook->Exists(attachment.lease)) {
          hook->Attach(attachment.lease, attachment.key);
        } else {
          ++lost;
        }
      }
    }
    if (lost > 0) {
      PROBE("restore: keys of leases that are gone");
      LogWarning("keys were attached to leases that do not exist", {{"keys", lost}});
    }
  }

  void QueueGarbage() {
    for (const RecordRun& run : runs_) {
      for (const RecordRun::Stored& stored : run.by_revision()) {
        if (stored.item.is_tombstone()) {
          applier_->garbage_.AddTombstone(stored.item);
        }
        if (stored.supersedes) {
          applier_->garbage_.AddSuperseded(stored.superseded, stored.item.main());
        }
      }
    }
  }

  // Calls `body` with 0 … count - 1, on all threads; the calling one is one of them.
  void ForEach(size_t count, const std::function<void(size_t)>& body) const {
    std::atomic<size_t> next{0};
    const auto work = [&] {
      for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
        body(i);
      }
    };
    std::vector<Thread> threads;
    for (size_t i = 1; i < std::min(shape_.threads, count); ++i) {
      absl::StatusOr<Thread> more = Thread::Start("restore", work);
      if (!more.ok()) {
        break;  // those there are do all of it
      }
      threads.push_back(*std::move(more));
    }
    work();
  }

  static constexpr size_t kRunsMax = 256;
  static constexpr size_t kSamplesPerRun = 256;

  Applier* const applier_;
  const RestoreShape shape_;
  std::vector<RecordRun> runs_;
  std::vector<std::unique_ptr<IndexMerge>> merges_;
};

absl::StatusOr<Restored> ReadBookkeeping(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const auto version, pages.Get("meta", "storageVersion"));
  if (version) {
    RETURN_IF_ERROR(CheckStorageVersion(*version));
  }
  Restored restored;
  ASSIGN_OR_RETURN(restored.consistent_index, ReadNumber(pages, kConsistentIndexKey));
  ASSIGN_OR_RETURN(restored.store_id, ReadNumber(pages, kStoreIdKey));
  ASSIGN_OR_RETURN(const auto has_log, pages.Get("meta", kHasLogKey));
  restored.has_log = has_log.has_value();
  ASSIGN_OR_RETURN(restored.finished_compact, ReadRevision(pages, kFinishedCompactKey));
  ASSIGN_OR_RETURN(restored.scheduled_compact, ReadRevision(pages, kScheduledCompactKey));
  ASSIGN_OR_RETURN(const auto digest, pages.Get("meta", kKeyDigestKey));
  if (digest) {
    restored.key_digest = *digest;
  }
  return restored;
}

absl::Status RestoreState(const kv::ReadTxn& pages, const RestoreShape& shape, Applier* applier) {
  return Restorer(applier, shape).Run(pages);
}

}  // namespace socle::mvcc
