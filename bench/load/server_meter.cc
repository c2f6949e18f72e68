#include "bench/load/server_meter.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "bench/load/cpu_meter.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

// The number behind `name`; -1 when the file or the name is not there.
int64_t NumberIn(const std::string& path, std::string_view name) {
  // tidy: allow file because files of /proc have no size and can't be read through Env
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return -1;
  }
  std::array<char, 8192> text;
  const ssize_t got = ::read(fd, text.data(), text.size());
  ::close(fd);
  const std::string_view all(text.data(), got > 0 ? static_cast<size_t>(got) : 0);
  size_t at = all.find(name);
  if (at == std::string_view::npos) {
    return -1;
  }
  at = all.find_first_of("0123456789", at + name.size());
  if (at == std::string_view::npos) {
    return -1;
  }
  int64_t number = -1;
  std::from_chars(all.data() + at, all.data() + all.size(), number);
  return number;
}

}  // namespace

absl::StatusOr<ServerUsage> UsageOf(pid_t pid) {
  ServerUsage usage;
  ASSIGN_OR_RETURN(usage.cpu_nanos, CpuNanosOf(pid));
  const int64_t kib = NumberIn(fmt::format("/proc/{}/status", pid), "VmRSS:");
  usage.rss_bytes = kib < 0 ? -1 : kib * 1024;
  usage.written_bytes = NumberIn(fmt::format("/proc/{}/io", pid), "\nwrite_bytes:");
  return usage;
}

}  // namespace socle::bench
