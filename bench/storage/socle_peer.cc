// The bolt engine alone: default options, one bucket, each batch a commit.
#include <optional>

#include "bench/storage/peer.h"
#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/env/env.h"

namespace socle::bench {
namespace {

constexpr std::string_view kBucket = "key";

class SocleReader final : public PeerReader {
 public:
  explicit SocleReader(kv::Engine* engine) : engine_(engine) { Refresh(); }

  void Refresh() override {
    auto txn = engine_->BeginRead();
    CHECK_OK(txn.status());
    txn_ = *std::move(txn);
  }

  bool Get(std::string_view key, std::string_view* value) override {
    const auto found = txn_->Get(kBucket, key);
    CHECK_OK(found.status());
    if (!found->has_value()) {
      return false;
    }
    *value = **found;
    return true;
  }

  ScanTotals Scan() override {
    ScanTotals totals;
    const auto cursor = txn_->NewCursor(kBucket);
    CHECK_OK(cursor.status());
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      const std::string_view value = (*cursor)->value();
      ++totals.entries;
      totals.bytes += (*cursor)->key().size() + value.size();
      totals.checksum += static_cast<uint8_t>(value.front());
    }
    CHECK_OK((*cursor)->status());
    return totals;
  }

 private:
  kv::Engine* const engine_;
  std::unique_ptr<kv::ReadTxn> txn_;
};

class SoclePeer final : public Peer {
 public:
  explicit SoclePeer(const PeerOptions& options) {
    auto engine = kv::OpenBolt(Env::Posix(), options.dir + "/db", {});
    CHECK_OK(engine.status());
    engine_ = *std::move(engine);
    BeginBatch();
    CHECK_OK(txn_->CreateBucket(kBucket));
    CommitBatch();
  }

  void BeginBatch() override {
    auto txn = engine_->BeginWrite();
    CHECK_OK(txn.status());
    txn_ = *std::move(txn);
  }

  void Put(std::string_view key, std::string_view value) override {
    CHECK_OK(txn_->Put(kBucket, key, value));
  }

  void Delete(std::string_view key) override { CHECK_OK(txn_->Delete(kBucket, key)); }

  void CommitBatch() override {
    CHECK_OK(txn_->Commit());
    txn_.reset();
  }

  void PutDurable(std::string_view key, std::string_view value) override {
    MutexLock lock(&mu_);
    BeginBatch();
    Put(key, value);
    CommitBatch();
  }

  void Settle() override {}

  std::unique_ptr<PeerReader> NewReader() override {
    return std::make_unique<SocleReader>(engine_.get());
  }

 private:
  std::unique_ptr<kv::Engine> engine_;
  std::unique_ptr<kv::WriteTxn> txn_;
  Mutex mu_;
};

}  // namespace

std::unique_ptr<Peer> OpenSoclePeer(const PeerOptions& options) {
  return std::make_unique<SoclePeer>(options);
}

}  // namespace socle::bench
