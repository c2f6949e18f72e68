#include "kv/bolt/page_writer.h"

#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

PageWriter::PageWriter(File* file, uint32_t page_size, PageSums* sums)
    : file_(file),
      page_size_(page_size),
      sums_(sums),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {}

absl::Status PageWriter::Add(PageId id, const DirtyPage& page) {
  const uint64_t offset = Raw(id) * page_size_;
  const uint64_t size = (page.used() + page_size_ - 1) / page_size_ * page_size_;
  if (size_ > 0 && (offset != offset_ + size_ || size_ + size > kBufferBytes)) {
    RETURN_IF_ERROR(Flush());
  }
  if (size > kBufferBytes) {
    const auto large = std::make_unique_for_overwrite<char[]>(size);
    page.Pack(id, page_size_, size, large.get());
    if (sums_ != nullptr) {
      sums_->Stage(id, {large.get(), size});
    }
    return file_->WriteAt(offset, {large.get(), size});
  }
  if (size_ == 0) {
    offset_ = offset;
  }
  page.Pack(id, page_size_, size, buffer_.get() + size_);
  if (sums_ != nullptr) {
    sums_->Stage(id, {buffer_.get() + size_, size});
  }
  size_ += size;
  return absl::OkStatus();
}

absl::Status PageWriter::Flush() {
  if (size_ == 0) {
    return absl::OkStatus();
  }
  const uint64_t size = size_;
  size_ = 0;
  RETURN_IF_ERROR(file_->WriteAt(offset_, {buffer_.get(), size}));
  if (size >= kStartAtBytes) {
    file_->StartWriting(offset_, size);
  }
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
