#include "kv/bolt/file_map.h"

#include <algorithm>
#include <bit>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

// Small files double, large ones grow by this much: little against what they hold, so that the file is
// not longer than its data, and seldom, since a new length is one more thing for the disk to note.
uint64_t GrowStep(uint64_t bytes) {
  return std::clamp(std::bit_floor(bytes / 64), uint64_t{1} << 20U, uint64_t{16} << 20U);
}

}  // namespace

absl::StatusOr<FileMap> FileMap::Map(std::unique_ptr<File> file, uint64_t file_bytes,
                                     uint64_t map_bytes) {
  ASSIGN_OR_RETURN(std::unique_ptr<Mapping> mapping, file->MapForReading(map_bytes));
  return FileMap(std::move(file), std::move(mapping), file_bytes);
}

absl::Status FileMap::Grow(uint64_t bytes) {
  if (bytes <= file_bytes_) {
    return absl::OkStatus();
  }
  CHECK_LE(bytes, map_bytes());
  const uint64_t step = GrowStep(bytes);
  uint64_t target = bytes < step ? std::bit_ceil(bytes) : (bytes + step - 1) / step * step;
  target = std::min(target, map_bytes());
  RETURN_IF_ERROR(file_->Truncate(target));
  file_bytes_ = target;
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
