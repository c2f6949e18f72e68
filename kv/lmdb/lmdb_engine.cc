#include "kv/lmdb/lmdb_engine.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/image_builder.h"
#include "kv/empty_cursor.h"
#include "kv/entry_limits.h"
#include "kv/kept_bytes.h"
#include "kv/lmdb/environment.h"

namespace socle::kv {
namespace lmdb {
namespace {

class LmdbCursor final : public Cursor {
 public:
  LmdbCursor(const Environment* environment, MDB_txn* txn, const KeyTree& tree, KeptBytes* kept)
      : environment_(environment), kept_(kept), cursor_(txn, tree) {}

  void Seek(std::string_view key) override { Note(cursor_.Seek(key)); }

  void SeekToFirst() override { Note(cursor_.SeekToFirst()); }

  void SeekToLast() override { Note(cursor_.SeekToLast()); }

  void Next() override { Note(cursor_.Next()); }

  void Prev() override { Note(cursor_.Prev()); }

  bool Valid() const override { return cursor_.valid(); }

  std::string_view key() const override { return cursor_.key(); }

  std::string_view value() const override { return cursor_.value(); }

  EntryView Keep() const override {
    return {cursor_.is_key_copied() ? kept_->Keep(cursor_.key()) : cursor_.key(), cursor_.value()};
  }

  absl::Status status() const override { return status_; }

  const KeyTreeCount& count() const { return cursor_.count(); }

 private:
  void Note(int rc) {
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
      status_ = environment_->Error(rc, "move a cursor");
    }
  }

  const Environment* const environment_;
  KeptBytes* const kept_;
  KeyTreeCursor cursor_;
  absl::Status status_;
};

class LmdbReadTxn final : public ReadTxn {
 public:
  LmdbReadTxn(Environment* environment, MDB_txn* txn, Catalog catalog)
      : environment_(environment), txn_(txn), catalog_(std::move(catalog)) {}

  ~LmdbReadTxn() override { environment_->EndRead(txn_); }

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                      std::string_view key) const override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end() || key.empty()) {
      return std::nullopt;
    }
    std::string_view value;
    const int rc = at->second.Get(txn_, key, &value);
    if (rc == MDB_NOTFOUND) {
      return std::nullopt;
    }
    RETURN_IF_ERROR(environment_->Error(rc, "get"));
    return value;
  }

  absl::StatusOr<std::unique_ptr<Cursor>> NewCursor(std::string_view bucket) const override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return std::make_unique<EmptyCursor>();
    }
    return std::make_unique<LmdbCursor>(environment_, txn_, at->second, &kept_);
  }

  absl::StatusOr<std::vector<std::string>> Buckets() const override {
    std::vector<std::string> names;
    names.reserve(catalog_.size());
    for (const auto& [name, tree] : catalog_) {
      names.push_back(name);
    }
    return names;
  }

  uint64_t txid() const override { return mdb_txn_id(txn_); }

  uint64_t SnapshotSize() const override { return image_.Size(); }

  absl::Status WriteSnapshot(
      const std::function<absl::Status(std::string_view)>& sink) const override {
    return image_.Write(sink);
  }

  // Compares what a walk finds with what LMDB counts.
  absl::Status Check() const;

 private:
  absl::Status CheckTree(std::string_view name, const KeyTree& tree, uint64_t* tail_records) const;

  Environment* const environment_;
  MDB_txn* const txn_;
  const Catalog catalog_;

  mutable KeptBytes kept_;  // long keys that a cursor was asked to keep
  const bolt::ImageOf image_{this};
};

absl::Status LmdbReadTxn::CheckTree(std::string_view name, const KeyTree& tree,
                                    uint64_t* tail_records) const {
  const auto broken = [&](const std::string& what) {
    return absl::DataLossError(fmt::format("{}: bucket '{}' {}", environment_->path(), name, what));
  };
  LmdbCursor cursor(environment_, txn_, tree, &kept_);
  std::string previous;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    if (cursor.key().empty() || cursor.key().size() > kEntryKeyBytesMax) {
      return broken(fmt::format("has a key of {} bytes", cursor.key().size()));
    }
    if (cursor.key() <= previous) {
      return broken(fmt::format("has key {} not above the one before", cursor.count().keys));
    }
    previous = cursor.key();
  }
  RETURN_IF_ERROR(cursor.status());
  MDB_stat stat{};
  RETURN_IF_ERROR(environment_->Error(mdb_stat(txn_, tree.database, &stat), "count entries"));
  if (stat.ms_entries != cursor.count().bucket_records) {
    return broken(fmt::format("has {} entries, {} are reached", stat.ms_entries,
                              cursor.count().bucket_records));
  }
  *tail_records += cursor.count().tail_records;
  return absl::OkStatus();
}

absl::Status LmdbReadTxn::Check() const {
  uint64_t tail_records = 0;
  RETURN_IF_ERROR(CheckTree("(catalog)", environment_->catalog_tree(), &tail_records));
  for (const auto& [name, tree] : catalog_) {
    RETURN_IF_ERROR(CheckTree(name, tree, &tail_records));
  }
  MDB_stat stat{};
  RETURN_IF_ERROR(environment_->Error(mdb_stat(txn_, environment_->catalog_tree().tails, &stat),
                                      "count entries"));
  if (stat.ms_entries != tail_records) {
    return absl::DataLossError(fmt::format("{}: {} pieces of long keys are stored, {} are reached",
                                           environment_->path(), stat.ms_entries, tail_records));
  }
  return absl::OkStatus();
}

class LmdbWriteTxn final : public WriteTxn {
 public:
  LmdbWriteTxn(Environment* environment, MDB_txn* txn, Catalog catalog)
      : environment_(environment),
        txn_(txn),
        catalog_(std::move(catalog)),
        slots_before_(environment->slots()) {}

  ~LmdbWriteTxn() override { Rollback(); }

  absl::Status CreateBucket(std::string_view bucket) override {
    if (catalog_.contains(bucket)) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(CheckBucketName(bucket));
    ASSIGN_OR_RETURN(const KeyTree tree, environment_->EmptySlot(txn_, catalog_));
    RETURN_IF_ERROR(Note(environment_->catalog_tree().Put(txn_, bucket, BigEndian64(tree.slot),
                                                          /*is_append=*/false)));
    catalog_.emplace(bucket, tree);
    return absl::OkStatus();
  }

  absl::Status DeleteBucket(std::string_view bucket) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return NoBucket(bucket);
    }
    RETURN_IF_ERROR(Note(at->second.Clear(txn_)));
    RETURN_IF_ERROR(Note(environment_->catalog_tree().Delete(txn_, bucket)));
    catalog_.erase(at);
    return absl::OkStatus();
  }

  absl::Status Put(std::string_view bucket, std::string_view key, std::string_view value) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return NoBucket(bucket);
    }
    RETURN_IF_ERROR(CheckEntry(key, value));
    // The first key out of order ends the attempts to append to this bucket.
    const bool is_append = not_ascending_ != at->second.slot;
    int rc = at->second.Put(txn_, key, value, is_append);
    if (rc == MDB_KEYEXIST && is_append) {
      not_ascending_ = at->second.slot;
      rc = at->second.Put(txn_, key, value, /*is_append=*/false);
    }
    return Note(rc);
  }

  absl::Status Delete(std::string_view bucket, std::string_view key) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end()) {
      return NoBucket(bucket);
    }
    const int rc = key.empty() ? MDB_NOTFOUND : at->second.Delete(txn_, key);
    return rc == MDB_NOTFOUND ? absl::OkStatus() : Note(rc);
  }

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                      std::string_view key) override {
    const auto at = catalog_.find(bucket);
    if (at == catalog_.end() || key.empty()) {
      return std::nullopt;
    }
    std::string_view value;
    const int rc = at->second.Get(txn_, key, &value);
    if (rc == MDB_NOTFOUND) {
      return std::nullopt;
    }
    RETURN_IF_ERROR(Note(rc));
    return value;
  }

  absl::Status Commit() override {
    if (!error_.ok()) {
      const absl::Status first = error_;
      Rollback();
      return first;
    }
    MDB_txn* const txn = std::exchange(txn_, nullptr);
    const absl::Status status = environment_->Commit(txn, slots_before_);
    environment_->EndWrite();
    return status;
  }

  void Rollback() override {
    if (txn_ != nullptr) {
      environment_->Abort(std::exchange(txn_, nullptr), slots_before_);
      environment_->EndWrite();
    }
  }

 private:
  // A transaction that met an error can't commit.
  absl::Status Note(int rc) {
    if (rc != MDB_SUCCESS && error_.ok()) {
      error_ = environment_->Error(rc, "change a bucket");
    }
    return error_;
  }

  Environment* const environment_;
  MDB_txn* txn_;  // null when it is over
  Catalog catalog_;
  const uint32_t slots_before_;
  uint32_t not_ascending_ = 0;  // slot of the bucket that is not written in order
  absl::Status error_;
};

class LmdbEngine final : public Engine {
 public:
  explicit LmdbEngine(std::unique_ptr<Environment> environment)
      : environment_(std::move(environment)) {}

  absl::StatusOr<std::unique_ptr<ReadTxn>> BeginRead() override { return Read(); }

  absl::StatusOr<std::unique_ptr<WriteTxn>> BeginWrite() override {
    Catalog catalog;
    ASSIGN_OR_RETURN(MDB_txn* const txn, environment_->BeginWrite(&catalog));
    return std::make_unique<LmdbWriteTxn>(environment_.get(), txn, std::move(catalog));
  }

  EngineSize Size() const override { return environment_->Size(); }

  uint64_t open_reads() const override { return environment_->open_reads(); }

  absl::Status Check() override {
    ASSIGN_OR_RETURN(const std::unique_ptr<LmdbReadTxn> txn, Read());
    return txn->Check();
  }

 private:
  absl::StatusOr<std::unique_ptr<LmdbReadTxn>> Read() {
    Catalog catalog;
    ASSIGN_OR_RETURN(MDB_txn* const txn, environment_->BeginRead(&catalog));
    return std::make_unique<LmdbReadTxn>(environment_.get(), txn, std::move(catalog));
  }

  const std::unique_ptr<Environment> environment_;
};

}  // namespace
}  // namespace lmdb

absl::StatusOr<std::unique_ptr<Engine>> OpenLmdb(const std::string& path,
                                                 const LmdbOptions& options) {
  // LMDB would let another process in; the Engine contract has one writer.
  ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, Env::Posix()->Lock(path));
  ASSIGN_OR_RETURN(std::unique_ptr<lmdb::Environment> environment,
                   lmdb::Environment::Open(path, options, std::move(lock)));
  return std::make_unique<lmdb::LmdbEngine>(std::move(environment));
}

}  // namespace socle::kv
