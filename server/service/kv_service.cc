#include "server/service/kv_service.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <variant>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/validate.h"
#include "server/service/convert.h"
#include "server/service/error_table.h"
#include "server/service/response_size.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

constexpr int64_t kCostPerPut = 256;
constexpr int64_t kShortRangeKeys = 64;
constexpr int64_t kLongRangeKeys = 256;

// Whether its limit bounds what is read.
bool IsPlain(const pb::RangeRequest& request) {
  return request.sort_target() == pb::RangeRequest::KEY &&
         request.sort_order() != pb::RangeRequest::DESCEND && request.min_mod_revision() == 0 &&
         request.max_mod_revision() == 0 && request.min_create_revision() == 0 &&
         request.max_create_revision() == 0;
}

// Whether a transport thread may answer it: one key, or few keys straight from the index.
bool IsShort(const pb::RangeRequest& request) {
  if (request.range_end().empty()) {
    return true;
  }
  return IsPlain(request) && request.revision() <= 0 &&
         (request.count_only() || (request.limit() > 0 && request.limit() <= kShortRangeKeys));
}

using Ops = google::protobuf::RepeatedPtrField<pb::RequestOp>;

// Whether the store answers it as a read, on the calling thread.
bool IsRead(const pb::TxnRequest& request) {
  const auto is_range = [](const pb::RequestOp& op) { return op.has_request_range(); };
  return std::all_of(request.success().begin(), request.success().end(), is_range) &&
         std::all_of(request.failure().begin(), request.failure().end(), is_range);
}

bool IsShort(const pb::TxnRequest& request) {
  const auto is_short = [](const pb::RequestOp& op) { return IsShort(op.request_range()); };
  const auto is_point = [](const pb::Compare& compare) { return compare.range_end().empty(); };
  return std::all_of(request.compare().begin(), request.compare().end(), is_point) &&
         std::all_of(request.success().begin(), request.success().end(), is_short) &&
         std::all_of(request.failure().begin(), request.failure().end(), is_short);
}

int64_t CostOf(const Ops& ops) {
  int64_t cost = 0;
  for (const pb::RequestOp& op : ops) {
    if (op.has_request_put()) {
      cost += server::CostOf(op.request_put());
    } else if (op.has_request_txn()) {
      cost += server::CostOf(op.request_txn());
    }
  }
  return cost;
}

// For who notes what was done.
void Summarise(const mvcc::TxnResult& result, pb::TxnResponse* response) {
  response->set_succeeded(result.succeeded);
}

void Summarise(const mvcc::DeleteRangeResult& result, pb::DeleteRangeResponse* response) {
  response->set_deleted(result.deleted);
}

}  // namespace

int64_t CostOf(const pb::PutRequest& request) {
  return kCostPerPut + static_cast<int64_t>(request.key().size() + request.value().size());
}

int64_t CostOf(const pb::TxnRequest& request) {
  return std::max(CostOf(request.success()), CostOf(request.failure()));
}

// One conversion more than the store's own: it is paid while authentication is on.
absl::Status KvService::Check(const Caller& caller, const pb::RangeRequest& request) const {
  const mvcc::RangeRequest range = ToStore(request);
  RETURN_IF_ERROR(WireStatus(mvcc::Validate(range)));
  return node_->guard().Range(caller, range);
}

absl::Status KvService::Check(const Caller& caller, const pb::PutRequest& request) const {
  const mvcc::PutRequest put = ToStore(request);
  RETURN_IF_ERROR(WireStatus(mvcc::Validate(put)));
  return node_->guard().Put(caller, put);
}

absl::Status KvService::Validity(const pb::PutRequest& request) const {
  return WireStatus(mvcc::Validate(ToStore(request)));
}

absl::Status KvService::Validity(const pb::DeleteRangeRequest& request) const {
  return WireStatus(mvcc::Validate(ToStore(request)));
}

absl::Status KvService::Validity(const pb::TxnRequest& request) const {
  return WireStatus(mvcc::Validate(ToStore(request), node_->txn_ops_max()));
}

absl::Status KvService::Check(const Caller& caller, const pb::DeleteRangeRequest& request) const {
  const mvcc::DeleteRangeRequest erase = ToStore(request);
  RETURN_IF_ERROR(WireStatus(mvcc::Validate(erase)));
  return node_->guard().DeleteRange(caller, erase);
}

absl::Status KvService::Check(const Caller& caller, const pb::TxnRequest& request) const {
  const mvcc::TxnRequest txn = ToStore(request);
  RETURN_IF_ERROR(WireStatus(mvcc::Validate(txn, node_->txn_ops_max())));
  return node_->guard().Txn(caller, txn);
}

void KvService::Range(const Caller& caller, const pb::RangeRequest& request, RangeAnswer* answer,
                      Done done) {
  if (IsRefused(caller, request, done)) {
    return;
  }
  if (IsShort(request)) {
    done(RangeNow(request, answer));
    return;
  }
  auto read = [this, &request, answer](Done answered) {
    if (answer->has_been_left()) {
      PROBE("kv: a range whose client has gone is not read");
      answered(absl::CancelledError("context canceled"));
      return;
    }
    answered(RangeNow(request, answer));
  };
  const int64_t keys = KeysOf(request);
  if (keys <= kLongRangeKeys) {
    node_->RunOnWorker(std::move(read), std::move(done));
    return;
  }
  answers_.Enter(
      static_cast<size_t>(keys) *
          (IsPlain(request) && !request.keys_only() ? kBytesPerRecord : kBytesPerView),
      [this, answer, read, done = std::move(done)](absl::StatusOr<InFlight::Share> share) mutable {
        if (!share.ok()) {
          done(share.status());
          return;
        }
        answer->share = *std::move(share);
        node_->RunOnWorker(std::move(read), std::move(done), WorkerPool::Weight::kLong);
      });
}

int64_t KvService::KeysOf(const pb::RangeRequest& request) const {
  if (request.count_only()) {
    return 0;
  }
  if (IsPlain(request) && request.limit() > 0 && request.limit() <= kLongRangeKeys) {
    return request.limit();
  }
  // What is there now, which costs the logarithm, stands for what was there at the revision asked for.
  const absl::StatusOr<mvcc::RangeResult> now = node_->store().Range(
      {.key = request.key(), .range_end = request.range_end(), .count_only = true});
  const int64_t count = now.ok() ? now->count : 0;
  return IsPlain(request) && request.limit() > 0 ? std::min(count, request.limit()) : count;
}

absl::Status KvService::RangeNow(const pb::RangeRequest& request, RangeAnswer* answer) const {
  Timed timed(&node_->times()->range);
  mvcc::RangeRequest range = ToStore(request);
  range.as_records = true;
  absl::StatusOr<mvcc::RangeResult> result = node_->store().Range(range);
  if (!result.ok()) {
    timed.Is(&node_->times()->failed_range);
    return WireStatus(result.status());
  }
  answer->result = *std::move(result);
  answer->header.set_revision(answer->result.revision);
  node_->FillHeader(&answer->header);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RangeStream>> KvService::OpenRangeStream(
    const Caller& caller, const pb::RangeRequest& request) const {
  RETURN_IF_ERROR(RangeStream::Check(request));
  if (node_->guard().is_on()) {
    RETURN_IF_ERROR(Check(caller, request));
  }
  return std::make_unique<RangeStream>(node_, request);
}

void KvService::NextPiece(RangeStream* stream, RangePiece* piece, Done done) {
  node_->RunOnWorker(
      [stream, piece](Done answer) {
        piece->bytes.clear();
        const absl::StatusOr<bool> has_more = stream->AppendNext(&piece->bytes);
        piece->is_last = has_more.ok() && !*has_more;
        answer(has_more.status());
      },
      std::move(done));
}

void KvService::Put(const Caller& caller, const pb::PutRequest& request, pb::PutResponse* response,
                    Done done) {
  if (IsRefused(caller, request, done)) {
    return;
  }
  if (IsHeldUp(CostOf(request), request, done)) {
    return;
  }
  mvcc::PutRequest put = ToStore(request);
  if (node_->has_key_ttl()) [[unlikely]] {
    if (const absl::Status given = GiveTtl(&put); !given.ok()) {
      done(given);
      return;
    }
  }
  node_->store().Put(std::move(put), [this, response, done = std::move(done)](
                                         const absl::StatusOr<mvcc::PutResult>& result) mutable {
    if (result.ok()) {
      FromStore(*result, response);
      node_->FillHeader(response->mutable_header());
    }
    done(WireStatus(result.status()));
  });
}

absl::Status KvService::GiveTtl(mvcc::PutRequest* put) const {
  const int64_t lease = mvcc::Raw(put->lease);
  if (lease >= 0 || put->ignore_lease ||
      node_->leases().TimeToLive(put->lease, /*with_keys=*/false).has_value()) {
    return absl::OkStatus();
  }
  // Of the lowest number there is no opposite.
  const int64_t ttl_seconds = -std::max(lease, -std::numeric_limits<int64_t>::max());
  const absl::StatusOr<lease::Granted> granted = node_->leases().ForKey(ttl_seconds);
  if (!granted.ok()) {
    return WireStatus(granted.status());
  }
  put->lease = granted->id;
  put->ttl_seconds = granted->ttl_seconds;
  return absl::OkStatus();
}

absl::Status KvService::GiveTtl(mvcc::TxnRequest* txn) const {
  for (auto* const branch : {&txn->success, &txn->failure}) {
    for (mvcc::RequestOp& op : *branch) {
      if (auto* const put = std::get_if<mvcc::PutRequest>(&op)) {
        RETURN_IF_ERROR(GiveTtl(put));
      } else if (auto* const nested = std::get_if<std::unique_ptr<mvcc::TxnRequest>>(&op)) {
        RETURN_IF_ERROR(GiveTtl(nested->get()));
      }
    }
  }
  return absl::OkStatus();
}

void KvService::DeleteRange(const Caller& caller, const pb::DeleteRangeRequest& request,
                            pb::DeleteRangeResponse* response, Done done) {
  if (IsRefused(caller, request, done)) {
    return;
  }
  if (IsHeldUp(0, request, done)) {
    return;
  }
  node_->store().DeleteRange(
      ToStore(request), [this, response, done = std::move(done)](
                            const absl::StatusOr<mvcc::DeleteRangeResult>& result) mutable {
        done(result.ok() ? FillIn(*result, response) : WireStatus(result.status()));
      });
}

void KvService::Txn(const Caller& caller, const pb::TxnRequest& request, pb::TxnResponse* response,
                    Done done) {
  if (IsRefused(caller, request, done)) {
    return;
  }
  if (IsRead(request)) {
    if (IsShort(request)) {
      TxnNow(request, response, std::move(done));
      return;
    }
    ReadTxn(request, response, std::move(done));
    return;
  }
  if (IsHeldUp(CostOf(request), request, done)) {
    return;
  }
  TxnNow(request, response, std::move(done));
}

void KvService::ReadTxn(const pb::TxnRequest& request, pb::TxnResponse* response, Done done) {
  auto read = [this, &request, response](Done answer) {
    TxnNow(request, response, std::move(answer));
  };
  const int64_t keys = std::max(KeysOf(request.success()), KeysOf(request.failure()));
  if (keys <= kLongRangeKeys) {
    node_->RunOnWorker(std::move(read), std::move(done), WorkerPool::Weight::kLong);
    return;
  }
  answers_.Enter(
      static_cast<size_t>(keys) * kBytesPerView,
      [this, read, done = std::move(done)](absl::StatusOr<InFlight::Share> share) mutable {
        if (!share.ok()) {
          done(share.status());
          return;
        }
        // Given back when the views are gone; the message is made then.
        node_->RunOnWorker(
            [read, share = *std::move(share)](Done answer) { read(std::move(answer)); },
            std::move(done), WorkerPool::Weight::kLong);
      });
}

int64_t KvService::KeysOf(const Ops& ranges) const {
  int64_t keys = 0;
  for (const pb::RequestOp& op : ranges) {
    keys += op.request_range().range_end().empty() ? 1 : KeysOf(op.request_range());
  }
  return keys;
}

void KvService::TxnNow(const pb::TxnRequest& request, pb::TxnResponse* response, Done done) {
  mvcc::TxnRequest txn = ToStore(request);
  if (node_->has_key_ttl()) [[unlikely]] {
    if (const absl::Status given = GiveTtl(&txn); !given.ok()) {
      done(given);
      return;
    }
  }
  node_->store().Txn(std::move(txn), [this, response, done = std::move(done)](
                                         const absl::StatusOr<mvcc::TxnResult>& result) mutable {
    done(result.ok() ? FillIn(*result, response) : WireStatus(result.status()));
  });
}

template <typename Result, typename Response>
absl::Status KvService::FillIn(const Result& result, Response* response) const {
  response->mutable_header()->set_revision(result.revision);
  node_->FillHeader(response->mutable_header());
  if (absl::Status fits =
          CheckMessageBytes(ResponseBytes(response->header(), result), sent_bytes_max_);
      !fits.ok()) [[unlikely]] {
    PROBE("kv: an answer too large to be sent is not built");
    Summarise(result, response);  // it is done all the same
    return fits;
  }
  FromStore(result, response);
  return absl::OkStatus();
}

void KvService::Compact(const Caller& caller, const pb::CompactionRequest& request,
                        pb::CompactionResponse* response, Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  if (!node_->Admit(0, done)) {
    return;
  }
  node_->store().Compact(request.revision(), request.physical(),
                         [this, response, done = std::move(done)](
                             const absl::StatusOr<mvcc::CompactResult>& result) mutable {
                           if (result.ok()) {
                             response->mutable_header()->set_revision(result->revision);
                             node_->FillHeader(response->mutable_header());
                           }
                           done(WireStatus(result.status()));
                         });
}

}  // namespace socle::server
