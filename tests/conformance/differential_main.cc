// socle-differential: sends one script of requests to two servers and compares every response.
//
//   socle-differential --left 127.0.0.1:1 --right 127.0.0.1:2 --seed 1 --operations 10000
//
// Exits with 1 at the first response that differs, having printed the seed, the place in the
// script, the request and both responses.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include <etcd/rpc.grpc.pb.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "tests/conformance/normalize.h"
#include "tests/conformance/operation.h"

namespace socle::conformance {
namespace {

constexpr int kCallSeconds = 30;

struct Options {
  std::string left;
  std::string right;
  uint64_t seed = 1;
  uint64_t operations = 10'000;
  bool plant = false;  // a wrong request on the right: shows that the comparison can fail
};

// The stubs of one server.
class Peer {
 public:
  explicit Peer(const std::string& address)
      : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        kv_(etcdserverpb::KV::NewStub(channel_)),
        lease_(etcdserverpb::Lease::NewStub(channel_)) {}

#define SOCLE_PEER_CALL(stub, method, request_type, response_type)                         \
  grpc::Status Call(const etcdserverpb::request_type& request,                             \
                    etcdserverpb::response_type* response) {                               \
    grpc::ClientContext context;                                                           \
    context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),                         \
                                      gpr_time_from_seconds(kCallSeconds, GPR_TIMESPAN))); \
    context.set_wait_for_ready(true);                                                      \
    return stub->method(&context, request, response);                                      \
  }
  SOCLE_PEER_CALL(kv_, Range, RangeRequest, RangeResponse)
  SOCLE_PEER_CALL(kv_, Put, PutRequest, PutResponse)
  SOCLE_PEER_CALL(kv_, DeleteRange, DeleteRangeRequest, DeleteRangeResponse)
  SOCLE_PEER_CALL(kv_, Txn, TxnRequest, TxnResponse)
  SOCLE_PEER_CALL(kv_, Compact, CompactionRequest, CompactionResponse)
  SOCLE_PEER_CALL(lease_, LeaseGrant, LeaseGrantRequest, LeaseGrantResponse)
  SOCLE_PEER_CALL(lease_, LeaseRevoke, LeaseRevokeRequest, LeaseRevokeResponse)
  SOCLE_PEER_CALL(lease_, LeaseTimeToLive, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse)
#undef SOCLE_PEER_CALL

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease_;
};

template <typename Request>
struct ResponseTo;
#define SOCLE_RESPONSE_TO(request, response) \
  template <>                                \
  struct ResponseTo<etcdserverpb::request> { \
    using Type = etcdserverpb::response;     \
  }
SOCLE_RESPONSE_TO(RangeRequest, RangeResponse);
SOCLE_RESPONSE_TO(PutRequest, PutResponse);
SOCLE_RESPONSE_TO(DeleteRangeRequest, DeleteRangeResponse);
SOCLE_RESPONSE_TO(TxnRequest, TxnResponse);
SOCLE_RESPONSE_TO(CompactionRequest, CompactionResponse);
SOCLE_RESPONSE_TO(LeaseGrantRequest, LeaseGrantResponse);
SOCLE_RESPONSE_TO(LeaseRevokeRequest, LeaseRevokeResponse);
SOCLE_RESPONSE_TO(LeaseTimeToLiveRequest, LeaseTimeToLiveResponse);
#undef SOCLE_RESPONSE_TO

struct Tally {
  uint64_t succeeded = 0;
  uint64_t refused = 0;
};

std::string Shown(const grpc::Status& status, const google::protobuf::Message& response) {
  if (!status.ok()) {
    return fmt::format("code {}: {}\n", static_cast<int>(status.error_code()),
                       status.error_message());
  }
  return response.Utf8DebugString();
}

// Sends one request to both; false when the answers differ. Learns revisions from the answers.
template <typename Message>
bool SendToBoth(const Message& request, Peer* left, Peer* right, StoreState* state, Tally* tally) {
  typename ResponseTo<Message>::Type on_left;
  typename ResponseTo<Message>::Type on_right;
  const grpc::Status left_status = left->Call(request, &on_left);
  const grpc::Status right_status = right->Call(request, &on_right);
  if (left_status.ok()) {
    ++tally->succeeded;
    state->revision = on_left.header().revision();
    if constexpr (std::is_same_v<Message, etcdserverpb::CompactionRequest>) {
      state->compacted = request.revision();
    }
  } else {
    ++tally->refused;
  }
  Normalize(request, &on_left);
  Normalize(request, &on_right);
  const std::string left_text = Shown(left_status, on_left);
  const std::string right_text = Shown(right_status, on_right);
  if (left_text == right_text) {
    return true;
  }
  fmt::print("{} {{\n{}}}\n--- left\n{}--- right\n{}", request.GetTypeName(),
             request.Utf8DebugString(), left_text, right_text);
  return false;
}

bool RunScript(const Options& options) {
  Peer left(options.left);
  Peer right(options.right);
  OperationSource source(options.seed);
  StoreState state;
  Tally tally;
  for (uint64_t i = 0; i < options.operations; ++i) {
    if (options.plant && i == options.operations / 2) {
      etcdserverpb::PutRequest put;
      put.set_key("planted");
      etcdserverpb::PutResponse ignored;
      if (!right.Call(put, &ignored).ok()) {
        fmt::print("the planted put failed\n");
      }
    }
    const bool same = std::visit(
        [&](const auto& request) { return SendToBoth(request, &left, &right, &state, &tally); },
        source.Next(state));
    if (!same) {
      fmt::print("seed {}: operation {} of {} differs (revision {}, compacted {})\n", options.seed,
                 i, options.operations, state.revision, state.compacted);
      return false;
    }
    if ((i + 1) % 2'000 == 0) {
      fmt::print("{} operations agree, revision {}\n", i + 1, state.revision);
      std::fflush(stdout);
    }
  }
  // The whole history that is left, revision by revision.
  for (int64_t revision = std::max<int64_t>(1, state.compacted); revision <= state.revision;
       ++revision) {
    etcdserverpb::RangeRequest range;
    range.set_key(std::string(1, '\0'));
    range.set_range_end(std::string(1, '\0'));
    range.set_revision(revision);
    if (!SendToBoth(range, &left, &right, &state, &tally)) {
      fmt::print("seed {}: the stores differ at revision {}\n", options.seed, revision);
      return false;
    }
  }
  fmt::print("seed {}: {} operations, {} succeeded, {} refused alike, revision {}\n", options.seed,
             options.operations, tally.succeeded, tally.refused, state.revision);
  return true;
}

}  // namespace
}  // namespace socle::conformance

int main(int argc, char** argv) {
  socle::conformance::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--plant") {
      options.plant = true;
      continue;
    }
    ++i;
    if (flag == "--left") {
      options.left = value;
    } else if (flag == "--right") {
      options.right = value;
    } else if (flag == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else if (flag == "--operations") {
      options.operations = std::strtoull(value, nullptr, 10);
    } else {
      fmt::print(stderr, "socle-differential: unknown flag {}\n", flag);
      return 2;
    }
  }
  if (options.left.empty() || options.right.empty()) {
    fmt::print(stderr, "socle-differential: --left and --right are needed\n");
    return 2;
  }
  return socle::conformance::RunScript(options) ? 0 : 1;
}
