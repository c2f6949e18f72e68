#include "server/ops/debug_vars.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kv/env/env.h"
#include "server/ops/heap.h"

namespace socle::server {
namespace {

namespace json = boost::json;

json::object MemoryStats() {
  const HeapUse heap = ReadHeapUse();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  constexpr uint64_t kKibibyte = 1024;
  json::object stats;
  stats["Alloc"] = heap.used_bytes;
  stats["Sys"] = heap.held_bytes;
  stats["HeapAlloc"] = heap.used_bytes;
  stats["HeapSys"] = heap.held_bytes;
  stats["HeapIdle"] = heap.held_bytes - std::min(heap.used_bytes, heap.held_bytes);
  stats["HeapInuse"] = heap.used_bytes;
  stats["NumGC"] = 0;
  stats["MaxResident"] = static_cast<uint64_t>(usage.ru_maxrss) * kKibibyte;
  return stats;
}

// One member is its own leader.
json::object RaftStatus(const Node& node) {
  const std::string id = fmt::format("{:x}", node.identity().member.id);
  const uint64_t index = node.store().Stats().log_index;
  json::object status;
  status["id"] = id;
  status["term"] = node.identity().raft_term;
  status["vote"] = id;
  status["commit"] = index;
  status["lead"] = id;
  status["raftState"] = "StateLeader";
  status["applied"] = index;
  status["progress"] = json::object{
      {id, json::object{{"match", index}, {"next", index + 1}, {"state", "StateReplicate"}}}};
  status["leadtransferee"] = "0";
  return status;
}

}  // namespace

std::string RenderDebugVars(const Node& node, const std::vector<std::string>& command_line) {
  json::array arguments;
  for (const std::string& argument : command_line) {
    arguments.emplace_back(argument);
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return fmt::format(
      "{{\n\"cmdline\": {},\n\"file_descriptor_limit\": {},\n\"memstats\": {},\n\"raft.status\": "
      "{}\n}}\n",
      json::serialize(arguments), limit.rlim_cur, json::serialize(MemoryStats()),
      json::serialize(RaftStatus(node)));
}

std::vector<std::string> CommandLine() {
  std::vector<std::string> arguments;
  const auto file = Env::Posix()->Open("/proc/self/cmdline", OpenMode::kReadOnly);
  if (!file.ok()) {
    return arguments;
  }
  // A file of /proc has no size, so byte by byte; every argument ends with a zero.
  constexpr uint64_t kBytesMax = 64 * 1024;
  std::string argument;
  std::array<char, 1> byte{};
  for (uint64_t at = 0; at < kBytesMax && (*file)->ReadAt(at, byte).ok(); ++at) {
    if (byte[0] != '\0') {
      argument += byte[0];
    } else {
      arguments.push_back(std::move(argument));
      argument.clear();
    }
  }
  return arguments;
}

}  // namespace socle::server
