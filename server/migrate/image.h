// Image: a database as a file of its own, and what is taken out of it when it gets another owner.
//
// Laws     1. A directory appears under its name whole and durable, or not at all: it is made beside it, under
//             NewDirectory::path, and renamed.
// Threads  thread-compatible.
// Errors   FailedPrecondition when there is something already.
// Source   spec etcd 2.2, 2.8.
#ifndef SOCLE_SERVER_MIGRATE_IMAGE_H_
#define SOCLE_SERVER_MIGRATE_IMAGE_H_

#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/engine.h"
#include "kv/env/env.h"
#include "server/migrate/etcd_directory.h"
#include "server/service/identity.h"

namespace socle::server {

// A data directory in the making.
class NewDirectory {
 public:
  // Nothing, or an empty directory, may stand at `path`.
  static absl::StatusOr<NewDirectory> Begin(Env* env, const std::string& path);

  const std::string& path() const { return unfinished_; }

  std::string database_path() const { return unfinished_ + "/member/snap/db"; }

  // Gives it its name.
  absl::Status Finish();

  // What happened to `source` on the way, and where what was made so far is.
  absl::Status Explain(const absl::Status& failure, std::string_view source) const;

 private:
  NewDirectory(Env* env, std::string final_path);

  Env* env_;
  std::string final_;
  std::string unfinished_;
};

// Writes the database that `pages` sees to a new file, durably.
absl::Status WriteImage(const kv::ReadTxn& pages, Env* env, const std::string& path,
                        const MigrateProgress& progress);

// Makes the database fit for another owner: all buckets are there, `member_buckets` are empty, and so are the keys
// that only the old owner's log or a newer etcd explains. Prefix quotas stay; a server sets its own when it starts.
// It is another store and has an id of its own.
absl::Status ForgetOwner(std::span<const std::string_view> member_buckets, const kv::ReadTxn& pages,
                         kv::WriteTxn* txn);

// WriteImage, then ForgetOwner in what was written.
absl::Status WriteImageForAnother(std::span<const std::string_view> member_buckets,
                                  const kv::ReadTxn& pages, Env* env, const std::string& path,
                                  const MigrateProgress& progress);

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_IMAGE_H_
