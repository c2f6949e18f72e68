#include "controllers/storage/embedded_store.h"

#include <utility>
#include <variant>

#include "controllers/storage/errors.h"
#include "controllers/storage/list_range.h"
#include "kv/base/check.h"
#include "kv/base/status_macros.h"
#include "mvcc/errors.h"

namespace socle::storage {
namespace {

using mvcc::StoreError;

ObjectView ViewOf(const mvcc::KeyValueView& kv) {
  return {.key = kv.key,
          .document = kv.value,
          .create_revision = kv.create_revision,
          .mod_revision = kv.mod_revision};
}

// The engine's error in this floor's words.
absl::Status Translate(const absl::Status& status) {
  const std::optional<StoreError> error = mvcc::ErrorOf(status);
  if (!error) {
    return status;
  }
  switch (*error) {
    case StoreError::kCompacted:
      return MakeError(StorageError::kExpired);
    case StoreError::kFutureRevision:
      return MakeError(StorageError::kFutureRevision);
    case StoreError::kRequestTooLarge:
      return MakeError(StorageError::kTooLarge);
    case StoreError::kNoSpace:
      return MakeError(StorageError::kNoSpace);
    case StoreError::kLeaseNotFound:
    case StoreError::kTooManyRequests:
    case StoreError::kStopped:
      return MakeError(StorageError::kUnavailable, mvcc::TextOf(*error));
    default:
      return status;
  }
}

mvcc::TxnRequest TxnOf(Write write, mvcc::LeaseId lease) {
  mvcc::TxnRequest txn;
  txn.compares.push_back({.op = mvcc::CompareOp::kEqual,
                          .target = mvcc::CompareTarget::kMod,
                          .key = write.key,
                          .number = write.expected_revision});
  if (write.wants_current) {
    txn.failure.emplace_back(mvcc::RangeRequest{.key = write.key});
  }
  if (write.kind == WriteKind::kDelete) {
    txn.success.emplace_back(mvcc::DeleteRangeRequest{.key = std::move(write.key)});
  } else {
    txn.success.emplace_back(mvcc::PutRequest{
        .key = std::move(write.key), .value = std::move(write.document), .lease = lease});
  }
  return txn;
}

WriteResult ResultOf(WriteKind kind, absl::StatusOr<mvcc::TxnResult> txn) {
  WriteResult result;
  if (!txn.ok()) {
    result.status = Translate(txn.status());
    return result;
  }
  result.revision = txn->revision;
  if (txn->succeeded) {
    return result;
  }
  result.status = MakeError(kind == WriteKind::kCreate ? StorageError::kAlreadyExists
                                                       : StorageError::kConflict);
  if (!txn->responses.empty()) {
    auto& range = std::get<mvcc::RangeResult>(txn->responses[0]);
    if (!range.kvs.empty()) {
      result.current = ViewOf(range.kvs[0]);
      result.pin = std::move(range.pin);
    }
  }
  return result;
}

class EmbeddedWatch final : public Watch {
 public:
  EmbeddedWatch(mvcc::Store* engine, const WatchRequest& request, std::function<void()> on_ready)
      : is_from_now_(request.after_revision == 0), ended_(Validate(request)) {
    if (!ended_.ok()) {
      on_ready();
      return;
    }
    stream_ = engine->NewWatchStream(std::move(on_ready));
    ListRange range = RangeOfPrefix(request.prefix);
    stream_->Create({.key = std::move(range.key),
                     .range_end = std::move(range.range_end),
                     .start_revision = is_from_now_ ? 0 : request.after_revision + 1,
                     .progress_notify = request.wants_bookmarks,
                     .prev_kv = true});
  }

  absl::StatusOr<std::optional<EventBatch>> Next() override {
    while (ended_.ok()) {
      std::optional<mvcc::WatchResponse> response = stream_->Next();
      if (!response) {
        return std::optional<EventBatch>();
      }
      if (response->canceled) {
        ended_ = response->compact_revision > 0
                     ? MakeError(StorageError::kExpired)
                     : absl::DataLossError(AbslView(response->cancel_reason));
      } else if (!response->created || is_from_now_) {
        return BatchOf(*std::move(response));
      }
    }
    return ended_;
  }

  void RequestBookmark() override {
    if (ended_.ok()) {
      stream_->RequestProgress();
    }
  }

 private:
  absl::StatusOr<std::optional<EventBatch>> BatchOf(mvcc::WatchResponse response) {
    EventBatch batch;
    batch.events.reserve(response.events.size());
    for (const mvcc::WatchEvent& from : response.events) {
      std::optional<ObjectView> previous;
      if (from.prev_kv) {
        previous = ViewOf(*from.prev_kv);
      }
      const std::optional<Event> event = MakeEvent(from.is_delete, ViewOf(from.kv), previous);
      if (!event) {
        ended_ = MakeError(StorageError::kExpired);
        return ended_;
      }
      batch.events.push_back(*event);
    }
    // The header of a lagging watcher's response is ahead of its events.
    batch.revision =
        batch.is_bookmark() ? response.revision : batch.events.back().object.mod_revision;
    batch.pins = response.events.pins();
    return std::optional<EventBatch>(std::move(batch));
  }

  const bool is_from_now_;
  absl::Status ended_;
  std::unique_ptr<mvcc::WatchStream> stream_;
};

}  // namespace

EmbeddedStore::EmbeddedStore(Clock* clock)
    : lessor_({.clock = clock}),
      ttl_leases_(clock, [this](int64_t ttl_seconds, TtlLeases::Done done) {
        leases_->Grant(
            mvcc::kNoLease, ttl_seconds,
            [done = std::move(done)](absl::StatusOr<lease::Granted> granted) mutable {
              done(granted.ok() ? absl::StatusOr<mvcc::LeaseId>(granted->id) : granted.status());
            });
      }) {}

absl::StatusOr<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(mvcc::StoreOptions options,
                                                                   mvcc::StoreObserver observer) {
  CHECK(options.lease_hook == nullptr);
  Clock* const clock = options.clock != nullptr ? options.clock : Clock::Real();
  std::unique_ptr<EmbeddedStore> store(new EmbeddedStore(clock));
  options.lease_hook = &store->lessor_;
  ASSIGN_OR_RETURN(store->engine_, mvcc::Store::Open(std::move(options), std::move(observer)));
  store->lessor_.StartDeadlines();
  store->lease_log_.emplace(store->engine_.get());
  store->leases_.emplace(&store->lessor_, &*store->lease_log_);
  store->expirer_ = std::make_unique<lease::Expirer>(&store->lessor_, &*store->lease_log_, clock);
  store->expirer_->Start();
  return store;
}

EmbeddedStore::~EmbeddedStore() {
  expirer_.reset();
  lessor_.Close();
  // Then the engine, while engine_ still points to it: a lease granted to the last may submit.
}

absl::StatusOr<GetResult> EmbeddedStore::Get(const GetRequest& request) {
  RETURN_IF_ERROR(Validate(request));
  absl::StatusOr<mvcc::RangeResult> range =
      engine_->Range({.key = request.key, .revision = request.revision});
  if (!range.ok()) {
    return Translate(range.status());
  }
  GetResult result;
  result.revision = request.revision > 0 ? request.revision : range->revision;
  if (!range->kvs.empty()) {
    result.object = ViewOf(range->kvs[0]);
    result.pin = std::move(range->pin);
  }
  return result;
}

absl::StatusOr<ListPage> EmbeddedStore::List(const ListRequest& request) {
  ASSIGN_OR_RETURN(ListRange wanted, RangeOf(request));
  absl::StatusOr<mvcc::RangeResult> range =
      engine_->Range({.key = std::move(wanted.key),
                      .range_end = std::move(wanted.range_end),
                      .limit = request.limit,
                      .revision = wanted.revision,
                      .keys_only = request.keys_only});
  if (!range.ok()) {
    return Translate(range.status());
  }
  ListPage page;
  page.objects.reserve(range->kvs.size());
  for (const mvcc::KeyValueView& kv : range->kvs) {
    page.objects.push_back(ViewOf(kv));
  }
  page.pin = std::move(range->pin);
  FinishPage(request, wanted.revision > 0 ? wanted.revision : range->revision, range->count, &page);
  return page;
}

absl::StatusOr<int64_t> EmbeddedStore::Count(std::string_view prefix) {
  ListRange wanted = RangeOfPrefix(prefix);
  const absl::StatusOr<mvcc::RangeResult> range = engine_->Range(
      {.key = std::move(wanted.key), .range_end = std::move(wanted.range_end), .count_only = true});
  if (!range.ok()) {
    return Translate(range.status());
  }
  return range->count;
}

absl::StatusOr<int64_t> EmbeddedStore::CurrentRevision() {
  return engine_->current_revision();
}

void EmbeddedStore::Submit(Write write, WriteDone done) {
  if (absl::Status valid = Validate(write); !valid.ok()) {
    done({.status = std::move(valid)});
    return;
  }
  if (write.ttl_seconds == 0) {
    SubmitWithLease(std::move(write), mvcc::kNoLease, std::move(done));
    return;
  }
  const int64_t ttl_seconds = write.ttl_seconds;
  ttl_leases_.Find(ttl_seconds, [this, write = std::move(write), done = std::move(done)](
                                    const absl::StatusOr<mvcc::LeaseId>& lease) mutable {
    if (!lease.ok()) {
      done({.status = Translate(lease.status())});
      return;
    }
    SubmitWithLease(std::move(write), *lease, std::move(done));
  });
}

void EmbeddedStore::SubmitWithLease(Write write, mvcc::LeaseId lease, WriteDone done) {
  const WriteKind kind = write.kind;
  engine_->Txn(TxnOf(std::move(write), lease), [this, kind, lease, done = std::move(done)](
                                                   absl::StatusOr<mvcc::TxnResult> result) mutable {
    if (mvcc::ErrorOf(result.status()) == StoreError::kLeaseNotFound) {
      ttl_leases_.Forget(lease);
    }
    done(ResultOf(kind, std::move(result)));
  });
}

std::unique_ptr<Watch> EmbeddedStore::NewWatch(WatchRequest request,
                                               std::function<void()> on_ready) {
  return std::make_unique<EmbeddedWatch>(engine_.get(), request, std::move(on_ready));
}

absl::Status EmbeddedStore::Compact(int64_t revision) {
  if (revision <= 0) {
    return absl::InvalidArgumentError("compact: the revision is not positive");
  }
  const absl::StatusOr<mvcc::CompactResult> result = engine_->Compact(revision);
  if (mvcc::ErrorOf(result.status()) == StoreError::kCompacted) {
    return absl::OkStatus();
  }
  return Translate(result.status());
}

}  // namespace socle::storage
