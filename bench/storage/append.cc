// Sequential append, and what the file takes after it.
#include <algorithm>
#include <iterator>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "bench/storage/disk.h"
#include "bench/storage/workload.h"
#include "kv/base/check.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocle, PeerKind::kLmdb, PeerKind::kRocksDb};

}  // namespace

void AppendRevisions(Peer* peer, uint64_t begin, uint64_t end, uint64_t per_commit) {
  static const Values values;
  for (uint64_t n = begin; n < end;) {
    peer->BeginBatch();
    for (const uint64_t stop = std::min(n + per_commit, end); n < stop; ++n) {
      peer->Put(RevisionKey(n).view(), values.Of(n));
    }
    peer->CommitBatch();
  }
}

void ExpectEntries(Peer* peer, PeerKind kind, uint64_t expected) {
  const uint64_t found = peer->NewReader()->Scan().entries;
  if (found != expected) {
    CHECK_OK(absl::DataLossError(
        fmt::format("{} holds {} entries, expected {}", NameOf(kind), found, expected)));
  }
}

void RunAppend(const WorkloadOptions& options, StorageReport* report) {
  const std::string work = "sequential append";
  const auto keys = static_cast<double>(options.keys);
  Rounds rates[std::size(kPeers)];
  Rounds sizes[std::size(kPeers)];
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < std::size(kPeers); ++i) {
      const ScratchDir scratch(options.dir, "append");
      const auto peer = OpenPeer(kPeers[i], {.dir = scratch.path(), .keys_ascend = true});
      const Stopwatch watch;
      AppendRevisions(peer.get(), 0, options.keys, options.per_commit);
      rates[i].push_back(keys / watch.Seconds());
      peer->Settle();
      sizes[i].push_back(static_cast<double>(BytesOfFiles(scratch.path())) /
                         (keys * (kRevisionKeyBytes + kValueBytes)));
      ExpectEntries(peer.get(), kPeers[i], options.keys);
    }
  }
  report->Require(work, "× LMDB with MDB_APPEND", {Bound::Side::kAtLeast, 1},
                  RatiosOf(rates[0], rates[1]));
  report->Require(work, "× RocksDB", {Bound::Side::kAtLeast, 3}, RatiosOf(rates[0], rates[2]));
  report->Require("file size after it", "× payload", {Bound::Side::kAtMost, 1.1}, sizes[0]);
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    report->Add(work, std::string(NameOf(kPeers[i])), "entries/s", rates[i]);
  }
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    report->Add("file size after it", std::string(NameOf(kPeers[i])), "× payload", sizes[i]);
  }
}

}  // namespace socle::bench
