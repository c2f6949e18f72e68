// Reads of eight threads while a writer commits every 100 ms, and the same without a writer: what a
// commit does to the tail of reads.
#include <atomic>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/storage/disk.h"
#include "bench/storage/workload.h"
#include "kv/base/check.h"
#include "kv/base/thread.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocleLogged, PeerKind::kSocle, PeerKind::kLmdb,
                               PeerKind::kRocksDb};
constexpr int kReaders = 8;
constexpr uint64_t kPutsPerCommit = 1000;
constexpr int64_t kCommitEvery = 100 * kNanosPerMilli;

// Each read sees the newest commit.
void ReadUntil(const std::atomic<bool>* stops, PeerReader* reader, uint64_t keys, uint64_t seed,
               Histogram* histogram) {
  Random random(seed);
  int64_t start = Clock::Real()->MonotonicNanos();
  while (!stops->load(std::memory_order_relaxed)) {
    std::string_view value;
    reader->Refresh();
    CHECK(reader->Get(RevisionKey(random.Below(keys)).view(), &value));
    CHECK_EQ(value.size(), kValueBytes);
    const int64_t end = Clock::Real()->MonotonicNanos();
    histogram->Record(end - start);
    start = end;
  }
}

// Values of keys that are there, spread over the file.
void CommitFor(int64_t nanos, Peer* peer, uint64_t keys, uint64_t seed) {
  const Values values;
  Random random(seed);
  const int64_t start = Clock::Real()->MonotonicNanos();
  for (int64_t due = start; due < start + nanos; due += kCommitEvery) {
    Clock::Real()->SleepFor(std::max<int64_t>(0, due - Clock::Real()->MonotonicNanos()));
    peer->BeginBatch();
    for (uint64_t i = 0; i < kPutsPerCommit; ++i) {
      peer->Put(RevisionKey(random.Below(keys)).view(), values.Of(random.Next()));
    }
    peer->CommitBatch();
  }
}

double P999Micros(Peer* peer, const WorkloadOptions& options, bool with_writer, uint64_t seed) {
  const int64_t nanos = options.keys < 100'000 ? kNanosPerSecond / 10 : 3 * kNanosPerSecond;
  std::atomic<bool> stops{false};
  std::vector<Histogram> histograms(kReaders);
  {
    std::vector<std::unique_ptr<PeerReader>> readers;
    std::vector<Thread> threads;
    for (uint64_t i = 0; i < kReaders; ++i) {
      readers.push_back(peer->NewReader());
      threads.emplace_back("reader", [&, i, reader = readers.back().get()] {
        ReadUntil(&stops, reader, options.keys, seed * kReaders + i, &histograms[i]);
      });
    }
    if (with_writer) {
      CommitFor(nanos, peer, options.keys, seed);
    } else {
      Clock::Real()->SleepFor(nanos);
    }
    stops = true;
    for (Thread& thread : threads) {
      thread.Join();
    }
  }
  Histogram all;
  for (const Histogram& one : histograms) {
    all.Merge(one);
  }
  return static_cast<double>(all.Percentile(99.9)) / kNanosPerMicro;
}

}  // namespace

void RunReadsBesideWriter(const WorkloadOptions& options, StorageReport* report) {
  const std::string work = "reads, 8 threads, commit every 100 ms: p99.9";
  std::vector<std::unique_ptr<ScratchDir>> scratch;
  std::vector<std::unique_ptr<Peer>> peers;
  for (const PeerKind kind : kPeers) {
    const std::string name = "tail-" + std::to_string(peers.size());
    scratch.push_back(std::make_unique<ScratchDir>(options.dir, name));
    peers.push_back(OpenPeer(kind, {.dir = scratch.back()->path()}));
    AppendRevisions(peers.back().get(), 0, options.keys, options.per_commit);
    peers.back()->Settle();
  }
  Rounds quiet[std::size(kPeers)];
  Rounds busy[std::size(kPeers)];
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < std::size(kPeers); ++i) {
      const auto seed = static_cast<uint64_t>(round);
      quiet[i].push_back(P999Micros(peers[i].get(), options, false, seed));
      busy[i].push_back(P999Micros(peers[i].get(), options, true, seed));
    }
  }
  for (size_t i = 0; i < 2; ++i) {
    report->Require(work, std::string("× without, ") + (i == 0 ? "log in front" : "engine alone"),
                    {Bound::Side::kAtMost, 1.2}, RatiosOf(busy[i], quiet[i]));
  }
  for (size_t i = 0; i < std::size(kPeers); ++i) {
    const std::string name(NameOf(kPeers[i]));
    report->Add(work, name + ", no writer", "µs", quiet[i]);
    report->Add(work, name + ", with writer", "µs", busy[i]);
  }
}

}  // namespace socle::bench
