// socle-differential: sends the same requests to two servers and compares every response.
//
//   socle-differential --left 127.0.0.1:1 --right 127.0.0.1:2 --seed 1 --operations 10000
//       --left-db /var/lib/etcd/member/snap/db
//
// With --part it is another script: "clients", three concurrent clients on keys of their own, or "admin", everything beside keys and leases,
// with users and without. Each part wants two fresh servers.
// With --left-db the Hash that the left server answers is compared with the one made here from a copy
// of its file: no two servers have equal files, so it can't be compared between the two.
// Exits with 1 at the first response that differs, having printed the seed, the place in the
// script, the request and both responses.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "mvcc/hash.h"
#include "tests/conformance/admin_operation.h"
#include "tests/conformance/concurrent_clients.h"
#include "tests/conformance/operation.h"
#include "tests/conformance/pair.h"
#include "tests/conformance/peer.h"

namespace socle::conformance {
namespace {

struct Options {
  std::string left;
  std::string right;
  std::string left_db;  // the left server's file; empty: not looked at
  uint64_t seed = 1;
  uint64_t operations = 10'000;
  std::string part = "script";
  bool plant = false;  // a wrong request on the right: shows that the comparison can fail
};

// Compares every event that is left, with previous values, for everything and for a part of the
// keys.
bool SameEvents(const Options& options, Pair* pair) {
  const StoreState& state = pair->state();
  for (const bool part : {false, true}) {
    etcdserverpb::WatchCreateRequest create;
    create.set_key(part ? "b" : std::string(1, '\0'));
    create.set_range_end(part ? "d" : std::string(1, '\0'));
    create.set_start_revision(state.compacted + 1);
    create.set_prev_kv(true);
    std::vector<mvccpb::Event> on_left;
    std::vector<mvccpb::Event> on_right;
    const grpc::Status left_status = pair->left()->Watch(create, state.revision, &on_left);
    const grpc::Status right_status = pair->right()->Watch(create, state.revision, &on_right);
    if (!left_status.ok() || !right_status.ok()) {
      fmt::print("watch: left {}, right {}\n", left_status.error_message(),
                 right_status.error_message());
      return false;
    }
    const auto [a, b] =
        std::mismatch(on_left.begin(), on_left.end(), on_right.begin(), on_right.end(),
                      [](const mvccpb::Event& x, const mvccpb::Event& y) {
                        return x.SerializeAsString() == y.SerializeAsString();
                      });
    if (a != on_left.end() || b != on_right.end()) {
      fmt::print("seed {}: event {} of {} and {} differs\n--- left\n{}--- right\n{}", options.seed,
                 a - on_left.begin(), on_left.size(), on_right.size(),
                 a == on_left.end() ? "nothing\n" : a->Utf8DebugString(),
                 b == on_right.end() ? "nothing\n" : b->Utf8DebugString());
      return false;
    }
    fmt::print("{} events agree\n", on_left.size());
  }
  return true;
}

// Compares the whole history that is left, revision by revision, and as events.
bool SameHistory(const Options& options, Pair* pair) {
  const StoreState state = pair->state();
  for (int64_t revision = std::max<int64_t>(1, state.compacted); revision <= state.revision;
       ++revision) {
    etcdserverpb::RangeRequest range;
    range.set_key(std::string(1, '\0'));
    range.set_range_end(std::string(1, '\0'));
    range.set_revision(revision);
    if (!pair->Send(range)) {
      fmt::print("seed {}: the stores differ at revision {}\n", options.seed, revision);
      return false;
    }
  }
  // The last event of both watches below.
  etcdserverpb::PutRequest put;
  put.set_key("c-last");
  return pair->Send(put) && SameEvents(options, pair);
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

void Plant(Pair* pair) {
  etcdserverpb::PutRequest put;
  put.set_key("planted");
  etcdserverpb::PutResponse ignored;
  if (!pair->right()->Call(put, &ignored).ok()) {
    fmt::print("the planted put failed\n");
  }
}

// Keys, leases and compactions, by one client.
bool RunScript(const Options& options, Pair* pair) {
  OperationSource source(options.seed);
  for (uint64_t i = 0; i < options.operations; ++i) {
    if (options.plant && i == options.operations / 2) {
      Plant(pair);
    }
    const bool same = std::visit([&](const auto& request) { return pair->Send(request); },
                                 source.Next(pair->state()));
    if (!same) {
      fmt::print("seed {}: operation {} of {} differs (revision {}, compacted {})\n", options.seed,
                 i, options.operations, pair->state().revision, pair->state().compacted);
      return false;
    }
    if ((i + 1) % 2'000 == 0) {
      fmt::print("{} operations agree, revision {}\n", i + 1, pair->state().revision);
      std::fflush(stdout);
    }
  }
  return SameHistory(options, pair) &&
         (options.left_db.empty() || SameHashOfFile(options, pair->left()));
}

// Three clients at once.
bool RunClients(const Options& options) {
  const uint64_t operations = options.operations;
  const std::vector<std::string> left =
      RunConcurrentClients(options.left, options.seed, operations, false);
  const std::vector<std::string> right =
      RunConcurrentClients(options.right, options.seed, operations, options.plant);
  const auto [a, b] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
  if (a != left.end() || b != right.end()) {
    fmt::print("seed {}: concurrent clients are told different things\n--- left\n{}--- right\n{}",
               options.seed, a == left.end() ? "nothing\n" : *a,
               b == right.end() ? "nothing\n" : *b);
    return false;
  }
  fmt::print("{} answers and events of three concurrent clients agree\n", left.size());
  return true;
}

// What both ask of callers in the same way; for the rest see V7 of DIFFERENCES.md.
template <typename Request>
bool IsGuardedAlike(const Request& request) {
  if constexpr (std::is_same_v<Request, etcdserverpb::RangeRequest> ||
                std::is_same_v<Request, etcdserverpb::DeleteRangeRequest>) {
    return request.range_end().empty();
  }
  return request.GetDescriptor()->name().starts_with("Auth") ||
         std::is_same_v<Request, etcdserverpb::PutRequest>;
}

// Everything else, by callers who may have logged in.
class AdminRun {
 public:
  AdminRun(const Options& options, Pair* pair)
      : options_(options), pair_(pair), admin_(options.seed), operations_(options.seed + 1) {}

  bool Run() {
    const uint64_t count = options_.operations;
    for (uint64_t i = 0; i < count; ++i) {
      if (options_.plant && i == count / 2) {
        Plant(pair_);
      }
      const std::string caller = admin_.has_next() ? "the same" : ChooseCaller();
      const bool is_admin = admin_.has_next() || !random_.OneIn(3);
      const bool same =
          is_admin
              ? std::visit([&](const auto& request) { return SendAdmin(request); }, admin_.Next())
              : std::visit([&](const auto& request) { return SendAdmin(request); },
                           operations_.Next(pair_->state()));
      if (!same) {
        fmt::print("seed {}: admin operation {} of {} by {} differs\n", options_.seed, i, count,
                   caller.empty() ? "nobody" : caller);
        return false;
      }
    }
    return is_auth_on_ || SameSnapshots();
  }

 private:
  std::string ChooseCaller() {
    const std::string caller = random_.OneIn(3) ? "root" : admin_.User();
    pair_->left()->SetToken(tokens_[caller].first);
    pair_->right()->SetToken(tokens_[caller].second);
    return caller;
  }

  template <typename Request>
  bool SendAdmin(const Request& request) {
    if (is_auth_on_ && !IsGuardedAlike(request)) {
      return true;
    }
    if (std::is_same_v<Request, etcdserverpb::AuthenticateRequest>) {
      pair_->left()->SetToken("");  // etcd refuses to log in who brings an old token
      pair_->right()->SetToken("");
    }
    typename ResponseTo<Request>::Type left;
    typename ResponseTo<Request>::Type right;
    if (!pair_->Send(request, &left, &right)) {
      return false;
    }
    if constexpr (std::is_same_v<Request, etcdserverpb::AuthEnableRequest>) {
      is_auth_on_ = is_auth_on_ || left.has_header();
    }
    if constexpr (std::is_same_v<Request, etcdserverpb::AuthDisableRequest>) {
      if (left.has_header()) {
        is_auth_on_ = false;
        tokens_.clear();  // V10: etcd 3.4 refuses an old token even then
      }
    }
    if constexpr (std::is_same_v<Request, etcdserverpb::AuthenticateRequest>) {
      if (!left.token().empty()) {
        tokens_[request.name()] = {left.token(), right.token()};
      }
    }
    return true;
  }

  bool SameSnapshots() {
    pair_->left()->SetToken(tokens_["root"].first);
    pair_->right()->SetToken(tokens_["root"].second);
    std::string left;
    std::string right;
    const grpc::Status left_status = pair_->left()->Snapshot(&left);
    const grpc::Status right_status = pair_->right()->Snapshot(&right);
    if (left_status.error_code() != right_status.error_code() ||
        left_status.error_message() != right_status.error_message()) {
      fmt::print("seed {}: snapshot: left {} {}, right {} {}\n", options_.seed, left.size(),
                 left_status.error_message(), right.size(), right_status.error_message());
      return false;
    }
    return true;
  }

  const Options& options_;
  Pair* const pair_;
  AdminSource admin_;
  OperationSource operations_;
  Random random_{options_.seed + 2};
  bool is_auth_on_ = false;
  std::map<std::string, std::pair<std::string, std::string>> tokens_;  // of each user: left, right
};

bool RunPart(const Options& options) {
  if (options.part == "clients") {
    return RunClients(options);
  }
  Pair pair(options.left, options.right);
  const bool same =
      options.part == "admin" ? AdminRun(options, &pair).Run() : RunScript(options, &pair);
  if (same) {
    fmt::print("{}, seed {}: {} operations, {} succeeded, {} refused alike, revision {}\n",
               options.part, options.seed, pair.tally().succeeded + pair.tally().refused,
               pair.tally().succeeded, pair.tally().refused, pair.state().revision);
  }
  return same;
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
    } else if (flag == "--part") {
      options.part = value;
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
  return socle::conformance::RunPart(options) ? 0 : 1;
}
