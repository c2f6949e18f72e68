// TxnPages: the pages of one write transaction: those of the file, and their dirty copies.
//
// Laws     1. A page of the file is copied when first touched, and its pages are freed with the
//             freelist at that moment; the copy gets its place at commit, when its size is known.
//          2. A page made and dropped within the transaction reaches neither freelist nor file.
//          3. What is copied is validated whole: dirty pages are trusted memory.
// Threads  confined to the writer.
// Memory   one buffer per dirty page, from a pool that outlives the transaction.
// Errors   DataLoss on broken pages of the file; ResourceExhausted when the mapping is too small.
#ifndef SOCLE_KV_BOLT_TXN_PAGES_H_
#define SOCLE_KV_BOLT_TXN_PAGES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "freelist/freelist.h"
#include "freelist/page_id.h"
#include "kv/bolt/page.h"
#include "kv/bolt/page_edit.h"

namespace socle::kv::bolt {

// A page id of the file, or (top bit set) a dirty page of the transaction. Child fields of dirty
// branches hold it.
enum class PageRef : uint64_t {};

inline constexpr uint64_t kDirtyBit = uint64_t{1} << 63U;

constexpr uint64_t Raw(PageRef ref) {
  return static_cast<uint64_t>(ref);
}

constexpr bool IsDirty(PageRef ref) {
  return (Raw(ref) & kDirtyBit) != 0;
}

constexpr PageRef RefOf(PageId id) {
  return PageRef{socle::Raw(id)};
}

// Buffers of one page each, kept between transactions.
class BufferPool {
 public:
  explicit BufferPool(uint32_t page_size) : page_size_(page_size) {}

  std::unique_ptr<char[]> Take();
  void Give(std::unique_ptr<char[]> buffer);

 private:
  static constexpr uint64_t kBytesMax = uint64_t{32} << 20U;

  const uint32_t page_size_;
  std::vector<std::unique_ptr<char[]>> buffers_;
};

class TxnPages {
 public:
  // Largest number of pages that the file may have.
  struct Bounds {
    uint64_t pages_max;
  };

  // All pointers must outlive the transaction.
  TxnPages(const PageReader& reader, freelist::Freelist* freelist, BufferPool* pool, TxnId txn,
           Bounds bounds);
  ~TxnPages();
  TxnPages(const TxnPages&) = delete;
  TxnPages& operator=(const TxnPages&) = delete;

  const PageReader& reader() const { return reader_; }

  uint32_t page_size() const { return reader_.page_size(); }

  absl::Status View(PageRef ref, PageView* page) const {
    if (IsDirty(ref)) {
      *page = Dirty(ref)->view();
      return absl::OkStatus();
    }
    return reader_.Read(PageId{Raw(ref)}, page);
  }

  // Requires a dirty page of this transaction.
  DirtyPage* Dirty(PageRef ref) const { return dirty_[Raw(ref) & ~kDirtyBit].get(); }

  // An empty dirty page that can hold `used` bytes.
  PageRef New(uint16_t flags, uint64_t used);

  // Makes a page of MakePage part of the transaction.
  PageRef Adopt(std::unique_ptr<DirtyPage> page);

  // A dirty copy of an inline bucket's image.
  absl::StatusOr<PageRef> NewFrom(const PageView& page, PageId owner);

  // The dirty page itself, or a copy of a page of the file, whose own pages are freed. Law 3.
  absl::StatusOr<PageRef> Touch(PageRef ref);

  // Replaces the content of a dirty page; the old content stays readable until the returned page
  // dies.
  std::unique_ptr<DirtyPage> Exchange(PageRef ref, std::unique_ptr<DirtyPage> content);

  // A page that is not part of the transaction yet; see Exchange.
  std::unique_ptr<DirtyPage> MakePage(uint16_t flags, uint64_t used);
  void Recycle(std::unique_ptr<DirtyPage> page);

  // The transaction no longer uses the page (but its children, if any, stay).
  absl::Status Drop(PageRef ref);

  // Frees pages of the file after validating that they are in use.
  absl::Status FreeSpan(PageSpan span);

  // A dirty page with its place in the file.
  struct Placed {
    PageId id;
    const DirtyPage* page;
  };

  // Finds places for all dirty pages below `root`, bottom-up, and resolves the references to them.
  absl::StatusOr<PageId> Place(PageRef root);

  const std::vector<Placed>& placed() const { return placed_; }

  // Neighbouring pages from the freelist, or from above the high-water mark.
  absl::StatusOr<PageId> Allocate(uint64_t count);

  PageId high_water() const { return high_water_; }

  // How many pages of the file the dirty pages made so far would take, dropped ones included.
  uint64_t made_pages() const { return made_pages_; }

 private:
  // Frees the pages behind a clean view.
  absl::Status FreePagesOf(const PageView& page);
  absl::Status CopyEntries(const PageView& from, PageId owner, DirtyPage* to) const;

  const PageReader reader_;
  freelist::Freelist* const freelist_;
  BufferPool* const pool_;
  const TxnId txn_;
  const Bounds bounds_;
  PageId high_water_;
  uint64_t made_pages_ = 0;
  std::vector<std::unique_ptr<DirtyPage>> dirty_;
  std::vector<Placed> placed_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_TXN_PAGES_H_
