// Random keys, durable per batch: what the log in front is for. Ours counts as done when the pages are
// committed too; RocksDB when it has acknowledged, its compactions count in bytes only.
#include "bench/storage/disk.h"
#include "bench/storage/workload.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocleLogged, PeerKind::kLmdb, PeerKind::kRocksDb};

void PutScattered(Peer* peer, uint64_t keys, uint64_t per_commit) {
  const Values values;
  for (uint64_t n = 0; n < keys;) {
    peer->BeginBatch();
    for (const uint64_t stop = std::min(n + per_commit, keys); n < stop; ++n) {
      peer->Put(ScatteredKey(n).view(), values.Of(n));
    }
    peer->CommitBatch();
  }
}

}  // namespace

void RunRandomKeys(const WorkloadOptions& options, StorageReport* report) {
  const std::string work = "random 8-byte keys, durable per batch";
  const auto keys = static_cast<double>(options.keys);
  const double payload = keys * (sizeof(uint64_t) + kValueBytes);
  Rounds acknowledged[std::size(kPeers)];
  Rounds settled[std::size(kPeers)];
  Rounds written[std::size(kPeers)];
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < std::size(kPeers); ++i) {
      const ScratchDir scratch(options.dir, "random");
      const uint64_t before = BytesWritten(options.dir);
      const auto peer = OpenPeer(kPeers[i], {.dir = scratch.path(), .lazy_pages = true});
      const Stopwatch watch;
      PutScattered(peer.get(), options.keys, options.per_commit);
      acknowledged[i].push_back(keys / watch.Seconds());
      peer->Settle();
      settled[i].push_back(keys / watch.Seconds());
      written[i].push_back(static_cast<double>(BytesWritten(options.dir) - before) / payload);
      ExpectEntries(peer.get(), kPeers[i], options.keys);
    }
  }
  report->Require(work, "× LMDB", {Bound::Side::kAtLeast, 2}, RatiosOf(settled[0], settled[1]));
  report->Require("bytes written by it", "× LMDB", {Bound::Side::kAtMost, 0.25},
                  RatiosOf(written[0], written[1]));
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    const std::string name(NameOf(kPeers[i]));
    report->Add(work, name, "entries/s acknowledged", acknowledged[i]);
    report->Add(work, name, "entries/s in place", settled[i]);
    report->Add("bytes written by it", name, "× payload", written[i]);
  }
}

}  // namespace socle::bench
