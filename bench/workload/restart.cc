#include "bench/workload/restart.h"

#include <memory>

#include <fmt/format.h>

#include "bench/peer/local_server.h"
#include "bench/workload/drive.h"
#include "bench/workload/put.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

absl::Status Fill(const std::string& endpoint, const RestartOptions& options) {
  const WriteShape shape{.total = options.keys,
                         .key_size = 16,
                         .val_size = options.val_size,
                         .key_space_size = options.keys,
                         .sequential_keys = true};
  RETURN_IF_ERROR(shape.Validate());
  DriveOptions drive;
  drive.endpoints = {endpoint};
  drive.clients = 200;
  drive.conns = 10;
  drive.total = options.keys;
  PutSource source(shape);
  ASSIGN_OR_RETURN(const DriveResult filled, Drive(drive, &source));
  for (const auto& [text, count] : filled.load.errors) {
    return absl::UnavailableError(
        fmt::format("{} of {} keys were not written: {}", count, options.keys, text));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RestartResult> RunRestarts(const RestartOptions& options) {
  if (options.keys == 0 || options.rounds == 0) {
    return absl::InvalidArgumentError("--keys and --rounds must be positive");
  }
  ASSIGN_OR_RETURN(const Peer peer, ParsePeer(options.peer));
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalServer> server,
                   LocalServer::Start(peer, options.dir));
  RETURN_IF_ERROR(Fill(server->endpoint(), options));
  RestartResult result;
  for (uint64_t round = 0; round < options.rounds; ++round) {
    if (options.kills) {
      server->Kill();
    } else {
      RETURN_IF_ERROR(server->Stop());
    }
    const int64_t start = Clock::Real()->MonotonicNanos();
    RETURN_IF_ERROR(server->StartAgain());
    result.serve_nanos.push_back(Clock::Real()->MonotonicNanos() - start);
  }
  return result;
}

std::string RenderRestarts(const RestartOptions& options, const RestartResult& result) {
  std::string out =
      fmt::format("socle-bench restart: {} with {} keys of {}-byte values, {}\n", options.peer,
                  options.keys, options.val_size, options.kills ? "killed" : "stopped");
  for (const int64_t nanos : result.serve_nanos) {
    out += fmt::format("  serves after {:.3f} s\n", static_cast<double>(nanos) / kNanosPerSecond);
  }
  return out;
}

}  // namespace socle::bench
