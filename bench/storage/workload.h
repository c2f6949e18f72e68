// Workloads of the storage benchmark: each measures some bars and adds them to the report.
//
// Laws     1. Rounds are interleaved: every peer has its turn in each of them.
//          2. What was written is there afterwards: loads are counted by a scan.
// Threads  one at a time; RunMemory forks and must come before anything that starts a thread.
#ifndef SOCLE_BENCH_STORAGE_WORKLOAD_H_
#define SOCLE_BENCH_STORAGE_WORKLOAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/storage/entries.h"
#include "bench/storage/peer.h"
#include "bench/storage/report.h"
#include "bench/storage/stopwatch.h"

namespace socle::bench {

struct WorkloadOptions {
  std::string dir;  // on the disk that is to be measured
  uint64_t keys = 1'000'000;
  uint64_t per_commit = 10'000;
  int rounds = 3;
};

void RunMemory(const WorkloadOptions& options, StorageReport* report);
void RunAppend(const WorkloadOptions& options, StorageReport* report);
void RunRandomKeys(const WorkloadOptions& options, StorageReport* report);
void RunReads(const WorkloadOptions& options, StorageReport* report);
void RunRefill(const WorkloadOptions& options, StorageReport* report);
void RunAcknowledgements(const WorkloadOptions& options, StorageReport* report);
void RunFreelist(const WorkloadOptions& options, StorageReport* report);
void RunReadsBesideWriter(const WorkloadOptions& options, StorageReport* report);

// For workloads.

// Puts revision keys [begin, end), durable after each `per_commit`.
void AppendRevisions(Peer* peer, uint64_t begin, uint64_t end, uint64_t per_commit);
// Ends the program unless the peer holds this many entries.
void ExpectEntries(Peer* peer, PeerKind kind, uint64_t expected);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_STORAGE_WORKLOAD_H_
