#include "kv/bolt/file_map.h"

#include <algorithm>
#include <bit>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

// Small files double, large ones grow by a sixty-fourth: little against what they hold, so that the file is
// not longer than its data, and seldom, since a new length is one more thing for the disk to note.
constexpr uint64_t kGrowStepMin = uint64_t{1} << 20U;
constexpr uint64_t kGrowStepMax = uint64_t{16} << 20U;

// How long a file of `bytes` is made.
uint64_t LengthFor(uint64_t bytes) {
  const uint64_t step = std::clamp(std::bit_floor(bytes / 64), kGrowStepMin, kGrowStepMax);
  return bytes < step ? std::bit_ceil(bytes) : (bytes + step - 1) / step * step;
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
  const uint64_t target = std::min(LengthFor(bytes), map_bytes());
  RETURN_IF_ERROR(file_->Truncate(target));
  file_bytes_ = target;
  return absl::OkStatus();
}

bool FileMap::IsWorthCutting(uint64_t bytes) const {
  return bytes < file_bytes_ && LengthFor(bytes) < file_bytes_;
}

absl::Status FileMap::Cut(uint64_t bytes) {
  CHECK_LT(bytes, file_bytes_);
  RETURN_IF_ERROR(file_->Truncate(bytes));
  file_bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
