// socle-differential: sends one script of requests to two servers and compares every response.
//
//   socle-differential --left 127.0.0.1:1 --right 127.0.0.1:2 --seed 1 --operations 10000
//       --left-db /var/lib/etcd/member/snap/db
//
// With --left-db the Hash that the left server answers is compared with the one made here from a copy
// of its file: no two servers have equal files, so it can't be compared between the two.
// Exits with 1 at the first response that differs, having printed the seed, the place in the
// script, the request and both responses.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "mvcc/hash.h"
#include "tests/conformance/normalize.h"
#include "tests/conformance/operation.h"
#include "tests/conformance/peer.h"

namespace socle::conformance {
namespace {

struct Options {
  std::string left;
  std::string right;
  std::string left_db;  // the left server's file; empty: not looked at
  uint64_t seed = 1;
  uint64_t operations = 10'000;
  bool plant = false;  // a wrong request on the right: shows that the comparison can fail
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
SOCLE_RESPONSE_TO(HashKVRequest, HashKVResponse);
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
  const auto code = left_status.error_code();
  const bool is_gone =
      code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (left_text == right_text && !is_gone) {
    return true;
  }
  fmt::print("{} {{\n{}}}\n--- left\n{}--- right\n{}", request.GetTypeName(),
             request.Utf8DebugString(), left_text, right_text);
  return false;
}

// Compares every event that is left, with previous values, for everything and for a part of the
// keys.
bool SameEvents(const Options& options, Peer* left, Peer* right, const StoreState& state) {
  for (const bool part : {false, true}) {
    etcdserverpb::WatchCreateRequest create;
    create.set_key(part ? "b" : std::string(1, '\0'));
    create.set_range_end(part ? "d" : std::string(1, '\0'));
    create.set_start_revision(state.compacted + 1);
    create.set_prev_kv(true);
    std::vector<std::string> on_left;
    std::vector<std::string> on_right;
    const grpc::Status left_status = left->Watch(create, state.revision, &on_left);
    const grpc::Status right_status = right->Watch(create, state.revision, &on_right);
    if (!left_status.ok() || !right_status.ok()) {
      fmt::print("watch: left {}, right {}\n", left_status.error_message(),
                 right_status.error_message());
      return false;
    }
    const auto [a, b] =
        std::mismatch(on_left.begin(), on_left.end(), on_right.begin(), on_right.end());
    if (a != on_left.end() || b != on_right.end()) {
      fmt::print("seed {}: event {} of {} and {} differs\n--- left\n{}--- right\n{}", options.seed,
                 a - on_left.begin(), on_left.size(), on_right.size(),
                 a == on_left.end() ? "nothing\n" : *a, b == on_right.end() ? "nothing\n" : *b);
      return false;
    }
    fmt::print("{} events agree\n", on_left.size());
  }
  return true;
}

// Compares the whole history that is left, revision by revision, and as events.
bool SameHistory(const Options& options, Peer* left, Peer* right, StoreState* state, Tally* tally) {
  for (int64_t revision = std::max<int64_t>(1, state->compacted); revision <= state->revision;
       ++revision) {
    etcdserverpb::RangeRequest range;
    range.set_key(std::string(1, '\0'));
    range.set_range_end(std::string(1, '\0'));
    range.set_revision(revision);
    if (!SendToBoth(range, left, right, state, tally)) {
      fmt::print("seed {}: the stores differ at revision {}\n", options.seed, revision);
      return false;
    }
  }
  // The last event of both watches below.
  etcdserverpb::PutRequest put;
  put.set_key("c-last");
  return SendToBoth(put, left, right, state, tally) && SameEvents(options, left, right, *state);
}

absl::StatusOr<uint32_t> HashOfFile(const std::string& path) {
  const std::string copy = path + ".hashed";
  std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
  ASSIGN_OR_RETURN(const auto engine, kv::OpenBolt(Env::Posix(), copy, {}));
  ASSIGN_OR_RETURN(const auto pages, engine->BeginRead());
  return mvcc::HashBuckets(*pages);
}

bool SameHashOfFile(const Options& options, Peer* left) {
  etcdserverpb::HashResponse response;
  const grpc::Status status = left->Call(etcdserverpb::HashRequest(), &response);
  const absl::StatusOr<uint32_t> here = HashOfFile(options.left_db);
  if (!status.ok() || !here.ok() || response.hash() != *here) {
    fmt::print("Hash of {}: the server says {} {}, here it is {} {}\n", options.left_db,
               response.hash(), status.error_message(), here.ok() ? *here : 0,
               here.status().ToString());
    return false;
  }
  fmt::print("the Hash of the left server's file agrees: {}\n", *here);
  return true;
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
  if (!SameHistory(options, &left, &right, &state, &tally) ||
      (!options.left_db.empty() && !SameHashOfFile(options, &left))) {
    return false;
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
    } else if (flag == "--left-db") {
      options.left_db = value;
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
