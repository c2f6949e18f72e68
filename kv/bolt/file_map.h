// FileMap: the database file and the one mapping that readers look through.
//
// Laws     1. The mapping never moves and never shrinks; it is longer than the file.
//          2. Bytes below the high-water mark of any commit that a reader or a meta page of the
//             file speaks of are inside the file: touching others would be SIGBUS.
// Threads  base() is immutable; the rest is confined to the writer.
// Source   DESIGN 3 (kv); spec etcd 3.2 (bbolt remaps and waits for readers).
#ifndef SOCLE_KV_BOLT_FILE_MAP_H_
#define SOCLE_KV_BOLT_FILE_MAP_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"

namespace socle::kv::bolt {

class FileMap {
 public:
  // `file_bytes` is the file's size now.
  static absl::StatusOr<FileMap> Map(std::unique_ptr<File> file, uint64_t file_bytes,
                                     uint64_t map_bytes);

  const char* base() const { return mapping_->data(); }

  uint64_t map_bytes() const { return mapping_->size(); }

  File* file() const { return file_.get(); }

  // Makes the file at least `bytes` long, in steps so that few commits change its length.
  absl::Status Grow(uint64_t bytes);
  // Ends the file after `bytes`. Requires that nobody reads behind (law 2).
  absl::Status Cut(uint64_t bytes);

  // True when Grow would not make a file of `bytes` as long as this one is.
  bool IsWorthCutting(uint64_t bytes) const;

  uint64_t file_bytes() const { return file_bytes_; }

 private:
  FileMap(std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping, uint64_t file_bytes)
      : file_(std::move(file)), mapping_(std::move(mapping)), file_bytes_(file_bytes) {}

  std::unique_ptr<File> file_;
  std::unique_ptr<Mapping> mapping_;
  uint64_t file_bytes_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_FILE_MAP_H_
