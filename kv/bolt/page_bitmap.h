// PageBitmap: a set of pages of one file.
//
// Threads  thread-compatible.
// Memory   a bit per page, in blocks that exist only where a page was added: a sparse file that claims to be huge
//          costs eight bytes per 256 Ki pages.
#ifndef SOCLE_KV_BOLT_PAGE_BITMAP_H_
#define SOCLE_KV_BOLT_PAGE_BITMAP_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "freelist/page_id.h"

namespace socle::kv::bolt {

class PageBitmap {
 public:
  // For pages below `end`.
  explicit PageBitmap(PageId end) : blocks_(Raw(end) / kBlockPages + 1) {}

  // Requires id < end.
  bool contains(PageId id) const {
    const Block* block = blocks_[Raw(id) / kBlockPages].get();
    return block != nullptr && (((*block)[WordOf(id)] >> (Raw(id) % 64)) & 1U) != 0;
  }

  // Requires id < end.
  void Insert(PageId id) {
    std::unique_ptr<Block>& block = blocks_[Raw(id) / kBlockPages];
    if (block == nullptr) {
      block = std::make_unique<Block>();
    }
    (*block)[WordOf(id)] |= uint64_t{1} << (Raw(id) % 64);
  }

  // How many pages from `id` on are surely all in the set (or all not), judged by whole words; 1 when that is unknown.
  uint64_t UniformFrom(PageId id) const {
    const Block* block = blocks_[Raw(id) / kBlockPages].get();
    if (block == nullptr) {
      return kBlockPages - Raw(id) % kBlockPages;
    }
    const uint64_t word = (*block)[WordOf(id)];
    return word == 0 || word == ~uint64_t{0} ? 64 - Raw(id) % 64 : 1;
  }

 private:
  static constexpr uint64_t kBlockPages = uint64_t{1} << 18U;

  using Block = std::array<uint64_t, kBlockPages / 64>;

  static uint64_t WordOf(PageId id) { return Raw(id) % kBlockPages / 64; }

  std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PAGE_BITMAP_H_
