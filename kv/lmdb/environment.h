// Environment: what the transactions of one open LMDB file share, and what its errors mean.
//
//   who               touches
//   ----------------  --------------------------------------------------------------------------
//   any thread        the MDB_env (LMDB's own locks), path, options; the rest under mu_
//   the write txn     slots_ grow and shrink while it holds the writer slot
//
// A bucket lives in a slot: a named database "bucket-<n>" that is opened once and never closed. A
// dropped bucket leaves its slot empty for the next one, because LMDB takes a closed database away
// from readers that still look into it.
//
// Laws     1. The catalog (named database "socle-buckets", name to slot number) says which buckets a
//             commit has.
//          2. After Fail no writer slot is given out again.
// Threads  as the table says.
// Errors   Error() below.
#ifndef SOCLE_KV_LMDB_ENVIRONMENT_H_
#define SOCLE_KV_LMDB_ENVIRONMENT_H_

#include <lmdb.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "kv/engine.h"
#include "kv/env/env.h"
#include "kv/lmdb/lmdb_engine.h"
#include "kv/lmdb/long_keys.h"

namespace socle::kv::lmdb {

// Buckets of one commit.
using Catalog = std::map<std::string, KeyTree, std::less<>>;

struct CloseEnv {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};

class Environment {
 public:
  // Requires that the caller holds the lock on the file.
  static absl::StatusOr<std::unique_ptr<Environment>> Open(const std::string& path,
                                                           const LmdbOptions& options,
                                                           std::unique_ptr<FileLock> lock);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  const std::string& path() const { return path_; }

  MDB_env* env() const { return env_.get(); }

  // The Status of LMDB's number: ResourceExhausted (map, disk, readers, databases full), DataLoss,
  // InvalidArgument (not an LMDB file), PermissionDenied, Internal. Names the file and `what`.
  absl::Status Error(int rc, std::string_view what) const;

  // A read transaction on the newest commit with its buckets, fit for use by several threads.
  absl::StatusOr<MDB_txn*> BeginRead(Catalog* catalog);
  void EndRead(MDB_txn* txn);

  uint64_t open_reads() const { return open_reads_.load(std::memory_order_relaxed); }

  // Takes the writer slot (CHECKs that it is free).
  absl::StatusOr<MDB_txn*> BeginWrite(Catalog* catalog);
  void EndWrite();
  // Ends the write transaction durably; `slots_before` is slots() at its begin.
  absl::Status Commit(MDB_txn* txn, uint32_t slots_before);
  void Abort(MDB_txn* txn, uint32_t slots_before);
  // For the holder of the writer slot.
  uint32_t slots() const;
  // A slot that the catalog does not use, made if need be.
  absl::StatusOr<KeyTree> EmptySlot(MDB_txn* txn, const Catalog& catalog);

  KeyTree catalog_tree() const { return {.database = catalog_, .tails = tails_, .slot = 0}; }

  EngineSize Size() const;

 private:
  Environment(std::string path, const LmdbOptions& options, std::unique_ptr<FileLock> lock);

  absl::Status OpenEnv();
  absl::Status OpenDatabases();
  absl::Status ReadCatalog(MDB_txn* txn, Catalog* catalog) const;
  // Makes LMDB fill in what it would otherwise look up at the first access, without a lock.
  int Warm(MDB_txn* txn, const Catalog& catalog) const;
  absl::Status RefreshSize();
  void ForgetSlots(uint32_t slots_before);

  const std::string path_;
  const LmdbOptions options_;
  const std::unique_ptr<FileLock> lock_;
  std::unique_ptr<MDB_env, CloseEnv> env_;
  MDB_dbi catalog_ = 0;
  MDB_dbi tails_ = 0;
  std::atomic<uint64_t> open_reads_{0};

  // Held over a commit that makes databases: LMDB shows the commit a moment before their handles.
  Mutex publish_mu_;
  mutable Mutex mu_;
  std::vector<MDB_dbi> slots_ ABSL_GUARDED_BY(mu_);  // slot n is slots_[n - 1]; 0 is the catalog
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  EngineSize size_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::kv::lmdb

#endif  // SOCLE_KV_LMDB_ENVIRONMENT_H_
