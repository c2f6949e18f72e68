// Durable acknowledgements, one at a time and from 100 writers. By turns with a bare write and
// fdatasync of as many bytes into a file of zeros, which is the disk's own price.
#include <algorithm>
#include <atomic>
#include <vector>

#include "bench/storage/disk.h"
#include "bench/storage/workload.h"
#include "kv/base/check.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"
#include "kv/wal/record.h"

namespace socle::bench {
namespace {

constexpr PeerKind kPeers[] = {PeerKind::kSocleLogged, PeerKind::kRocksDb, PeerKind::kLmdb};
constexpr size_t kLmdbIndex = 2;
constexpr uint64_t kWriters = 100;
constexpr uint64_t kTurn = 100;  // acknowledgements before the next peer has its turn

// The same bytes as a record of the log, one behind the other.
class BareFile {
 public:
  explicit BareFile(const std::string& dir) {
    auto file = Env::Posix()->Open(dir + "/bare", OpenMode::kReadWriteCreate);
    CHECK_OK(file.status());
    file_ = *std::move(file);
    CHECK_OK(file_->WriteAt(0, std::string(kFileBytes, '\0')));
    CHECK_OK(file_->SyncData());
  }

  void WriteAndSync() {
    if (at_ + record_.size() > kFileBytes) {
      at_ = 0;
    }
    CHECK_OK(file_->WriteAt(at_, record_));
    CHECK_OK(file_->SyncData());
    at_ += record_.size();
  }

 private:
  static constexpr uint64_t kFileBytes = uint64_t{16} << 20U;

  std::unique_ptr<File> file_;
  const std::string record_ = std::string(kv::RecordBytes(sizeof(uint64_t) + kValueBytes), 'x');
  uint64_t at_ = 0;
};

struct Store {
  PeerKind kind;
  std::unique_ptr<ScratchDir> scratch;
  std::unique_ptr<Peer> peer;
  std::atomic<uint64_t> next_key{0};
};

// Until log files have been used and recycled, as in a server that runs for a while.
void WarmUp(Store* store, uint64_t keys, uint64_t per_commit) {
  const Values values;
  for (int pass = 0; pass < 3; ++pass) {
    for (uint64_t n = 0; n < keys / 3; n += per_commit) {
      store->peer->BeginBatch();
      for (uint64_t i = 0; i < per_commit; ++i) {
        const uint64_t key = store->next_key++;
        store->peer->Put(ScatteredKey(key).view(), values.Of(key));
      }
      store->peer->CommitBatch();
    }
    store->peer->Settle();
  }
}

void PutNext(Store* store, const Values& values) {
  const uint64_t key = store->next_key.fetch_add(1);
  store->peer->PutDurable(ScatteredKey(key).view(), values.Of(key));
}

template <typename Call>
double MicrosOf(const Call& call) {
  const int64_t start = Clock::Real()->MonotonicNanos();
  call();
  return static_cast<double>(Clock::Real()->MonotonicNanos() - start) / kNanosPerMicro;
}

// Acknowledgements per second when `writers` threads ask for `count` of them.
double RateOf(Store* store, uint64_t writers, uint64_t count) {
  const Values values;
  std::atomic<uint64_t> left{count};
  const Stopwatch watch;
  std::vector<Thread> threads;
  for (uint64_t i = 0; i < writers; ++i) {
    threads.emplace_back("writer", [&] {
      for (uint64_t now = left.load(); now > 0;) {
        if (left.compare_exchange_weak(now, now - 1)) {
          PutNext(store, values);
          now = left.load();
        }
      }
    });
  }
  for (Thread& thread : threads) {
    thread.Join();
  }
  return static_cast<double>(count) / watch.Seconds();
}

struct OneWriter {
  Rounds peers[std::size(kPeers)];  // median microseconds of a round
  Rounds bare;
};

void MeasureOneWriter(std::vector<Store>* stores, BareFile* bare, uint64_t turns, OneWriter* out) {
  const Values values;
  Rounds micros[std::size(kPeers)];
  Rounds bare_micros;
  for (uint64_t turn = 0; turn < turns; ++turn) {
    for (uint64_t n = 0; n < kTurn; ++n) {
      bare_micros.push_back(MicrosOf([&] { bare->WriteAndSync(); }));
    }
    for (size_t i = 0; i < stores->size(); ++i) {
      for (uint64_t n = 0; n < kTurn; ++n) {
        micros[i].push_back(MicrosOf([&] { PutNext(&(*stores)[i], values); }));
      }
    }
  }
  out->bare.push_back(MedianOf(bare_micros));
  for (size_t i = 0; i < stores->size(); ++i) {
    out->peers[i].push_back(MedianOf(micros[i]));
  }
}

}  // namespace

void RunAcknowledgements(const WorkloadOptions& options, StorageReport* report) {
  const ScratchDir bare_dir(options.dir, "bare");
  BareFile bare(bare_dir.path());
  std::vector<Store> stores(std::size(kPeers));
  for (size_t i = 0; i < stores.size(); ++i) {
    Store& store = stores[i];
    store.kind = kPeers[i];
    store.scratch =
        std::make_unique<ScratchDir>(options.dir, "acknowledgements-" + std::to_string(i));
    store.peer = OpenPeer(store.kind, {.dir = store.scratch->path(), .lazy_pages = true});
    if (i != kLmdbIndex) {  // it has no log
      WarmUp(&store, options.keys, options.per_commit);
    }
  }
  OneWriter one;
  Rounds alone[kLmdbIndex];
  Rounds many[kLmdbIndex];
  const uint64_t turns = std::max<uint64_t>(1, options.keys / 200'000);
  for (int round = 0; round < options.rounds; ++round) {
    MeasureOneWriter(&stores, &bare, turns, &one);
    for (size_t i = 0; i < kLmdbIndex; ++i) {
      alone[i].push_back(RateOf(&stores[i], 1, turns * kTurn * 2));
      many[i].push_back(RateOf(&stores[i], kWriters, turns * kTurn * 50));
    }
  }
  const std::string work = "one put, one durable acknowledgement";
  report->Require(work, "× RocksDB (speed)", {Bound::Side::kAtLeast, 1.3},
                  RatiosOf(one.peers[1], one.peers[0]));
  report->Require(work, "× bare fdatasync (time)", {Bound::Side::kAtMost, 1.3},
                  RatiosOf(one.peers[0], one.bare));
  report->Require("100 writers, one acknowledgement each", "× one writer",
                  {Bound::Side::kAtLeast, 20}, RatiosOf(many[0], alone[0]));
  report->Add(work, "bare write and fdatasync", "µs", one.bare);
  for (size_t i = 0; i < stores.size(); ++i) {
    report->Add(work, std::string(NameOf(kPeers[i])), "µs", one.peers[i]);
  }
  for (size_t i = 0; i < kLmdbIndex; ++i) {
    const std::string name(NameOf(kPeers[i]));
    report->Add("acknowledgements", name + ", 1 writer", "per second", alone[i]);
    report->Add("acknowledgements", name + ", 100 writers", "per second", many[i]);
  }
}

}  // namespace socle::bench
