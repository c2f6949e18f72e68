// KvService: Range, Put, DeleteRange, Txn, Compact of etcdserverpb.KV, without transport.
//
// Laws     1. A read that may be long runs on the worker pool; a transport thread only does short
//             ones. What answers to long ranges, and to transactions of them that only read, hold of memory is bounded:
//             the next ones wait.
//          2. Order of refusals: quota, what is invalid, size, alarms. While authentication is on, validity and
//             permission come before all of these: who may not write can't raise the alarm.
// Threads  thread-safe; `done` runs on the caller, a worker or the store's write loop.
// Source   spec etcd 1.4, 1.7.
#ifndef SOCLE_SERVER_SERVICE_KV_SERVICE_H_
#define SOCLE_SERVER_SERVICE_KV_SERVICE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "etcd/rpc.pb.h"
#include <absl/status/statusor.h>

#include "server/service/error_table.h"
#include "server/service/in_flight.h"
#include "server/service/node.h"
#include "server/service/range_answer.h"
#include "server/service/range_encoder.h"
#include "server/service/range_stream.h"

namespace socle::server {

// One message of a RangeStream, as protobuf bytes.
struct RangePiece {
  std::string bytes;
  bool is_last = false;
};

class KvService {
 public:
  // Of views, for answers to long ranges under way.
  static constexpr size_t kAnswerBytesMax = size_t{256} << 20U;
  static constexpr size_t kAnswersWaitingMax = 4'096;

  // A transaction or deletion whose answer is beyond `sent_bytes_max` is answered with that, before it is built.
  explicit KvService(Node* node, size_t sent_bytes_max = kSentBytesMax)
      : node_(node), sent_bytes_max_(sent_bytes_max) {}

  void Range(const Caller& caller, const etcdserverpb::RangeRequest& request, RangeAnswer* answer,
             Done done);
  // Or why not, for the wire.
  absl::StatusOr<std::unique_ptr<RangeStream>> OpenRangeStream(
      const Caller& caller, const etcdserverpb::RangeRequest& request) const;
  // Fills in the stream's next piece, on a worker. One at a time; stream and piece must live until `done`.
  void NextPiece(RangeStream* stream, RangePiece* piece, Done done);

  // The memory for answers: who sends one slowly may copy it there.
  InFlight* answers() { return &answers_; }

  void Put(const Caller& caller, const etcdserverpb::PutRequest& request,
           etcdserverpb::PutResponse* response, Done done);
  void DeleteRange(const Caller& caller, const etcdserverpb::DeleteRangeRequest& request,
                   etcdserverpb::DeleteRangeResponse* response, Done done);
  void Txn(const Caller& caller, const etcdserverpb::TxnRequest& request,
           etcdserverpb::TxnResponse* response, Done done);
  void Compact(const Caller& caller, const etcdserverpb::CompactionRequest& request,
               etcdserverpb::CompactionResponse* response, Done done);

 private:
  // True when it was answered, through `done`, that the caller may not.
  template <typename Request>
  bool IsRefused(const Caller& caller, const Request& request, Done& done) const {
    if (!node_->guard().is_on()) [[likely]] {
      return false;
    }
    const absl::Status may = Check(caller, request);
    if (!may.ok()) {
      done(may);
    }
    return !may.ok();
  }

  // What is wrong with the request by itself is said before who may make it, as in etcd. Only while
  // authentication is on: else the store validates.
  absl::Status Check(const Caller& caller, const etcdserverpb::RangeRequest& request) const;
  absl::Status Check(const Caller& caller, const etcdserverpb::PutRequest& request) const;
  absl::Status Check(const Caller& caller, const etcdserverpb::DeleteRangeRequest& request) const;
  absl::Status Check(const Caller& caller, const etcdserverpb::TxnRequest& request) const;

  // True when a write was answered, through `done`, that it can't be. The order is etcd's: quota, validity, size, alarms.
  template <typename Request>
  bool IsHeldUp(int64_t cost, const Request& request, Done& done) const {
    if (!node_->FitsQuota(cost, done)) {
      return true;
    }
    const bool is_too_large = node_->IsTooLarge(request.ByteSizeLong());
    const absl::Status alarm = node_->AlarmAgainst(cost);
    if (!is_too_large && alarm.ok()) [[likely]] {
      return false;
    }
    absl::Status why = Validity(request);
    if (why.ok()) {
      why = is_too_large ? WireStatus(EtcdError::kRequestTooLarge) : alarm;
    }
    done(why);
    return true;
  }

  // What is wrong with a write by itself.
  absl::Status Validity(const etcdserverpb::PutRequest& request) const;
  absl::Status Validity(const etcdserverpb::DeleteRangeRequest& request) const;
  absl::Status Validity(const etcdserverpb::TxnRequest& request) const;

  // A transaction of ranges, on a worker.
  void ReadTxn(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response,
               Done done);
  // How many keys a range for a worker may give, at most, or about that many when it asks for an old revision.
  int64_t KeysOf(const etcdserverpb::RangeRequest& request) const;
  // The same of the operations of a transaction, which are ranges.
  int64_t KeysOf(const google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>& ranges) const;
  absl::Status RangeNow(const etcdserverpb::RangeRequest& request, RangeAnswer* answer) const;
  // Fills in the response of a DeleteRange or Txn that was done, as far as it can be sent.
  template <typename Result, typename Response>
  absl::Status FillIn(const Result& result, Response* response) const;
  void TxnNow(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response,
              Done done);

  // With --key-ttl: a put whose lease is -N, and no lease that is there, makes its key live N seconds.
  absl::Status GiveTtl(mvcc::PutRequest* put) const;
  absl::Status GiveTtl(mvcc::TxnRequest* txn) const;

  Node* const node_;
  const size_t sent_bytes_max_;
  InFlight answers_{kAnswerBytesMax, kAnswersWaitingMax};
};

// Bytes a write may add to the store, as etcd estimates: 256 per put plus key and value, heavier
// branch of a txn.
int64_t CostOf(const etcdserverpb::PutRequest& request);
int64_t CostOf(const etcdserverpb::TxnRequest& request);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_KV_SERVICE_H_
