#include "kv/rocksdb/rocksdb_engine.h"

#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include "kv/base/status_macros.h"
#include "kv/bolt/image_builder.h"
#include "kv/empty_cursor.h"
#include "kv/entry_limits.h"
#include "kv/kept_bytes.h"
#include "kv/rocksdb/database.h"

namespace socle::kv {
namespace rocks {
namespace {

rocksdb::ReadOptions ReadOptionsOf(const PublishedCommit& commit) {
  rocksdb::ReadOptions options;
  options.snapshot = commit.snapshot;
  return options;
}

class RocksdbCursor final : public Cursor {
 public:
  RocksdbCursor(const Database* database, std::unique_ptr<rocksdb::Iterator> iterator,
                KeptBytes* kept)
      : database_(database), iterator_(std::move(iterator)), kept_(kept) {}

  void Seek(std::string_view key) override { iterator_->Seek(SliceOf(key)); }

  void SeekToFirst() override { iterator_->SeekToFirst(); }

  void SeekToLast() override { iterator_->SeekToLast(); }

  void Next() override { iterator_->Next(); }

  void Prev() override { iterator_->Prev(); }

  bool Valid() const override { return iterator_->Valid(); }

  std::string_view key() const override { return ViewOf(iterator_->key()); }

  std::string_view value() const override { return ViewOf(iterator_->value()); }

  EntryView Keep() const override { return {kept_->Keep(key()), kept_->Keep(value())}; }

  absl::Status status() const override {
    return database_->Error(iterator_->status(), "move a cursor");
  }

 private:
  const Database* const database_;
  const std::unique_ptr<rocksdb::Iterator> iterator_;
  KeptBytes* const kept_;
};

class RocksdbReadTxn final : public ReadTxn {
 public:
  RocksdbReadTxn(Database* database, std::shared_ptr<const PublishedCommit> commit)
      : database_(database), commit_(std::move(commit)) {
    database_->open_reads()->fetch_add(1, std::memory_order_relaxed);
  }

  ~RocksdbReadTxn() override { database_->open_reads()->fetch_sub(1, std::memory_order_relaxed); }

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                      std::string_view key) const override {
    const auto at = commit_->catalog.find(bucket);
    if (at == commit_->catalog.end()) {
      return std::nullopt;
    }
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        database_->db()->Get(ReadOptionsOf(*commit_), at->second->handle(), SliceOf(key), &value);
    if (status.IsNotFound()) {
      return std::nullopt;
    }
    RETURN_IF_ERROR(database_->Error(status, "get"));
    return kept_.Keep(ViewOf(value));
  }

  absl::StatusOr<std::unique_ptr<Cursor>> NewCursor(std::string_view bucket) const override {
    const auto at = commit_->catalog.find(bucket);
    if (at == commit_->catalog.end()) {
      return std::make_unique<EmptyCursor>();
    }
    return std::make_unique<RocksdbCursor>(
        database_,
        std::unique_ptr<rocksdb::Iterator>(
            database_->db()->NewIterator(ReadOptionsOf(*commit_), at->second->handle())),
        &kept_);
  }

  absl::StatusOr<std::vector<std::string>> Buckets() const override {
    std::vector<std::string> names;
    names.reserve(commit_->catalog.size());
    for (const auto& [name, column] : commit_->catalog) {
      names.push_back(name);
    }
    return names;
  }

  std::unique_ptr<ReadTxn> Share() const override {
    return std::make_unique<RocksdbReadTxn>(database_, commit_);
  }

  uint64_t txid() const override { return commit_->txid; }

  uint64_t SnapshotSize() const override { return image_.Size(); }

  absl::Status WriteSnapshot(
      const std::function<absl::Status(std::string_view)>& sink) const override {
    return image_.Write(sink);
  }

 private:
  Database* const database_;
  const std::shared_ptr<const PublishedCommit> commit_;
  mutable KeptBytes kept_;
  const bolt::ImageOf image_{this};
};

class RocksdbWriteTxn final : public WriteTxn {
 public:
  RocksdbWriteTxn(Database* database, std::shared_ptr<const PublishedCommit> base)
      : database_(database),
        base_(std::move(base)),
        catalog_(base_->catalog),
        batch_(rocksdb::BytewiseComparator(), 0, /*overwrite_key=*/true) {}

  ~RocksdbWriteTxn() override { Rollback(); }

  absl::Status CreateBucket(std::string_view bucket) override {
    if (catalog_.contains(bucket)) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(CheckBucketName(bucket));
    ASSIGN_OR_RETURN(std::shared_ptr<const Column> column, database_->MakeColumn());
    made_.push_back(column);
    catalog_.emplace(bucket, std::move(column));
    is_changed_ = true;
    return absl::OkStatus();
  }

  absl::Status DeleteBucket(std::string_view bucket) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return NoBucket(bucket);
    }
    dropped_.push_back(at->second);
    catalog_.erase(at);
    is_changed_ = true;
    return absl::OkStatus();
  }

  absl::Status Put(std::string_view bucket, std::string_view key, std::string_view value) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return NoBucket(bucket);
    }
    RETURN_IF_ERROR(CheckEntry(key, value));
    return Changed(batch_.Put(at->second->handle(), SliceOf(key), SliceOf(value)));
  }

  absl::Status Delete(std::string_view bucket, std::string_view key) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return NoBucket(bucket);
    }
    return Changed(batch_.Delete(at->second->handle(), SliceOf(key)));
  }

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                      std::string_view key) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return std::nullopt;
    }
    rocksdb::PinnableSlice& value = read_.emplace_back();
    const rocksdb::Status status = batch_.GetFromBatchAndDB(
        database_->db(), rocksdb::ReadOptions(), at->second->handle(), SliceOf(key), &value);
    if (status.IsNotFound()) {
      return std::nullopt;
    }
    RETURN_IF_ERROR(database_->Error(status, "get"));
    return ViewOf(value);
  }

  absl::Status Commit() override {
    if (!is_changed_) {
      Rollback();
      return absl::OkStatus();
    }
    const absl::Status status =
        error_.ok() ? database_->Commit(batch_.GetWriteBatch(), base_->txid + 1, catalog_) : error_;
    if (!status.ok()) {
      Rollback();
      return status;
    }
    End(dropped_);
    return absl::OkStatus();
  }

  void Rollback() override {
    if (!is_over_) {
      End(made_);
    }
  }

 private:
  // `unnamed` are the column families that no commit names after this transaction.
  void End(const std::vector<std::shared_ptr<const Column>>& unnamed) {
    is_over_ = true;
    for (const auto& column : unnamed) {
      database_->DropColumn(*column);
    }
    read_.clear();
    base_.reset();
    database_->EndWrite();
  }

  // A transaction that met an error can't commit.
  absl::Status Changed(const rocksdb::Status& status) {
    is_changed_ = true;
    read_.clear();
    if (!status.ok() && error_.ok()) {
      error_ = database_->Error(status, "change a bucket");
    }
    return error_;
  }

  Database* const database_;
  std::shared_ptr<const PublishedCommit> base_;
  Catalog catalog_;
  rocksdb::WriteBatchWithIndex batch_;
  std::vector<std::shared_ptr<const Column>> made_;
  std::vector<std::shared_ptr<const Column>> dropped_;
  std::deque<rocksdb::PinnableSlice> read_;  // what Get returned since the last change
  absl::Status error_;
  bool is_changed_ = false;
  bool is_over_ = false;
};

class RocksdbEngine final : public Engine {
 public:
  explicit RocksdbEngine(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  absl::StatusOr<std::unique_ptr<ReadTxn>> BeginRead() override {
    return std::make_unique<RocksdbReadTxn>(database_.get(), database_->newest());
  }

  absl::StatusOr<std::unique_ptr<WriteTxn>> BeginWrite() override {
    ASSIGN_OR_RETURN(std::shared_ptr<const PublishedCommit> base, database_->BeginWrite());
    return std::make_unique<RocksdbWriteTxn>(database_.get(), std::move(base));
  }

  EngineSize Size() const override { return database_->Size(); }

  uint64_t open_reads() const override {
    return database_->open_reads()->load(std::memory_order_relaxed);
  }

  // Checksums of every table, then a scan of every bucket: order and readability of what is not in
  // tables yet.
  absl::Status Check() override {
    RETURN_IF_ERROR(database_->Error(database_->db()->VerifyChecksum(), "verify checksums"));
    const RocksdbReadTxn txn(database_.get(), database_->newest());
    ASSIGN_OR_RETURN(const std::vector<std::string> buckets, txn.Buckets());
    for (const std::string& bucket : buckets) {
      ASSIGN_OR_RETURN(const std::unique_ptr<Cursor> cursor, txn.NewCursor(bucket));
      std::string previous;
      for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
        if (cursor->key() <= previous || cursor->key().size() > kEntryKeyBytesMax) {
          return absl::DataLossError(fmt::format(
              "{}: bucket '{}': a key of {} bytes is out of order or of impossible size",
              database_->path(), bucket, cursor->key().size()));
        }
        previous = cursor->key();
      }
      RETURN_IF_ERROR(cursor->status());
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<Database> database_;
};

}  // namespace
}  // namespace rocks

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksdb(const std::string& path,
                                                    const RocksdbOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<rocks::Database> database, rocks::Database::Open(path, options));
  return std::make_unique<rocks::RocksdbEngine>(std::move(database));
}

absl::Status DestroyRocksdb(const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, Env::Posix()->Exists(path));
  if (!exists) {
    return absl::OkStatus();
  }
  const rocksdb::Status status = rocksdb::DestroyDB(path, rocksdb::Options());
  return status.ok() ? absl::OkStatus()
                     : absl::InternalError(fmt::format("{}: remove: {}", path, status.ToString()));
}

}  // namespace socle::kv
