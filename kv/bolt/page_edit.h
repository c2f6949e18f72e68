// DirtyPage: a heap copy of a branch or leaf page that a write transaction edits in place.
//
// Laws     1. Elements grow from the front, payload from the back; the same bytes are readable as a
//             PageView at any time, only their payload order differs from a page of the file.
//          2. used() is the length of the canonical image that Pack writes; used() <= capacity.
// Threads  confined to the writer.
// Memory   one buffer of capacity() bytes; views of entries live until the next Insert or Remove.
// Errors   none: what comes from a file is validated before it gets here.
#ifndef SOCLE_KV_BOLT_PAGE_EDIT_H_
#define SOCLE_KV_BOLT_PAGE_EDIT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "freelist/page_id.h"
#include "kv/bolt/page.h"

namespace socle::kv::bolt {

class DirtyPage {
 public:
  // An empty page. Requires a buffer of `capacity` bytes.
  DirtyPage(std::unique_ptr<char[]> buffer, uint64_t capacity, uint16_t flags);

  PageView view() const { return {buffer_.get(), capacity_}; }

  bool is_leaf() const { return leaf_; }

  uint32_t count() const { return count_; }

  uint64_t used() const { return used_; }

  uint64_t capacity() const { return capacity_; }

  // Requires index < count().
  Entry At(uint32_t index) const;

  std::string_view KeyAt(uint32_t index) const { return At(index).key; }

  // Requires index <= count(), used() + entry.bytes() <= capacity(), count() < kElementsMax; the
  // entry lies outside of this page.
  void Insert(uint32_t index, const Entry& entry);
  // Requires index < count().
  void Remove(uint32_t index);
  // Overwrites a value by one of the same length. Requires a leaf.
  void OverwriteValue(uint32_t index, std::string_view value);
  // Requires a branch.
  void SetChild(uint32_t index, uint64_t child);

  // Writes the page as the file has it: header, elements, payload in element order, zeros up to
  // `size`. Requires size >= used().
  void Pack(PageId id, uint32_t page_size, uint64_t size, char* out) const;

  // Gives the buffer away; the page is unusable after.
  std::unique_ptr<char[]> TakeBuffer() { return std::move(buffer_); }

 private:
  // Slides the payload to the back, over the holes that Remove left.
  void Compact();
  void StoreCount();

  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_;
  uint64_t heap_begin_;
  uint64_t used_ = kHeaderBytes;
  uint32_t count_ = 0;
  bool leaf_;
};

// What bounds a page when entries are spread over several.
struct PageLimits {
  uint64_t page_size;
  uint32_t entries_min;  // 1 in leaves, 2 in branches

  bool Fits(uint64_t used, uint64_t count) const {
    return used <= page_size && count <= kElementsMax;
  }
};

// Where to cut entries with these sizes so that each part fits a page, or cannot be cut further
// (one large entry gets a page with overflow): first index of every part but the first. Cuts in the
// middle by bytes.
std::vector<uint32_t> CutsFor(std::span<const Entry> entries, const PageLimits& limits);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PAGE_EDIT_H_
