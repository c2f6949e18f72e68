// RocksDB as its wiki advises (Setup Options and Basic Tuning, WAL Performance): dynamic level sizes,
// two background jobs, 1 MiB of bytes_per_sync, pipelined writes, recycled log files, bloom filters, a
// block cache that holds everything. XXH3 checksums, since Debian builds it without SSE4.2 and CRC32C
// would be computed by table. No compression: nobody else here compresses.
#include <absl/status/status.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "bench/storage/peer.h"
#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

void CheckRocks(const rocksdb::Status& status) {
  if (!status.ok()) {
    CHECK_OK(absl::InternalError(status.ToString()));
  }
}

rocksdb::Slice SliceOf(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

class RocksDbReader final : public PeerReader {
 public:
  explicit RocksDbReader(rocksdb::DB* db) : db_(db) {}

  void Refresh() override {}  // each Get sees the newest

  bool Get(std::string_view key, std::string_view* value) override {
    pinned_.Reset();
    const rocksdb::Status status =
        db_->Get(read_options_, db_->DefaultColumnFamily(), SliceOf(key), &pinned_);
    if (status.IsNotFound()) {
      return false;
    }
    CheckRocks(status);
    *value = {pinned_.data(), pinned_.size()};
    return true;
  }

  ScanTotals Scan() override {
    ScanTotals totals;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read_options_));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const rocksdb::Slice value = it->value();
      ++totals.entries;
      totals.bytes += it->key().size() + value.size();
      totals.checksum += static_cast<uint8_t>(value[0]);
    }
    CheckRocks(it->status());
    return totals;
  }

 private:
  rocksdb::DB* const db_;
  const rocksdb::ReadOptions read_options_;
  rocksdb::PinnableSlice pinned_;
};

rocksdb::Options OptionsFor() {
  rocksdb::BlockBasedTableOptions table;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  table.block_size = size_t{16} << 10U;
  table.block_cache = rocksdb::NewLRUCache(size_t{1} << 30U);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;

  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 2;
  options.bytes_per_sync = uint64_t{1} << 20U;
  options.compaction_pri = rocksdb::kMinOverlappingRatio;
  options.enable_pipelined_write = true;
  options.recycle_log_file_num = 4;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksDbPeer final : public Peer {
 public:
  explicit RocksDbPeer(const PeerOptions& options) {
    rocksdb::DB* db = nullptr;
    CheckRocks(rocksdb::DB::Open(OptionsFor(), options.dir, &db));
    db_.reset(db);
    sync_.sync = true;
  }

  void BeginBatch() override { batch_.Clear(); }

  void Put(std::string_view key, std::string_view value) override {
    CheckRocks(batch_.Put(SliceOf(key), SliceOf(value)));
  }

  void Delete(std::string_view key) override { CheckRocks(batch_.Delete(SliceOf(key))); }

  void CommitBatch() override { CheckRocks(db_->Write(sync_, &batch_)); }

  void PutDurable(std::string_view key, std::string_view value) override {
    CheckRocks(db_->Put(sync_, SliceOf(key), SliceOf(value)));
  }

  void Settle() override {
    CheckRocks(db_->Flush({}));
    while (Property("rocksdb.compaction-pending") + Property("rocksdb.num-running-compactions") >
           0) {
      Clock::Real()->SleepFor(kNanosPerMilli);
    }
  }

  std::unique_ptr<PeerReader> NewReader() override {
    return std::make_unique<RocksDbReader>(db_.get());
  }

 private:
  uint64_t Property(const char* name) const {
    uint64_t value = 0;
    CHECK(db_->GetIntProperty(name, &value));
    return value;
  }

  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions sync_;
  rocksdb::WriteBatch batch_;
};

}  // namespace

std::unique_ptr<Peer> OpenRocksDbPeer(const PeerOptions& options) {
  return std::make_unique<RocksDbPeer>(options);
}

}  // namespace socle::bench
