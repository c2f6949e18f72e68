#include "kv/bolt/file_map.h"

#include <algorithm>
#include <bit>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

// Small files double, large ones grow by this much.
constexpr uint64_t kGrowStep = uint64_t{16} << 20U;

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
  uint64_t target =
      bytes < kGrowStep ? std::bit_ceil(bytes) : (bytes + kGrowStep - 1) / kGrowStep * kGrowStep;
  target = std::min(target, map_bytes());
  RETURN_IF_ERROR(file_->Truncate(target));
  file_bytes_ = target;
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
