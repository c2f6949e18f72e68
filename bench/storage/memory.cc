// Anonymous memory of the engine alone: each peer loads its keys in a process of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "bench/storage/disk.h"
#include "bench/storage/workload.h"
#include "kv/base/check.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocle, PeerKind::kLmdb, PeerKind::kRocksDb};

// The highest of all readings taken between the batches of a load, above what was there before.
uint64_t PeakOfLoad(PeerKind kind, const WorkloadOptions& options) {
  const ScratchDir scratch(options.dir, "memory");
  const uint64_t before = ResidentAnonymousBytes();
  const auto peer = OpenPeer(kind, {.dir = scratch.path(), .keys_ascend = true});
  uint64_t peak = 0;
  for (uint64_t n = 0; n < options.keys; n += options.per_commit) {
    AppendRevisions(peer.get(), n, std::min(n + options.per_commit, options.keys),
                    options.per_commit);
    peak = std::max(peak, ResidentAnonymousBytes());
  }
  // Reads may keep something too.
  ExpectEntries(peer.get(), kind, options.keys);
  peak = std::max(peak, ResidentAnonymousBytes());
  return peak - std::min(before, peak);
}

uint64_t PeakInAnotherProcess(PeerKind kind, const WorkloadOptions& options) {
  int pipe_ends[2];
  CHECK_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    const uint64_t peak = PeakOfLoad(kind, options);
    ::_exit(::write(pipe_ends[1], &peak, sizeof(peak)) == sizeof(peak) ? 0 : 1);
  }
  ::close(pipe_ends[1]);
  uint64_t peak = 0;
  const ssize_t got = ::read(pipe_ends[0], &peak, sizeof(peak));
  ::close(pipe_ends[0]);
  int status = 0;
  CHECK_EQ(::waitpid(child, &status, 0), child);
  CHECK_EQ(got, static_cast<ssize_t>(sizeof(peak)));
  return peak;
}

}  // namespace

void RunMemory(const WorkloadOptions& options, StorageReport* report) {
  const std::string work = "resident anonymous memory, load and scan";
  for (const PeerKind kind : kPeers) {
    const Rounds mebibytes = {static_cast<double>(PeakInAnotherProcess(kind, options)) /
                              (1024 * 1024)};
    if (kind == PeerKind::kSocle) {
      report->Require(work, "MiB", {Bound::Side::kAtMost, 32}, mebibytes);
    }
    report->Add(work, std::string(NameOf(kind)), "MiB", mebibytes);
  }
}

}  // namespace socle::bench
