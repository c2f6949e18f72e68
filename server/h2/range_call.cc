#include "server/h2/range_call.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "server/service/range_answer.h"

namespace socle::server::h2 {
namespace {

// Answers up to this size are written at once.
constexpr size_t kAtOnceBytes = 16 * 1024;
constexpr size_t kMessageBytesMax = INT32_MAX;  // etcd's send limit

class RangeBody final : public http::BodySource {
 public:
  RangeBody(std::string prefix, RangeAnswer answer, InFlight* room)
      : bytes_(std::move(prefix), std::move(answer)), room_(room) {}

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

  void OnWake() override { Finish(); }

 private:
  void OnMessage(std::string_view bytes) override {
    if (has_request_) {
      End(absl::InternalError("grpc: a unary call got a second message"));
      return;
    }
    has_request_ = true;
    if (!request_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      End(absl::InternalError("grpc: error unmarshalling request"));
    }
  }

  void OnHalfClose() override {
    if (!has_request_) {
      End(absl::InternalError("grpc: a unary call got no message"));
      return;
    }
    services()->kv.Range(
        caller(), request_, &answer_,
        [self = shared_from_this()](const absl::Status& status) { self->Answer(status); });
  }

  void Answer(const absl::Status& status) {
    status_ = status;
    if (exchange()->loop()->IsLoopThread()) {
      Finish();
    } else {
      exchange()->Wake();  // carries status_ and answer_ over
    }
  }

  void Finish() {
    if (!status_.ok()) {
      End(status_);
      return;
    }
    const size_t bytes = RangeResponseBytes(answer_.parts());
    if (bytes > kMessageBytesMax) {
      End(absl::ResourceExhaustedError(fmt::format(
          "trying to send message larger than max ({} vs. {})", bytes, kMessageBytesMax)));
    } else if (bytes > kAtOnceBytes && !has_dialect()) {
      EndWithSource(std::make_unique<RangeBody>(MessagePrefix(bytes), std::move(answer_),
                                                services()->kv.answers()));
    } else {
      EndWithAppended([this](std::string* out) { AppendRangeResponse(answer_.parts(), out); });
    }
    answer_ = {};  // lets go of the store
  }

  etcdserverpb::RangeRequest request_;
  bool has_request_ = false;
  RangeAnswer answer_;
  absl::Status status_;
};

}  // namespace

std::shared_ptr<GrpcCall> MakeRangeCall(Services* services,
                                        std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<RangeCall>(services, RpcMethod::kRange, std::move(exchange));
}

}  // namespace socle::server::h2
