// Random point reads and a full scan of a store whose pages are all in memory, by processor time.
#include <string_view>

#include "bench/storage/disk.h"
#include "bench/storage/workload.h"
#include "kv/base/check.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocle, PeerKind::kLmdb, PeerKind::kRocksDb};

// Reads per second; the first byte of each value is looked at.
double MeasureGets(PeerReader* reader, uint64_t keys, uint64_t seed) {
  const uint64_t reads = keys / 20;  // short turns: whatever else runs then meets all peers alike
  Random random(seed);
  uint64_t checksum = 0;
  const CpuStopwatch watch;
  for (uint64_t i = 0; i < reads; ++i) {
    std::string_view value;
    CHECK(reader->Get(RevisionKey(random.Below(keys)).view(), &value));
    checksum += static_cast<uint8_t>(value.front());
  }
  const double seconds = watch.Seconds();
  CHECK_GT(checksum, 0U);
  return static_cast<double>(reads) / seconds;
}

double MeasureScan(PeerReader* reader, uint64_t keys) {
  const CpuStopwatch watch;
  const ScanTotals totals = reader->Scan();
  const double seconds = watch.Seconds();
  CHECK_EQ(totals.entries, keys);
  CHECK_GT(totals.checksum, 0U);
  return static_cast<double>(keys) / seconds;
}

}  // namespace

void RunReads(const WorkloadOptions& options, StorageReport* report) {
  std::vector<std::unique_ptr<ScratchDir>> scratch;
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<std::unique_ptr<PeerReader>> readers;
  for (const PeerKind kind : kPeers) {
    const std::string name = "reads-" + std::to_string(peers.size());
    scratch.push_back(std::make_unique<ScratchDir>(options.dir, name));
    peers.push_back(OpenPeer(kind, {.dir = scratch.back()->path(), .keys_ascend = true}));
    AppendRevisions(peers.back().get(), 0, options.keys, options.per_commit);
    peers.back()->Settle();
    readers.push_back(peers.back()->NewReader());
    MeasureScan(readers.back().get(), options.keys);
    MeasureGets(readers.back().get(), options.keys, 0);
  }
  Rounds gets[std::size(kPeers)];
  Rounds scans[std::size(kPeers)];
  for (int round = 1; round <= 20 * options.rounds; ++round) {
    for (size_t i = 0; i < std::size(kPeers); ++i) {
      gets[i].push_back(MeasureGets(readers[i].get(), options.keys, static_cast<uint64_t>(round)));
    }
    if (round % 5 != 0) {
      continue;
    }
    for (size_t i = 0; i < std::size(kPeers); ++i) {
      scans[i].push_back(MeasureScan(readers[i].get(), options.keys));
    }
  }
  report->Require("random point read, warm", "× LMDB", {Bound::Side::kAtLeast, 1.1},
                  RatiosOf(gets[0], gets[1]));
  report->Require("full scan", "× LMDB", {Bound::Side::kAtLeast, 2}, RatiosOf(scans[0], scans[1]));
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    report->Add("random point read, warm", std::string(NameOf(kPeers[i])), "reads/s", gets[i]);
  }
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    report->Add("full scan", std::string(NameOf(kPeers[i])), "entries/s", scans[i]);
  }
}

}  // namespace socle::bench
