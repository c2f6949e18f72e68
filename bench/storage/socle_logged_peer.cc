// Log, pending buffer and page store together, as the write loop of mvcc/ uses them: an entry is
// acknowledged when the log has it, and pages are committed in the background: with the defaults of
// socle-kv, or lazily. PutDurable commits in groups: while one is
// being written, the next one gathers.
#include <array>
#include <atomic>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "bench/storage/peer.h"
#include "kv/backend/backend.h"
#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/env/env.h"
#include "kv/wal/wal.h"

namespace socle::bench {
namespace {

constexpr std::string_view kBucket = "key";
constexpr kv::BucketId kBucketId{0};

class LoggedReader final : public PeerReader {
 public:
  explicit LoggedReader(const kv::Backend* backend) : backend_(backend) { Refresh(); }

  void Refresh() override { snapshot_ = backend_->snapshot(); }

  bool Get(std::string_view key, std::string_view* value) override {
    const auto found = snapshot_->Get(kBucketId, key, std::numeric_limits<uint64_t>::max());
    CHECK_OK(found.status());
    if (!found->has_value()) {
      return false;
    }
    *value = **found;
    return true;
  }

  ScanTotals Scan() override {
    ScanTotals totals;
    CHECK_OK(snapshot_->Scan(kBucketId, std::numeric_limits<uint64_t>::max(),
                             [&](std::string_view key, std::string_view value) {
                               ++totals.entries;
                               totals.bytes += key.size() + value.size();
                               totals.checksum += static_cast<uint8_t>(value.front());
                               return absl::OkStatus();
                             }));
    return totals;
  }

 private:
  const kv::Backend* const backend_;
  std::shared_ptr<const kv::BackendSnapshot> snapshot_;
};

class LoggedPeer final : public Peer {
 public:
  explicit LoggedPeer(const PeerOptions& options) {
    auto engine = kv::OpenBolt(Env::Posix(), options.dir + "/db", {});
    CHECK_OK(engine.status());
    kv::BackendOptions pages;
    pages.buckets = {std::string(kBucket)};
    if (options.lazy_pages) {
      pages.batch_interval_nanos = std::numeric_limits<int64_t>::max();
      pages.batch_limit = std::numeric_limits<int64_t>::max();
    }
    auto backend = kv::Backend::Open(*std::move(engine), std::move(pages));
    CHECK_OK(backend.status());
    backend_ = *std::move(backend);
    auto wal = kv::Wal::Open(Env::Posix(), options.dir + "/wal", {}, kv::LogIndex{0},
                             [](kv::LogIndex, std::string_view) { return absl::OkStatus(); });
    CHECK_OK(wal.status());
    wal_ = *std::move(wal);
    committer_ = Thread("group-commit", [this] { RunGroupCommit(); });
  }

  ~LoggedPeer() override {
    stops_ = true;
    arrived_.fetch_add(1);
    arrived_.notify_one();
    committer_.Join();
    Settle();
  }

  void BeginBatch() override { sizes_.clear(); }

  // One log entry per change: key length, key, value.
  void Put(std::string_view key, std::string_view value) override {
    EncodeTo(key, value, kPut, &log_bytes_, &sizes_);
  }

  void Delete(std::string_view key) override { EncodeTo(key, {}, kDelete, &log_bytes_, &sizes_); }

  void CommitBatch() override {
    std::vector<std::string_view> entries;
    entries.reserve(sizes_.size());
    size_t at = 0;
    for (const size_t size : sizes_) {
      entries.emplace_back(log_bytes_.data() + at, size);
      at += size;
    }
    CHECK_OK(wal_->Append(entries).status());
    for (const std::string_view entry : entries) {
      const auto key_size = static_cast<uint8_t>(entry[1]);
      const std::string_view key = entry.substr(2, key_size);
      if (entry[0] == kDelete) {
        backend_->Delete(kBucketId, key);
      } else {
        backend_->Put(kBucketId, key, entry.substr(2 + key_size));
      }
    }
    log_bytes_.clear();
    sizes_.clear();
    SealIfDue();
  }

  void PutDurable(std::string_view key, std::string_view value) override {
    int group = 0;
    {
      MutexLock lock(&mu_);
      group = open_group_;
      EncodeTo(key, value, kPut, &open_bytes_, &open_sizes_);
    }
    arrived_.fetch_add(1);
    arrived_.notify_one();
    std::atomic<int>& durable = DurableWord(group);
    for (int now = durable.load(); now < group; now = durable.load()) {
      durable.wait(now);
    }
  }

  void Settle() override {
    CHECK_OK(backend_->WaitForCommit());
    if (backend_->NanosUntilSeal() >= 0) {
      backend_->Seal();
      CHECK_OK(backend_->WaitForCommit());
    }
    ForgetCommitted();
  }

  std::unique_ptr<PeerReader> NewReader() override {
    return std::make_unique<LoggedReader>(backend_.get());
  }

 private:
  static constexpr char kPut = 0;
  static constexpr char kDelete = 1;

  static void EncodeTo(std::string_view key, std::string_view value, char kind, std::string* bytes,
                       std::vector<size_t>* sizes) {
    CHECK_LT(key.size(), 256U);
    bytes->push_back(kind);
    bytes->push_back(static_cast<char>(key.size()));
    bytes->append(key);
    bytes->append(value);
    sizes->push_back(2 + key.size() + value.size());
  }

  // As WriteLoop::MakeRoom and SealIfDue.
  void SealIfDue() {
    if (backend_->NeedsRoom()) {
      CHECK_OK(backend_->WaitForCommit());
    }
    if (backend_->IsSealDue()) {
      ForgetCommitted();
      backend_->Seal();
    }
  }

  // Log entries and changes count alike.
  void ForgetCommitted() {
    CHECK_OK(wal_->TruncateBefore(kv::LogIndex{backend_->committed_seq()}));
  }

  // Writers of a group sleep on a word of their own, so that no other group is woken.
  std::atomic<int>& DurableWord(int group) { return durable_[static_cast<size_t>(group) % 4]; }

  void RunGroupCommit() {
    while (true) {
      const int seen = arrived_.load();
      int group = 0;
      {
        MutexLock lock(&mu_);
        if (!open_sizes_.empty()) {
          log_bytes_.swap(open_bytes_);
          sizes_.swap(open_sizes_);
          group = open_group_++;
        }
      }
      if (group == 0) {
        if (stops_) {
          return;
        }
        arrived_.wait(seen);
        continue;
      }
      CommitBatch();
      DurableWord(group) = group;
      DurableWord(group).notify_all();
    }
  }

  std::unique_ptr<kv::Backend> backend_;
  std::unique_ptr<kv::Wal> wal_;
  // Entries of the batch, one behind the other. The batch thread's, or the group committer's.
  std::string log_bytes_;
  std::vector<size_t> sizes_;

  // The next group.
  Mutex mu_;
  std::string open_bytes_ ABSL_GUARDED_BY(mu_);
  std::vector<size_t> open_sizes_ ABSL_GUARDED_BY(mu_);
  int open_group_ ABSL_GUARDED_BY(mu_) = 1;
  std::array<std::atomic<int>, 4> durable_{};  // newest durable group of each word
  std::atomic<int> arrived_{0};                // counts up when there is work, or the end
  std::atomic<bool> stops_{false};
  Thread committer_;
};

}  // namespace

std::unique_ptr<Peer> OpenSocleLoggedPeer(const PeerOptions& options) {
  return std::make_unique<LoggedPeer>(options);
}

}  // namespace socle::bench
