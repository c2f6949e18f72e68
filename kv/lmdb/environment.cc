#include "kv/lmdb/environment.h"

#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv::lmdb {
namespace {

constexpr int kKeyBytesOfLmdb = 511;
constexpr uint32_t kOwnDatabases = 2;
constexpr MDB_dbi kFreeDatabase = 0;
constexpr MDB_dbi kMainDatabase = 1;
constexpr mdb_mode_t kFileMode = 0600;

absl::StatusCode CodeOf(int rc) {
  switch (rc) {
    case MDB_MAP_FULL:
    case MDB_DBS_FULL:
    case MDB_READERS_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
      return absl::StatusCode::kDataLoss;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      return absl::StatusCode::kInvalidArgument;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string SlotName(size_t slot) {
  return fmt::format("bucket-{}", slot);
}

// Pages of one database.
int AddPages(MDB_txn* txn, MDB_dbi database, uint64_t* pages) {
  MDB_stat stat{};
  const int rc = mdb_stat(txn, database, &stat);
  *pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  return rc;
}

}  // namespace

Environment::Environment(std::string path, const LmdbOptions& options,
                         std::unique_ptr<FileLock> lock)
    : path_(std::move(path)), options_(options), lock_(std::move(lock)) {}

absl::StatusOr<std::unique_ptr<Environment>> Environment::Open(const std::string& path,
                                                               const LmdbOptions& options,
                                                               std::unique_ptr<FileLock> lock) {
  std::unique_ptr<Environment> environment(new Environment(path, options, std::move(lock)));
  RETURN_IF_ERROR(environment->OpenEnv());
  RETURN_IF_ERROR(environment->OpenDatabases());
  RETURN_IF_ERROR(environment->RefreshSize());
  return environment;
}

absl::Status Environment::Error(int rc, std::string_view what) const {
  if (rc == MDB_SUCCESS) {
    return absl::OkStatus();
  }
  std::string cure;
  if (rc == MDB_MAP_FULL) {
    PROBE("lmdb: map full");
    cure = fmt::format(" (map_size_bytes is {})", options_.map_size_bytes);
  } else if (rc == MDB_DBS_FULL) {
    PROBE("lmdb: too many buckets");
    cure = fmt::format(" (buckets_max is {})", options_.buckets_max);
  } else if (rc == MDB_READERS_FULL) {
    PROBE("lmdb: too many readers");
    cure = fmt::format(" (readers_max is {})", options_.readers_max);
  }
  return {CodeOf(rc), fmt::format("{}: {}: {}{}", path_, what, mdb_strerror(rc), cure)};
}

absl::Status Environment::OpenEnv() {
  MDB_env* env = nullptr;
  RETURN_IF_ERROR(Error(mdb_env_create(&env), "create environment"));
  env_.reset(env);
  RETURN_IF_ERROR(Error(mdb_env_set_mapsize(env, options_.map_size_bytes), "set map size"));
  RETURN_IF_ERROR(
      Error(mdb_env_set_maxdbs(env, options_.buckets_max + kOwnDatabases), "set databases"));
  RETURN_IF_ERROR(Error(mdb_env_set_maxreaders(env, options_.readers_max), "set readers"));
  // Read transactions belong to whoever has them, not to a thread.
  RETURN_IF_ERROR(
      Error(mdb_env_open(env, path_.c_str(), MDB_NOSUBDIR | MDB_NOTLS, kFileMode), "open"));
  if (mdb_env_get_maxkeysize(env) < kKeyBytesOfLmdb) {
    return absl::FailedPreconditionError(
        fmt::format("{}: this LMDB takes keys of {} bytes, {} are needed", path_,
                    mdb_env_get_maxkeysize(env), kKeyBytesOfLmdb));
  }
  return Env::Posix()->SyncDir(DirectoryOf(path_));
}

absl::Status Environment::OpenDatabases() {
  MDB_txn* txn = nullptr;
  RETURN_IF_ERROR(Error(mdb_txn_begin(env_.get(), nullptr, 0, &txn), "begin"));
  std::vector<MDB_dbi> slots;
  int rc = mdb_dbi_open(txn, "socle-buckets", MDB_CREATE, &catalog_);
  if (rc == MDB_SUCCESS) {
    rc = mdb_dbi_open(txn, "socle-tails", MDB_CREATE, &tails_);
  }
  while (rc == MDB_SUCCESS) {
    MDB_dbi slot = 0;
    rc = mdb_dbi_open(txn, SlotName(slots.size() + 1).c_str(), 0, &slot);
    if (rc == MDB_SUCCESS) {
      slots.push_back(slot);
    }
  }
  // Stopped at the first slot that is not there, or at the last that there can be.
  const bool is_full = rc == MDB_DBS_FULL && slots.size() == options_.buckets_max;
  if (rc != MDB_NOTFOUND && !is_full) {
    mdb_txn_abort(txn);
    return Error(rc, "open databases");
  }
  RETURN_IF_ERROR(Error(mdb_txn_commit(txn), "open databases"));
  MutexLock lock(&mu_);
  slots_ = std::move(slots);
  return absl::OkStatus();
}

absl::Status Environment::ReadCatalog(MDB_txn* txn, Catalog* catalog) const {
  std::vector<MDB_dbi> slots;
  {
    MutexLock lock(&mu_);
    slots = slots_;
  }
  KeyTreeCursor cursor(txn, catalog_tree());
  int rc = cursor.SeekToFirst();
  for (; rc == MDB_SUCCESS; rc = cursor.Next()) {
    const uint64_t slot =
        cursor.value().size() == sizeof(uint64_t) ? GetBigEndian64(cursor.value().data()) : 0;
    if (slot == 0 || slot > slots.size()) {
      return absl::DataLossError(fmt::format("{}: bucket '{}' is in slot {}, there are {}", path_,
                                             cursor.key(), slot, slots.size()));
    }
    catalog->emplace(
        cursor.key(),
        KeyTree{.database = slots[slot - 1], .tails = tails_, .slot = static_cast<uint32_t>(slot)});
  }
  return rc == MDB_NOTFOUND ? absl::OkStatus() : Error(rc, "read the catalog of buckets");
}

int Environment::Warm(MDB_txn* txn, const Catalog& catalog) const {
  MDB_stat stat{};
  int rc = mdb_stat(txn, tails_, &stat);
  for (auto bucket = catalog.begin(); rc == MDB_SUCCESS && bucket != catalog.end(); ++bucket) {
    rc = mdb_stat(txn, bucket->second.database, &stat);
  }
  return rc;
}

absl::StatusOr<MDB_txn*> Environment::BeginRead(Catalog* catalog) {
  const auto attempt = [&](MDB_txn** txn) -> absl::Status {
    catalog->clear();
    RETURN_IF_ERROR(Error(mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, txn), "begin read"));
    absl::Status status = ReadCatalog(*txn, catalog);
    if (status.ok()) {
      status = Error(Warm(*txn, *catalog), "read the buckets");
    }
    if (!status.ok()) {
      mdb_txn_abort(*txn);
    }
    return status;
  };
  MDB_txn* txn = nullptr;
  absl::Status status = attempt(&txn);
  if (absl::IsInternal(status)) {
    // A commit that made a database may be between its meta page and its handles.
    MutexLock lock(&publish_mu_);
    status = attempt(&txn);
  }
  RETURN_IF_ERROR(status);
  open_reads_.fetch_add(1, std::memory_order_relaxed);
  return txn;
}

void Environment::EndRead(MDB_txn* txn) {
  mdb_txn_abort(txn);
  open_reads_.fetch_sub(1, std::memory_order_relaxed);
}

absl::StatusOr<MDB_txn*> Environment::BeginWrite(Catalog* catalog) {
  {
    MutexLock lock(&mu_);
    CHECK(!is_writing_);
    if (!failure_.ok()) {
      return absl::FailedPreconditionError(
          fmt::format("writing has stopped after: {}", MessageOf(failure_)));
    }
    is_writing_ = true;
  }
  MDB_txn* txn = nullptr;
  absl::Status status = Error(mdb_txn_begin(env_.get(), nullptr, 0, &txn), "begin write");
  if (status.ok()) {
    status = ReadCatalog(txn, catalog);
    if (!status.ok()) {
      mdb_txn_abort(txn);
    }
  }
  if (!status.ok()) {
    EndWrite();
    return status;
  }
  return txn;
}

void Environment::EndWrite() {
  MutexLock lock(&mu_);
  is_writing_ = false;
}

uint32_t Environment::slots() const {
  MutexLock lock(&mu_);
  return static_cast<uint32_t>(slots_.size());
}

absl::StatusOr<KeyTree> Environment::EmptySlot(MDB_txn* txn, const Catalog& catalog) {
  MutexLock lock(&mu_);
  std::vector<bool> is_used(slots_.size() + 1);
  for (const auto& [name, tree] : catalog) {
    is_used[tree.slot] = true;
  }
  uint32_t slot = 1;
  while (slot <= slots_.size() && is_used[slot]) {
    ++slot;
  }
  if (slot > slots_.size()) {
    MDB_dbi made = 0;
    RETURN_IF_ERROR(Error(mdb_dbi_open(txn, SlotName(slot).c_str(), MDB_CREATE, &made),
                          fmt::format("make bucket {}", slot)));
    slots_.push_back(made);
  }
  return KeyTree{.database = slots_[slot - 1], .tails = tails_, .slot = slot};
}

void Environment::ForgetSlots(uint32_t slots_before) {
  // LMDB closes the databases that an aborted transaction made.
  MutexLock lock(&mu_);
  slots_.resize(slots_before);
}

void Environment::Abort(MDB_txn* txn, uint32_t slots_before) {
  mdb_txn_abort(txn);
  ForgetSlots(slots_before);
}

absl::Status Environment::Commit(MDB_txn* txn, uint32_t slots_before) {
  int rc = MDB_SUCCESS;
  if (slots() == slots_before) {
    rc = mdb_txn_commit(txn);
  } else {
    MutexLock lock(&publish_mu_);
    rc = mdb_txn_commit(txn);
  }
  if (rc != MDB_SUCCESS) {
    ForgetSlots(slots_before);
    const absl::Status status = Error(rc, "commit");
    // A full map is found before anything is written; whatever else fails may have been a sync.
    if (rc != MDB_MAP_FULL) {
      MutexLock lock(&mu_);
      failure_ = status;
    }
    return status;
  }
  // The commit stands; a size that can't be read now stays that of the commit before.
  RefreshSize().IgnoreError();
  return absl::OkStatus();
}

absl::Status Environment::RefreshSize() {
  Catalog catalog;
  ASSIGN_OR_RETURN(MDB_txn* const txn, BeginRead(&catalog));
  uint64_t pages = 2;  // meta pages
  int rc = MDB_SUCCESS;
  for (const MDB_dbi database : {kFreeDatabase, kMainDatabase, catalog_, tails_}) {
    rc = rc == MDB_SUCCESS ? AddPages(txn, database, &pages) : rc;
  }
  for (const auto& [name, tree] : catalog) {
    rc = rc == MDB_SUCCESS ? AddPages(txn, tree.database, &pages) : rc;
  }
  MDB_stat stat{};
  MDB_envinfo newest{};
  mdb_env_stat(env_.get(), &stat);
  mdb_env_info(env_.get(), &newest);
  EndRead(txn);
  RETURN_IF_ERROR(Error(rc, "count pages"));
  MutexLock lock(&mu_);
  size_ = {.total_bytes = (newest.me_last_pgno + 1) * stat.ms_psize,
           .in_use_bytes = pages * stat.ms_psize};
  return absl::OkStatus();
}

EngineSize Environment::Size() const {
  MutexLock lock(&mu_);
  return size_;
}

}  // namespace socle::kv::lmdb
