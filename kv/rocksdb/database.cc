#include "kv/rocksdb/database.h"

#include <algorithm>
#include <exception>
#include <optional>

#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv::rocks {
namespace {

constexpr std::string_view kColumnPrefix = "bucket-";

absl::StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsNoSpace() || status.IsMemoryLimit()) {
    return absl::StatusCode::kResourceExhausted;
  }
  if (status.IsCorruption()) {
    return absl::StatusCode::kDataLoss;
  }
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return absl::StatusCode::kInvalidArgument;
  }
  return status.IsNotFound() ? absl::StatusCode::kNotFound : absl::StatusCode::kInternal;
}

// "Setup Options and Basic Tuning" of RocksDB's guide, bounded in memory.
rocksdb::ColumnFamilyOptions ColumnOptions(const RocksdbOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_size = size_t{16} << 10U;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  table.format_version = 5;
  // Debian's build computes CRC32C without the processor's instruction.
  table.checksum = rocksdb::kXXH3;
  rocksdb::ColumnFamilyOptions column;
  column.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  column.level_compaction_dynamic_level_bytes = true;
  column.compaction_pri = rocksdb::kMinOverlappingRatio;
  column.compression = rocksdb::kLZ4Compression;
  column.bottommost_compression = rocksdb::kZSTD;
  return column;
}

rocksdb::DBOptions DbOptions(const RocksdbOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.max_open_files = 96;  // within kReservedDescriptors, with room for the log and snapshots
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.bytes_per_sync = uint64_t{1} << 20U;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.keep_log_file_num = 4;
  // An idle server writes nothing (DESIGN law 5).
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

std::optional<uint64_t> NumberOf(const std::string& column) {
  uint64_t number = 0;
  if (!column.starts_with(kColumnPrefix) ||
      !absl::SimpleAtoi(column.substr(kColumnPrefix.size()), &number)) {
    return std::nullopt;
  }
  return number;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Column::~Column() {
  const rocksdb::Status status = db_->DestroyColumnFamilyHandle(handle_);
  DCHECK(status.ok());
}

Database::Database(std::string path, std::unique_ptr<FileLock> lock)
    : path_(std::move(path)), lock_(std::move(lock)) {}

Database::~Database() {
  {
    MutexLock lock(&mu_);
    newest_.reset();
  }
  catalog_column_.reset();
}

absl::Status Database::Error(const rocksdb::Status& status, std::string_view what) const {
  if (status.ok()) {
    return absl::OkStatus();
  }
  return {CodeOf(status), fmt::format("{}: {}: {}", path_, what, status.ToString())};
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const RocksdbOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, Env::Posix()->Lock(path + ".lock"));
  RETURN_IF_ERROR(Env::Posix()->CreateDirs(path));
  std::unique_ptr<Database> database(new Database(path, std::move(lock)));
  try {
    RETURN_IF_ERROR(database->OpenDb(options));
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("{}: open: {}", path, e.what()));
  }
  RETURN_IF_ERROR(Env::Posix()->SyncDir(DirectoryOf(path)));
  return database;
}

absl::Status Database::OpenDb(const RocksdbOptions& options) {
  column_options_ = ColumnOptions(options);
  const rocksdb::DBOptions db_options = DbOptions(options);
  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
  ASSIGN_OR_RETURN(const bool exists, Env::Posix()->Exists(path_ + "/CURRENT"));
  if (exists) {
    RETURN_IF_ERROR(Error(rocksdb::DB::ListColumnFamilies(db_options, path_, &names), "open"));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.reserve(names.size());
  for (const std::string& name : names) {
    descriptors.emplace_back(name, column_options_);
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(Error(rocksdb::DB::Open(db_options, path_, descriptors, &handles, &db), "open"));
  db_.reset(db);
  std::map<uint64_t, std::shared_ptr<const Column>> columns;
  std::string foreign;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == rocksdb::kDefaultColumnFamilyName) {
      catalog_column_ = std::make_unique<Column>(db, handles[i], 0);
    } else {
      const std::optional<uint64_t> number = NumberOf(names[i]);
      auto column = std::make_shared<const Column>(db, handles[i], number.value_or(0));
      if (number) {
        columns.emplace(*number, std::move(column));
      } else {
        foreign = names[i];
      }
    }
  }
  if (!foreign.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: column family '{}' is not ours: this is another program's database", path_, foreign));
  }
  return Recover(std::move(columns));
}

absl::Status Database::Recover(std::map<uint64_t, std::shared_ptr<const Column>> columns) {
  if (!columns.empty()) {
    next_number_ = columns.rbegin()->first + 1;
  }
  Catalog catalog;
  uint64_t txid = 1;
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions(), catalog_column_->handle()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = ViewOf(it->key());
    const uint64_t number =
        it->value().size() == sizeof(uint64_t) ? GetBigEndian64(it->value().data()) : 0;
    if (key == kTxidKey) {
      txid = number;
      continue;
    }
    const auto column = columns.find(number);
    if (!key.starts_with(kBucketPrefix) || column == columns.end()) {
      return absl::DataLossError(fmt::format(
          "{}: the catalog has '{}' with {}, which is no column family", path_, key, number));
    }
    catalog.emplace(key.substr(kBucketPrefix.size()), column->second);
    columns.erase(column);
  }
  RETURN_IF_ERROR(Error(it->status(), "read the catalog of buckets"));
  for (const auto& [number, column] : columns) {
    PROBE("rocksdb: column family of an unfinished commit is dropped");
    DropColumn(*column);
  }
  MutexLock lock(&mu_);
  newest_ = std::make_shared<const PublishedCommit>(db_.get(), txid, std::move(catalog));
  return absl::OkStatus();
}

std::shared_ptr<const PublishedCommit> Database::newest() const {
  MutexLock lock(&mu_);
  return newest_;
}

absl::StatusOr<std::shared_ptr<const PublishedCommit>> Database::BeginWrite() {
  MutexLock lock(&mu_);
  CHECK(!is_writing_);
  if (!failure_.ok()) {
    return absl::FailedPreconditionError(
        fmt::format("writing has stopped after: {}", MessageOf(failure_)));
  }
  is_writing_ = true;
  return newest_;
}

void Database::EndWrite() {
  MutexLock lock(&mu_);
  is_writing_ = false;
}

absl::StatusOr<std::shared_ptr<const Column>> Database::MakeColumn() {
  const uint64_t number = next_number_++;
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  RETURN_IF_ERROR(Error(
      db_->CreateColumnFamily(column_options_, fmt::format("{}{}", kColumnPrefix, number), &handle),
      "make a bucket"));
  return std::make_shared<const Column>(db_.get(), handle, number);
}

void Database::DropColumn(const Column& column) {
  const rocksdb::Status status = db_->DropColumnFamily(column.handle());
  if (!status.ok()) {
    // Its space comes back at the next open.
    LogWarning("a dropped bucket's column family stays", {{"error", Error(status, "drop")}});
  }
}

absl::Status Database::Commit(rocksdb::WriteBatch* batch, uint64_t txid, const Catalog& catalog) {
  RETURN_IF_ERROR(
      Error(batch->Put(catalog_column_->handle(), SliceOf(kTxidKey), BigEndian64(txid)), "commit"));
  const std::shared_ptr<const PublishedCommit> before = newest();
  for (const auto& [name, column] : catalog) {
    const auto at = before->catalog.find(name);
    if (at == before->catalog.end() || at->second != column) {
      RETURN_IF_ERROR(
          Error(batch->Put(catalog_column_->handle(), SliceOf(std::string(kBucketPrefix) + name),
                           BigEndian64(column->number())),
                "commit"));
    }
  }
  for (const auto& [name, column] : before->catalog) {
    if (!catalog.contains(name)) {
      RETURN_IF_ERROR(Error(
          batch->Delete(catalog_column_->handle(), SliceOf(std::string(kBucketPrefix) + name)),
          "commit"));
    }
  }
  rocksdb::WriteOptions durable;
  durable.sync = true;
  absl::Status status = Error(db_->Write(durable, batch), "commit");
  if (!status.ok()) {
    MutexLock lock(&mu_);
    failure_ = status;
    return status;
  }
  auto commit = std::make_shared<const PublishedCommit>(db_.get(), txid, catalog);
  MutexLock lock(&mu_);
  newest_.swap(commit);
  return absl::OkStatus();
}

EngineSize Database::Size() const {
  const std::shared_ptr<const PublishedCommit> commit = newest();
  const auto number = [&](const Column& column, const std::string& property) {
    uint64_t value = 0;
    return db_->GetIntProperty(column.handle(), property, &value) ? value : 0;
  };
  EngineSize size;
  const auto add = [&](const Column& column) {
    const uint64_t buffered = number(column, rocksdb::DB::Properties::kCurSizeAllMemTables);
    const uint64_t tables = number(column, rocksdb::DB::Properties::kTotalSstFilesSize);
    const uint64_t live = number(column, rocksdb::DB::Properties::kEstimateLiveDataSize);
    size.total_bytes += tables + buffered;
    size.in_use_bytes += std::min(tables, live) + buffered;
  };
  add(*catalog_column_);
  for (const auto& [name, column] : commit->catalog) {
    add(*column);
  }
  return size;
}

}  // namespace socle::kv::rocks
