// Pair: two servers that are asked the same, one after the other; prints the first request that they answer differently.
//
// Threads  thread-compatible.
#ifndef SOCLE_TESTS_CONFORMANCE_PAIR_H_
#define SOCLE_TESTS_CONFORMANCE_PAIR_H_

#include <cstdint>
#include <string>
#include <type_traits>

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "tests/conformance/normalize.h"
#include "tests/conformance/operation.h"
#include "tests/conformance/peer.h"

namespace socle::conformance {

// The answer as a text to compare and to show.
std::string Shown(const grpc::Status& status, const google::protobuf::Message& response);

struct Tally {
  uint64_t succeeded = 0;
  uint64_t refused = 0;
};

class Pair {
 public:
  Pair(const std::string& left, const std::string& right) : left_(left), right_(right) {}

  Peer* left() { return &left_; }

  Peer* right() { return &right_; }

  // What the answers so far say about the stores.
  const StoreState& state() const { return state_; }

  const Tally& tally() const { return tally_; }

  // False when the answers differ.
  template <typename Request>
  bool Send(const Request& request) {
    typename ResponseTo<Request>::Type on_left;
    typename ResponseTo<Request>::Type on_right;
    return Send(request, &on_left, &on_right);
  }

  // Leaves the answers as they came.
  template <typename Request, typename Response>
  bool Send(const Request& request, Response* left, Response* right) {
    const grpc::Status left_status = left_.Call(request, left);
    const grpc::Status right_status = right_.Call(request, right);
    if (left_status.ok()) {
      ++tally_.succeeded;
      Learn(request, *left);
    } else {
      ++tally_.refused;
    }
    Response on_left = *left;
    Response on_right = *right;
    Normalize(request, &on_left);
    Normalize(request, &on_right);
    const std::string left_text = Shown(left_status, on_left);
    const std::string right_text = Shown(right_status, on_right);
    const auto code = left_status.error_code();
    const bool is_gone =
        (code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED);
    if (left_text == right_text && !is_gone) {
      return true;
    }
    fmt::print("{} {{\n{}}}\n--- left\n{}--- right\n{}", request.GetTypeName(),
               request.Utf8DebugString(), left_text, right_text);
    return false;
  }

 private:
  template <typename Request, typename Response>
  void Learn(const Request& request, const Response& response) {
    if constexpr (std::is_same_v<Request, etcdserverpb::CompactionRequest>) {
      state_.compacted = request.revision();
    }
    if (response.header().revision() > 0) {
      state_.revision = response.header().revision();
    }
  }

  Peer left_;
  Peer right_;
  StoreState state_;
  Tally tally_;
};

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_PAIR_H_
