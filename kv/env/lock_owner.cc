#include "kv/env/lock_owner.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"

namespace socle {
namespace {

// A file of /proc, whole; empty when it can't be read.
std::string ReadProc(const std::string& path) {
  std::string text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return text;
  }
  std::array<char, 4096> piece{};
  ssize_t count = 0;
  while ((count = ::read(fd, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<size_t>(count));
  }
  ::close(fd);
  return text;
}

}  // namespace

std::string LockOwner(const struct stat& file) {
  constexpr const char* kUnknown = "another process";
  const std::string identity =
      fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
  const std::string locks = ReadProc("/proc/locks");
  // 1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF
  constexpr size_t kKind = 1;
  constexpr size_t kProcess = 4;
  constexpr size_t kFile = 5;
  for (const absl::string_view line : absl::StrSplit(AbslView(locks), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int process = 0;
    if (words.size() <= kFile || words[kKind] != "FLOCK" || words[kFile] != AbslView(identity) ||
        !absl::SimpleAtoi(words[kProcess], &process) || process <= 0) {
      continue;
    }
    std::string name = ReadProc(fmt::format("/proc/{}/comm", process));
    while (!name.empty() && name.back() == '\n') {
      name.pop_back();
    }
    return name.empty() ? kUnknown : fmt::format("{} (process {})", name, process);
  }
  return kUnknown;
}

}  // namespace socle
