#include "server/h2/range_call.h"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/h2/observed.h"
#include "server/service/range_answer.h"

namespace socle::server::h2 {
namespace {

// Answers up to this size are written at once.
constexpr size_t kAtOnceBytes = 16 * 1024;

class RangeBody final : public http::BodySource {
 public:
  RangeBody(std::string prefix, RangeAnswer answer, size_t response_bytes, InFlight* room)
      : bytes_(std::move(prefix), std::move(answer), response_bytes), room_(room) {}

  size_t bytes_left() const override { return bytes_.left(); }

  void Take(size_t bytes, std::string* out) override { bytes_.Take(bytes, out); }

  size_t held_bytes() const override { return bytes_.held_bytes(); }

  void OnSlow() override { bytes_.Detach(room_); }

 private:
  RangeBytes bytes_;
  InFlight* const room_;
};

class RangeCall final : public GrpcCall, public std::enable_shared_from_this<RangeCall> {
 public:
  using GrpcCall::GrpcCall;

  ~RangeCall() override {
    if (observed_.is_untold()) [[unlikely]] {
      Tell(0);
      observed_.Sent(&request_, status_);
    }
  }

  void OnWake() override { Finish(); }

 private:
  void OnMessage(std::string_view bytes) override {
    if (has_request_) {
      End(absl::InternalError("grpc: a unary call got a second message"));
      return;
    }
    has_request_ = true;
    observed_.Begin(services()->observer, *method(), bytes.size(), [this] { return Origin(); });
    if (!request_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      End(absl::InternalError("grpc: error unmarshalling request"));
    }
  }

  void OnHalfClose() override {
    if (!has_request_) {
      End(absl::InternalError("grpc: a unary call got no message"));
      return;
    }
    if (observed_.is_on()) [[unlikely]] {
      if (const absl::Status may = observed_.MayBegin(request_); !may.ok()) {
        Answer(may);
        return;
      }
    }
    answer_.is_unwanted = &has_ended_;
    services()->kv.Range(
        caller(), request_, &answer_,
        [self = shared_from_this()](const absl::Status& status) { self->Answer(status); });
  }

  void Answer(const absl::Status& status) {
    status_ = status;
    observed_.Answered();
    if (exchange()->loop()->IsLoopThread()) {
      Finish();
    } else {
      exchange()->Wake();  // carries status_ and answer_ over
    }
  }

  void Finish() {
    answer_.is_unwanted = nullptr;  // the answer may outlive this call
    if (!status_.ok()) {
      End(status_);
      if (observed_.is_untold()) [[unlikely]] {
        Tell(0);
      }
      return;
    }
    const size_t bytes = RangeResponseBytes(answer_.parts());
    const CallOutcome outcome = OutcomeOf(bytes);
    status_ = CheckMessageBytes(bytes, services()->sent_bytes_max);
    if (!status_.ok()) {
      End(status_);
    } else if (bytes > kAtOnceBytes) {
      EndWithSource(MakeBody(bytes), bytes);
    } else {
      status_ =
          EndWithAppended([this](std::string* out) { AppendRangeResponse(answer_.parts(), out); });
    }
    answer_ = {};  // lets go of the store
    if (observed_.is_untold()) [[unlikely]] {
      observed_.Told(request_, outcome, status_);
    }
  }

  std::unique_ptr<http::BodySource> MakeBody(size_t bytes) {
    InFlight* const room = services()->kv.answers();
    if (dialect() != nullptr) {
      return dialect()->RangeBody(std::move(answer_), room);
    }
    return std::make_unique<RangeBody>(MessagePrefix(bytes), std::move(answer_), bytes, room);
  }

  void OnEnd() override { has_ended_.store(true, std::memory_order_release); }

  void OnSent() override { observed_.Sent(&request_, status_); }

  CallOutcome OutcomeOf(size_t bytes) const {
    return {.revision = answer_.header.revision(),
            .count = answer_.result.count,
            .response_bytes = bytes};
  }

  // Requires that the service has answered, and the observer.
  void Tell(size_t bytes) { observed_.Told(request_, OutcomeOf(bytes), status_); }

  etcdserverpb::RangeRequest request_;
  bool has_request_ = false;
  std::atomic<bool> has_ended_{false};  // read by whoever reads for it
  RangeAnswer answer_;
  absl::Status status_;
  Observed observed_;
};

}  // namespace

std::shared_ptr<GrpcCall> MakeRangeCall(Services* services,
                                        std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<RangeCall>(services, RpcMethod::kRange, std::move(exchange));
}

}  // namespace socle::server::h2
