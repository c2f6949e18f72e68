#include "controllers/storage/etcd_store.h"

#include <utility>

#include <fmt/format.h>

#include "controllers/storage/answer.h"
#include "controllers/storage/errors.h"
#include "controllers/storage/etcd_messages.h"
#include "controllers/storage/etcd_watch.h"
#include "controllers/storage/list_range.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::storage {
namespace {

absl::Status Parse(std::string_view bytes, google::protobuf::MessageLite* message) {
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InternalError(fmt::format("the response is not a {}", message->GetTypeName()));
  }
  return absl::OkStatus();
}

// A key that nobody has: reading it costs the least that tells the revision.
constexpr std::string_view kNoKey("\0", 1);

}  // namespace

EtcdStore::EtcdStore(EtcdStoreOptions options, std::unique_ptr<EtcdCluster> cluster)
    : options_(std::move(options)),
      ttl_leases_(options_.clock != nullptr ? options_.clock : Clock::Real(),
                  [this](int64_t ttl_seconds, TtlLeases::Done done) {
                    GrantLease(ttl_seconds, std::move(done));
                  }),
      cluster_(std::move(cluster)) {}

absl::StatusOr<std::unique_ptr<EtcdStore>> EtcdStore::Open(EtcdStoreOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<EtcdCluster> cluster,
                   EtcdCluster::Open(options.endpoints, options.timeout_nanos));
  std::unique_ptr<EtcdStore> store(new EtcdStore(std::move(options), std::move(cluster)));
  RETURN_IF_ERROR(store->LookAtMembers());
  return store;
}

absl::Status EtcdStore::LookAtMembers() {
  absl::Status last_error;
  size_t answered = 0;
  size_t orderly = 0;
  for (size_t member = 0; member < cluster_->size(); ++member) {
    Answer<absl::Status> answer;
    etcdserverpb::StatusResponse response;
    cluster_->UnaryAt(member, server::method::kStatus, etcdserverpb::StatusRequest(),
                      [&](const absl::Status& status, std::string_view bytes) {
                        answer.Give(status.ok() ? Parse(bytes, &response) : status);
                      });
    const absl::Status status = answer.Take();
    if (!status.ok()) {
      last_error = Annotate(status, options_.endpoints[member]);
      continue;
    }
    ++answered;
    orderly += AnswersProgressInOrder(response.version()) ? 1 : 0;
  }
  if (answered == 0) {
    return MakeError(StorageError::kUnavailable,
                     fmt::format("no etcd member answers: {}", MessageOf(last_error)));
  }
  answers_bookmark_requests_ = orderly == cluster_->size();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<etcdserverpb::RangeResponse>> EtcdStore::Range(
    const etcdserverpb::RangeRequest& request) {
  auto response = std::make_shared<etcdserverpb::RangeResponse>();
  Answer<absl::Status> answer;
  cluster_->Unary(server::method::kRange, request, {.is_repeatable = true},
                  [&](const absl::Status& status, std::string_view bytes) {
                    answer.Give(status.ok() ? Parse(bytes, response.get()) : TranslateRead(status));
                  });
  RETURN_IF_ERROR(answer.Take());
  return response;
}

absl::StatusOr<GetResult> EtcdStore::Get(const GetRequest& request) {
  RETURN_IF_ERROR(Validate(request));
  etcdserverpb::RangeRequest range;
  range.set_key(request.key);
  range.set_revision(request.revision);
  ASSIGN_OR_RETURN(const auto response, Range(range));
  GetResult result;
  result.revision = request.revision > 0 ? request.revision : response->header().revision();
  if (response->kvs_size() > 0) {
    result.object = ViewOf(response->kvs(0));
    result.pin = response;
  }
  return result;
}

absl::StatusOr<ListPage> EtcdStore::List(const ListRequest& request) {
  ASSIGN_OR_RETURN(ListRange wanted, RangeOf(request));
  etcdserverpb::RangeRequest range;
  range.set_key(std::move(wanted.key));
  range.set_range_end(std::move(wanted.range_end));
  range.set_limit(request.limit);
  range.set_revision(wanted.revision);
  range.set_keys_only(request.keys_only);
  ASSIGN_OR_RETURN(const auto response, Range(range));
  ListPage page;
  page.objects.reserve(static_cast<size_t>(response->kvs_size()));
  for (const mvccpb::KeyValue& kv : response->kvs()) {
    page.objects.push_back(ViewOf(kv));
  }
  page.pin = response;
  FinishPage(request, wanted.revision > 0 ? wanted.revision : response->header().revision(),
             response->count(), &page);
  return page;
}

absl::StatusOr<int64_t> EtcdStore::Count(std::string_view prefix) {
  ListRange wanted = RangeOfPrefix(prefix);
  etcdserverpb::RangeRequest range;
  range.set_key(std::move(wanted.key));
  range.set_range_end(std::move(wanted.range_end));
  range.set_count_only(true);
  ASSIGN_OR_RETURN(const auto response, Range(range));
  return response->count();
}

absl::StatusOr<int64_t> EtcdStore::CurrentRevision() {
  etcdserverpb::RangeRequest range;
  range.set_key(std::string(kNoKey));
  range.set_count_only(true);
  ASSIGN_OR_RETURN(const auto response, Range(range));
  return response->header().revision();
}

void EtcdStore::Submit(Write write, WriteDone done) {
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
      done({.status = lease.status()});
      return;
    }
    SubmitWithLease(std::move(write), *lease, std::move(done));
  });
}

void EtcdStore::SubmitWithLease(Write write, mvcc::LeaseId lease, WriteDone done) {
  const WriteKind kind = write.kind;
  cluster_->Unary(server::method::kTxn, TxnOf(&write, lease), {},
                  [this, kind, lease, done = std::move(done)](const absl::Status& status,
                                                              std::string_view bytes) mutable {
                    if (!status.ok()) {
                      if (IsLeaseNotFound(status)) {
                        ttl_leases_.Forget(lease);
                      }
                      done({.status = TranslateWrite(status)});
                      return;
                    }
                    auto response = std::make_shared<etcdserverpb::TxnResponse>();
                    if (const absl::Status parsed = Parse(bytes, response.get()); !parsed.ok()) {
                      done({.status = TranslateWrite(parsed)});
                      return;
                    }
                    WriteResult result = ResultOf(kind, *response);
                    if (result.current) {
                      result.pin = std::move(response);
                    }
                    done(std::move(result));
                  });
}

void EtcdStore::GrantLease(int64_t ttl_seconds, TtlLeases::Done done) const {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl_seconds);
  // Granted twice, a lease expires unused.
  cluster_->Unary(
      server::method::kLeaseGrant, request, {.is_repeatable = true},
      [done = std::move(done)](const absl::Status& status, std::string_view bytes) mutable {
        etcdserverpb::LeaseGrantResponse response;
        const absl::Status granted = status.ok() ? Parse(bytes, &response) : TranslateRead(status);
        if (!granted.ok()) {
          done(granted);
          return;
        }
        done(mvcc::LeaseId{response.id()});
      });
}

std::unique_ptr<Watch> EtcdStore::NewWatch(WatchRequest request, std::function<void()> on_ready) {
  return std::make_unique<EtcdWatch>(std::make_shared<EtcdWatchStream>(
      cluster_.get(), std::move(request),
      EtcdWatchStream::Options{.asks_for_progress = answers_bookmark_requests_,
                               .bytes_max = options_.watch_bytes_max},
      std::move(on_ready)));
}

absl::Status EtcdStore::Compact(int64_t revision) {
  if (revision <= 0) {
    return absl::InvalidArgumentError("compact: the revision is not positive");
  }
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  Answer<absl::Status> answer;
  cluster_->Unary(server::method::kCompact, request, {.is_repeatable = true},
                  [&](const absl::Status& status, std::string_view) {
                    answer.Give(IsCompacted(status) ? absl::OkStatus() : TranslateRead(status));
                  });
  return answer.Take();
}

}  // namespace socle::storage
