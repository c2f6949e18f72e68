// OfflineFile: a bolt file opened to be looked at, whatever state it is in.
//
// Laws     1. Nothing is created or changed: opened for reading only, on read-only media too.
//          2. A shared lock is held while it lives: no engine and no etcd has the file open, other lookers may.
// Threads  immutable once opened.
// Memory   the file is mapped as long as it is; views point into the mapping.
// Errors   FailedPrecondition (in use), NotFound, InvalidArgument (not a bbolt file), DataLoss (no commit in it can
//          be read: both meta pages are broken, or the file is cut short).
#ifndef SOCLE_KV_BOLT_OFFLINE_FILE_H_
#define SOCLE_KV_BOLT_OFFLINE_FILE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "kv/bolt/meta.h"
#include "kv/bolt/page.h"
#include "kv/bolt/page_sums.h"
#include "kv/env/env.h"

namespace socle::kv::bolt {

class OfflineFile {
 public:
  static absl::StatusOr<std::unique_ptr<OfflineFile>> Open(Env* env, const std::string& path);

  OfflineFile(const OfflineFile&) = delete;
  OfflineFile& operator=(const OfflineFile&) = delete;

  const std::string& path() const { return path_; }

  uint64_t file_bytes() const { return file_bytes_; }

  // Pages 0 and 1, of which one may be broken.
  const std::array<MetaPage, 2>& meta_pages() const { return meta_pages_; }

  // The newest commit.
  const Meta& meta() const { return meta_; }

  PageReader reader() const {
    return {mapping_->data(), meta_.page_size, meta_.high_water, &path_};
  }

  // Also compares each page with its checksum, when there are some that fit (PATH.sums).
  PageReader verifying_reader() const { return reader().With(sums_.get(), /*always=*/true); }

 private:
  OfflineFile(std::string path, std::unique_ptr<FileLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  const std::string path_;
  const std::unique_ptr<FileLock> lock_;
  std::unique_ptr<File> file_;
  uint64_t file_bytes_ = 0;
  std::array<MetaPage, 2> meta_pages_;
  Meta meta_;
  std::unique_ptr<Mapping> mapping_;
  std::unique_ptr<PageSums> sums_;  // may be null
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_OFFLINE_FILE_H_
