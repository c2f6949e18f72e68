#include "kv/bolt/snapshot.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20U;

}  // namespace

absl::Status WriteImage(const Meta& meta, const char* base,
                        const std::function<absl::Status(std::string_view)>& sink) {
  RETURN_IF_ERROR(sink(MetaPageImage(meta, PageId{0})));
  Meta before = meta;
  before.txid = TxnId{Raw(meta.txid) - 1};
  RETURN_IF_ERROR(sink(MetaPageImage(before, PageId{1})));
  const uint64_t end = meta.file_bytes();
  std::string piece;  // law 3
  for (uint64_t at = Raw(kFirstDataPage) * meta.page_size; at < end;) {
    piece.assign(base + at, std::min(kPieceBytes, end - at));
    RETURN_IF_ERROR(sink(piece));
    at += piece.size();
  }
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
