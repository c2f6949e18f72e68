// SnapshotFile: a snapshot of a store as etcd's tools write and read it.
//
//   a bbolt image of exactly its pages, then 32 bytes SHA-256 of them (not in a copied member/snap/db)
//
// Laws     1. What Save leaves under the name is whole and durable; it is written as PATH.part first, which does not
//             outlive a failure.
//          2. Restore makes a directory of one member, whole or not at all (image.h): the data, leases, users and alarms are
//             those of the snapshot, the member is new.
// Threads  one call at a time; SnapshotWriter: Add from one thread at a time.
// Errors   InvalidArgument (no snapshot), DataLoss (broken), FailedPrecondition (something is there already, in use).
// Source   spec etcd 1.7 (Snapshot), 2.3, 2.8, trap 25.
#ifndef SOCLE_SERVER_MIGRATE_SNAPSHOT_FILE_H_
#define SOCLE_SERVER_MIGRATE_SNAPSHOT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/engine.h"
#include "kv/env/env.h"
#include "server/migrate/etcd_directory.h"
#include "server/service/sha256.h"

namespace socle::server {

// What etcdctl and etcdutl say about a snapshot.
struct SnapshotFigures {
  uint32_t hash = 0;         // CRC-32C of bucket names, keys and values, in order
  int64_t revision = 0;      // of the last record
  uint64_t total_keys = 0;   // entries of all buckets
  uint64_t total_bytes = 0;  // of the image
  std::string version;       // storageVersion; empty before 3.6
};

// Verifies the file's digest, unless it is a database file that has none, and its structure; then reads all of it.
absl::StatusOr<SnapshotFigures> ReadSnapshot(Env* env, const std::string& path,
                                             const MigrateProgress& progress);

// A snapshot file, opened to be read. Its structure is verified.
struct OpenSnapshot {
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<kv::Engine> engine;
  std::unique_ptr<kv::ReadTxn> pages;
};

absl::StatusOr<OpenSnapshot> OpenSnapshotFile(Env* env, const std::string& path,
                                              const MigrateProgress& progress);

// That the file ends with the digest of what is before, as etcd's tools ask. Returns the digest.
absl::StatusOr<std::string> VerifyDigest(Env* env, const std::string& path,
                                         const MigrateProgress& progress);

// The newest revision that leaving some out may lead to: as many are left for writes.
inline constexpr int64_t kBumpedRevisionMax = INT64_MAX / 2;

// OK when `bump` revisions can be left out behind `revision`; InvalidArgument names the most that can.
absl::Status ExpectBump(int64_t revision, int64_t bump);

// One record without a key, at a revision that is compacted at once: what is left of revisions that are left out.
// InvalidArgument behind kBumpedRevisionMax.
absl::Status BumpRevision(int64_t revision, kv::WriteTxn* txn);

// Writes the blobs of a Snapshot call. Ends without PATH.part.
class SnapshotWriter {
 public:
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  static absl::StatusOr<std::unique_ptr<SnapshotWriter>> Begin(Env* env, const std::string& path);

  void Add(std::string_view blob);

  uint64_t bytes() const { return bytes_; }

  // Verifies the digest that came last, and gives the file its name.
  absl::Status Finish();

 private:
  SnapshotWriter(Env* env, std::string path) : env_(env), path_(std::move(path)) {}

  Env* const env_;
  const std::string path_;
  std::unique_ptr<File> file_;
  Sha256 digest_;
  std::string last_;  // the newest kSha256Bytes bytes, which may be the digest
  uint64_t bytes_ = 0;
  absl::Status failure_;
  bool is_named_ = false;
};

struct RestoreOptions {
  std::string snapshot;
  std::string target;
  std::string name = "default";
  std::string cluster_token = "etcd-cluster";
  std::vector<std::string> peer_urls = {"http://localhost:2380"};
  bool skip_hash_check = false;
  // Revisions that are left out, so that clients of a newer state don't meet theirs again; with them everything up to the last
  // of them is compacted.
  int64_t bump_revision = 0;
  MigrateProgress progress;
};

struct Restored {
  int64_t revision = 0;  // newest one, left out ones included
  uint64_t member_id = 0;
  uint64_t cluster_id = 0;
};

absl::StatusOr<Restored> RestoreSnapshot(Env* env, const RestoreOptions& options);

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_SNAPSHOT_FILE_H_
