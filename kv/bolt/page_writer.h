// PageWriter: packs pages and writes neighbours with one call.
// Threads  confined to the writer.
// Memory   one buffer of a megabyte; larger pages get their own for the moment of writing.
#ifndef SOCLE_KV_BOLT_PAGE_WRITER_H_
#define SOCLE_KV_BOLT_PAGE_WRITER_H_

#include <cstdint>
#include <memory>

#include <absl/status/status.h>

#include "freelist/page_id.h"
#include "kv/bolt/page_edit.h"
#include "kv/bolt/page_sums.h"
#include "kv/env/env.h"

namespace socle::kv::bolt {

class PageWriter {
 public:
  // `file` and `sums` (or null) must outlive the writer.
  PageWriter(File* file, uint32_t page_size, PageSums* sums);

  // Pages must come in ascending order.
  absl::Status Add(PageId id, const DirtyPage& page);
  // Writes what is still in the buffer.
  absl::Status Flush();

  // Forgets what a failed commit left behind.
  void Discard() {
    size_ = 0;
    if (sums_ != nullptr) {
      sums_->Discard();
    }
  }

 private:
  static constexpr uint64_t kBufferBytes = uint64_t{1} << 20U;
  // The disk begins with runs of this length while the next pages are packed; small ones are left to
  // the sync, which can put them together.
  static constexpr uint64_t kStartAtBytes = kBufferBytes / 4;

  File* const file_;
  const uint32_t page_size_;
  PageSums* const sums_;
  const std::unique_ptr<char[]> buffer_;
  uint64_t offset_ = 0;  // of the buffer's first byte in the file
  uint64_t size_ = 0;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PAGE_WRITER_H_
