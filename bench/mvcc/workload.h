// Workloads: each opens stores of its own in a scratch folder, one per way, and returns its rows.
//
// Laws     1. Every way gets the same load, in this order: now, then the old ones.
// Threads  confined to the thread that calls; loads have threads of their own.
// Source   the bars of mvcc: spec etcd 4.2 to 4.5, 4.8.
#ifndef SOCLE_BENCH_MVCC_WORKLOAD_H_
#define SOCLE_BENCH_MVCC_WORKLOAD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/mvcc/rows.h"
#include "mvcc/store.h"

namespace socle::bench {

struct MvccBenchOptions {
  std::string dir;          // for the stores; on the disk that is measured
  uint64_t keys = 200'000;  // of 32 bytes, with values of 256
  double seconds = 10;      // of each measurement
};

struct Way {
  std::string name;
  mvcc::OldWays old_ways;
};

// A new store in an empty folder.
std::unique_ptr<mvcc::Store> OpenFresh(const MvccBenchOptions& options, mvcc::StoreOptions store);

double Millis(const Histogram& latency, double percent);

// Small reads at 2,000/s, alone and beside ranges of 10,000 keys and puts.
std::vector<Row> ReadsBesideRanges(const MvccBenchOptions& options);
// Puts at 3,000/s, alone and beside ranges of 10,000 keys.
std::vector<Row> PutsBesideRanges(const MvccBenchOptions& options);
// Puts at 3,000/s, alone and while as many revisions as `keys` are compacted away.
std::vector<Row> PutsBesideCompaction(const MvccBenchOptions& options);
// Batch interval and batch limit against the tail of puts and the bytes written.
std::string BatchSweep(const MvccBenchOptions& options);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_MVCC_WORKLOAD_H_
