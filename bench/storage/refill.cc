// What compaction does to a store of revisions: the oldest half goes, new ones come behind.
#include "bench/storage/disk.h"
#include "bench/storage/workload.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocle, PeerKind::kLmdb, PeerKind::kRocksDb};

void DeleteRevisions(Peer* peer, uint64_t begin, uint64_t end, uint64_t per_commit) {
  for (uint64_t n = begin; n < end;) {
    peer->BeginBatch();
    for (const uint64_t stop = std::min(n + per_commit, end); n < stop; ++n) {
      peer->Delete(RevisionKey(n).view());
    }
    peer->CommitBatch();
  }
}

}  // namespace

void RunRefill(const WorkloadOptions& options, StorageReport* report) {
  const std::string work = "delete oldest half, then refill";
  const uint64_t half = options.keys / 2;
  Rounds deletes[std::size(kPeers)];
  Rounds refills[std::size(kPeers)];
  Rounds both[std::size(kPeers)];
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < std::size(kPeers); ++i) {
      const ScratchDir scratch(options.dir, "refill");
      const auto peer = OpenPeer(kPeers[i], {.dir = scratch.path(), .keys_ascend = true});
      AppendRevisions(peer.get(), 0, options.keys, options.per_commit);
      peer->Settle();
      const Stopwatch watch;
      DeleteRevisions(peer.get(), 0, half, options.per_commit);
      const double deleted = watch.Seconds();
      AppendRevisions(peer.get(), options.keys, options.keys + half, options.per_commit);
      const double refilled = watch.Seconds();
      deletes[i].push_back(static_cast<double>(half) / deleted);
      refills[i].push_back(static_cast<double>(half) / (refilled - deleted));
      both[i].push_back(static_cast<double>(2 * half) / refilled);
      ExpectEntries(peer.get(), kPeers[i], options.keys);
    }
  }
  report->Require(work, "× LMDB", {Bound::Side::kAtLeast, 1}, RatiosOf(both[0], both[1]));
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    const std::string name(NameOf(kPeers[i]));
    report->Add(work, name, "deletes/s", deletes[i]);
    report->Add(work, name, "refills/s", refills[i]);
  }
}

}  // namespace socle::bench
