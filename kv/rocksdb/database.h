// Database: what the transactions of one open RocksDB share: column families, the newest commit, the
// writer slot.
//
//   default column family    "txid"            number of the newest commit, BE64
//                            "bucket/" name    number n of its column family "bucket-<n>", BE64
//
//   step of a commit that makes and drops a bucket           after a crash here
//   -------------------------------------------------------  ------------------------------------
//   1 column family made (manifest, synced)                  no catalog entry: dropped at open
//   2 batch with entries, catalog and txid written, synced   the commit stands; the dropped bucket's
//                                                            family has no entry: dropped at open
//   3 snapshot taken, commit published                       as 2
//   4 dropped bucket's column family dropped                 nothing to do
//
// Laws     1. What is published is durable, and never changes: a commit is the snapshot that was
//             taken when it was published.
//          2. A column family lives as long as a commit that names it is read.
//          3. After Fail no writer slot is given out again.
// Threads  thread-safe; MakeColumn, Write and Publish are the holder's of the writer slot.
#ifndef SOCLE_KV_ROCKSDB_DATABASE_H_
#define SOCLE_KV_ROCKSDB_DATABASE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <rocksdb/db.h>

#include "kv/base/mutex.h"
#include "kv/engine.h"
#include "kv/env/env.h"
#include "kv/rocksdb/rocksdb_engine.h"

namespace socle::kv::rocks {

inline rocksdb::Slice SliceOf(std::string_view view) {
  return {view.data(), view.size()};
}

inline std::string_view ViewOf(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

inline constexpr std::string_view kTxidKey = "txid";
inline constexpr std::string_view kBucketPrefix = "bucket/";

// A column family and its handle.
class Column {
 public:
  Column(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* handle, uint64_t number)
      : db_(db), handle_(handle), number_(number) {}

  ~Column();
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;

  rocksdb::ColumnFamilyHandle* handle() const { return handle_; }

  uint64_t number() const { return number_; }

 private:
  rocksdb::DB* const db_;
  rocksdb::ColumnFamilyHandle* const handle_;
  const uint64_t number_;
};

using Catalog = std::map<std::string, std::shared_ptr<const Column>, std::less<>>;

// One commit, as its readers see it.
struct PublishedCommit {
  PublishedCommit(rocksdb::DB* of, uint64_t number, Catalog buckets)
      : db(of), txid(number), catalog(std::move(buckets)), snapshot(of->GetSnapshot()) {}

  ~PublishedCommit() { db->ReleaseSnapshot(snapshot); }

  PublishedCommit(const PublishedCommit&) = delete;
  PublishedCommit& operator=(const PublishedCommit&) = delete;

  rocksdb::DB* const db;
  const uint64_t txid;
  const Catalog catalog;
  const rocksdb::Snapshot* const snapshot;
};

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const RocksdbOptions& options);
  // Requires that no transaction is open.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& path() const { return path_; }

  rocksdb::DB* db() const { return db_.get(); }

  // ResourceExhausted (disk full), DataLoss, InvalidArgument, Internal …; names the directory.
  absl::Status Error(const rocksdb::Status& status, std::string_view what) const;

  std::shared_ptr<const PublishedCommit> newest() const;

  // Takes the writer slot (CHECKs that it is free) and returns the commit to start from.
  absl::StatusOr<std::shared_ptr<const PublishedCommit>> BeginWrite();
  void EndWrite();
  absl::StatusOr<std::shared_ptr<const Column>> MakeColumn();
  // Writes the batch durably and makes it the newest commit.
  absl::Status Commit(rocksdb::WriteBatch* batch, uint64_t txid, const Catalog& catalog);
  // For buckets that no commit names any more.
  void DropColumn(const Column& column);

  EngineSize Size() const;

  std::atomic<uint64_t>* open_reads() { return &open_reads_; }

 private:
  Database(std::string path, std::unique_ptr<FileLock> lock);

  absl::Status OpenDb(const RocksdbOptions& options);
  // Publishes what the catalog says; drops column families that it does not name.
  absl::Status Recover(std::map<uint64_t, std::shared_ptr<const Column>> columns);

  const std::string path_;
  const std::unique_ptr<FileLock> lock_;
  rocksdb::ColumnFamilyOptions column_options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<const Column> catalog_column_;
  uint64_t next_number_ = 1;  // the writer's
  std::atomic<uint64_t> open_reads_{0};

  mutable Mutex mu_;
  std::shared_ptr<const PublishedCommit> newest_ ABSL_GUARDED_BY(mu_);
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::kv::rocks

#endif  // SOCLE_KV_ROCKSDB_DATABASE_H_
