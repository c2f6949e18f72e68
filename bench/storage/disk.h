// What the benchmark asks the machine: bytes this program had written to disk, sizes of files, memory.
// Threads  thread-safe.
// Errors   none: without /proc there is no measurement, and the program ends.
#ifndef SOCLE_BENCH_STORAGE_DISK_H_
#define SOCLE_BENCH_STORAGE_DISK_H_

#include <cstdint>
#include <string>

namespace socle::bench {

// What the disk below `dir` was given to write since the machine started, by whomever: measure on a quiet machine.
// A process's own counters won't do: write calls leave out what is written through a mapping, and write_bytes counts
// the whole large folio that a small write lies in. Where no disk is found (an overlay) it is write_bytes all the same.
uint64_t BytesWritten(const std::string& dir);

// RssAnon of /proc/self/status.
uint64_t ResidentAnonymousBytes();

// Lengths of all files in the directory and below.
uint64_t BytesOfFiles(const std::string& dir);

// An empty directory, removed with all its contents.
class ScratchDir {
 public:
  // `name` within `parent`.
  ScratchDir(const std::string& parent, const std::string& name);
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_STORAGE_DISK_H_
