#include "bench/storage/disk.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

// tidy: allow file because the measurements of /proc and of whole directories are no business of Env
#include <filesystem>
#include <fstream>
#include <string_view>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::bench {
namespace {

namespace fs = std::filesystem;  // tidy: allow file because see above

// The number behind `label` in a file of lines "label: number ...".
uint64_t NumberBehind(const char* path, std::string_view label) {
  std::ifstream file(path);  // tidy: allow file because /proc is no file of ours
  std::string word;
  while (file >> word) {
    if (word == label) {
      uint64_t number = 0;
      CHECK(static_cast<bool>(file >> number));
      return number;
    }
  }
  CHECK(false);
  return 0;
}

}  // namespace

uint64_t BytesWritten(const std::string& dir) {
  constexpr int kSectorsWritten = 7;  // the seventh number of a block device's stat
  constexpr uint64_t kSectorBytes = 512;

  struct stat found {};

  CHECK_EQ(::stat(dir.c_str(), &found), 0);
  // tidy: allow file because /sys is no file of ours
  std::ifstream file(
      fmt::format("/sys/dev/block/{}:{}/stat", major(found.st_dev), minor(found.st_dev)));
  uint64_t number = 0;
  for (int i = 0; i < kSectorsWritten; ++i) {
    if (!(file >> number)) {
      return NumberBehind("/proc/self/io", "write_bytes:");
    }
  }
  return number * kSectorBytes;
}

uint64_t ResidentAnonymousBytes() {
  return NumberBehind("/proc/self/status", "RssAnon:") * 1024;
}

uint64_t BytesOfFiles(const std::string& dir) {
  uint64_t total = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) {
      total += entry.file_size();
    }
  }
  return total;
}

ScratchDir::ScratchDir(const std::string& parent, const std::string& name)
    : path_(parent + "/" + name) {
  fs::remove_all(path_);
  fs::create_directories(path_);
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace socle::bench
