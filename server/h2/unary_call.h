// UnaryCall: one request, one response; the service may answer at once or from another thread.
//
// Laws     1. Request and response live on the call's arena until the service has answered, whatever
//             became of the client.
//          2. The response is serialised on the loop, straight into the bytes that are sent: the store's
//             write loop only says that it is there.
// Threads  Answer: any thread, once; the rest as grpc_call.h.
#ifndef SOCLE_SERVER_H2_UNARY_CALL_H_
#define SOCLE_SERVER_H2_UNARY_CALL_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "etcd/rpc.pb.h"
#include <google/protobuf/arena.h>

#include "mvcc/patience.h"
#include "server/h2/grpc_call.h"
#include "server/h2/observed.h"
#include "server/service/error_table.h"
#include "server/service/withdrawal.h"

namespace socle::server::h2 {

// What the store answers once it is on the disk.
template <typename Request>
inline constexpr bool kIsWrite = std::is_same_v<Request, etcdserverpb::PutRequest> ||
                                 std::is_same_v<Request, etcdserverpb::DeleteRangeRequest> ||
                                 std::is_same_v<Request, etcdserverpb::TxnRequest>;

// `Run` is a stateless callable (Services*, const Caller&, const Request&, Response*, Done); one that waits for others returns
// the Withdrawal that gives it up.
template <typename Request, typename Response, typename Run>
class UnaryCall final : public GrpcCall,
                        public std::enable_shared_from_this<UnaryCall<Request, Response, Run>> {
 public:
  using GrpcCall::GrpcCall;

  ~UnaryCall() override {
    if (observed_.is_untold()) [[unlikely]] {
      Tell();
      observed_.Sent(request_, status_);
    }
  }

  void OnWake() override { Finish(); }

  void OnStopping() override {
    if (withdrawal_) {
      End(WireStatus(EtcdError::kStopped));
    }
  }

 private:
  void OnMessage(std::string_view bytes) override {
    if (request_ != nullptr) {
      End(absl::InternalError("grpc: a unary call got a second message"));
      return;
    }
    request_ = google::protobuf::Arena::CreateMessage<Request>(&arena_);
    observed_.Begin(services()->observer, *method(), bytes.size(), [this] { return Origin(); });
    bool is_message = request_->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    if constexpr (std::is_same_v<Request, etcdserverpb::TxnRequest>) {
      is_message = is_message || ParseDeep(bytes, request_);  // nothing else nests
    }
    if (!is_message) {
      End(absl::InternalError("grpc: error unmarshalling request"));
    }
  }

  void OnHalfClose() override {
    if (request_ == nullptr) {
      End(absl::InternalError("grpc: a unary call got no message"));
      return;
    }
    response_ = google::protobuf::Arena::CreateMessage<Response>(&arena_);
    if (observed_.is_on()) [[unlikely]] {
      if (const absl::Status may = observed_.MayBegin(*request_); !may.ok()) {
        Answer(may);
        return;
      }
    }
    // A write by itself need not wait for another thread.
    const bool is_patient = kIsWrite<Request> && exchange()->is_alone();
    const mvcc::Patience patience(is_patient);
    const http::Loop::Waits waits(is_patient ? exchange()->loop() : nullptr);
    Done done(
        [self = this->shared_from_this()](const absl::Status& status) { self->Answer(status); });
    if constexpr (std::is_void_v<std::invoke_result_t<Run, Services*, const Caller&, const Request&,
                                                      Response*, Done>>) {
      Run{}(services(), caller(), *request_, response_, std::move(done));
    } else {
      Withdrawal withdrawal = Run{}(services(), caller(), *request_, response_, std::move(done));
      if (!is_over()) {
        withdrawal_ = std::move(withdrawal);
      }
    }
  }

  void OnEnd() override {
    if (Withdrawal withdrawal = std::exchange(withdrawal_, nullptr)) {
      withdrawal();
    }
  }

  void Answer(const absl::Status& status) {
    status_ = status;
    observed_.Answered();
    if (exchange()->loop()->IsLoopThread()) {
      Finish();
    } else {
      exchange()->Wake();  // carries status_ and the response over
    }
  }

  void Finish() {
    if (status_.ok()) {
      status_ = EndWith(*response_);
    } else {
      End(status_);
    }
    if (observed_.is_untold()) [[unlikely]] {
      Tell();
    }
  }

  void OnSent() override { observed_.Sent(request_, status_); }

  // Requires that the service has answered, and the observer.
  void Tell() {
    CallOutcome outcome;
    // What can't be sent may have been done.
    if constexpr (requires { response_->header().revision(); }) {
      outcome.revision = response_->header().revision();
    }
    outcome.count = CountOf(*method(), *response_);
    if (status_.ok() || outcome.revision != 0) {
      outcome.response = response_;
    }
    if (status_.ok()) {
      outcome.response_bytes = response_->ByteSizeLong();
    }
    observed_.Told(*request_, outcome, status_);
  }

  static google::protobuf::ArenaOptions BlockOf(std::array<char, 1024>* block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block->data();
    options.initial_block_size = block->size();
    return options;
  }

  alignas(16) std::array<char, 1024> block_;  // enough for most calls
  google::protobuf::Arena arena_{BlockOf(&block_)};
  Request* request_ = nullptr;
  Response* response_ = nullptr;
  absl::Status status_;
  Observed observed_;
  Withdrawal withdrawal_;  // null: answered, or not one that waits
};

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_UNARY_CALL_H_
