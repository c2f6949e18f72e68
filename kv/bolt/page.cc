#include "kv/bolt/page.h"

#include <algorithm>

#include <fmt/format.h>

namespace socle::kv::bolt {

bool PageView::EntryAt(uint32_t index, Entry* entry) const {
  const uint64_t offset = kHeaderBytes + kElementBytes * index;
  if (!leaf_) {
    const auto element = Load<BranchElement>(bytes_ + offset);
    const uint64_t start = offset + element.pos;
    if (start + element.key_size > extent_) {
      return false;
    }
    *entry = Entry{.key = {bytes_ + start, element.key_size}, .child = element.child};
    return true;
  }
  const auto element = Load<LeafElement>(bytes_ + offset);
  const uint64_t start = offset + element.pos;
  if (start + element.key_size + element.value_size > extent_) [[unlikely]] {
    return false;
  }
  entry->key = {bytes_ + start, element.key_size};
  entry->value = {bytes_ + start + element.key_size, element.value_size};
  entry->flags = element.flags;
  entry->child = 0;
  return true;
}

bool PageView::LowerBound(std::string_view key, uint32_t guess, uint32_t* index,
                          bool* exact) const {
  const uint64_t leading = LeadingBytes(key);
  uint32_t low = 0;
  uint32_t high = count_;
  uint32_t at = std::min(guess, count_ / 2);
  // Near a guess first, in growing steps; without one always in the middle.
  uint32_t step = kNoGuess;
  if (guess != kNoGuess) {
    at = std::min(guess, count_ - 1);
    step = 1;
  }
  *exact = false;
  while (low < high) {
    std::string_view there;
    if (!KeyAt(at, &there)) [[unlikely]] {
      return false;
    }
    // Most keys differ early: no call of memcmp for them.
    const uint64_t there_leading = LeadingBytes(there);
    int order = there_leading < leading ? -1 : 1;
    if (there_leading == leading) {
      order = there.compare(key);
      if (order == 0) {
        *index = at;
        *exact = true;
        return true;
      }
    }
    if (order < 0) {
      low = at + 1;
      at = low + std::min(step - 1, (high - low) / 2);
    } else {
      high = at;
      at = high - 1 - std::min(step - 1, (high - low) / 2);
    }
    step = step == kNoGuess ? step : step * 2;
  }
  *index = low;
  return true;
}

bool PageView::ChildFor(std::string_view key, uint32_t guess, uint32_t* index) const {
  bool exact = false;
  if (!LowerBound(key, guess, index, &exact)) {
    return false;
  }
  if (!exact && *index > 0) {
    --*index;
  }
  return true;
}

bool PageView::UsedBytes(uint64_t* used) const {
  *used = kHeaderBytes;
  Entry entry;
  for (uint32_t i = 0; i < count_; ++i) {
    if (!EntryAt(i, &entry)) {
      return false;
    }
    *used += entry.bytes();
  }
  return true;
}

absl::Status PageReader::ReadFreelist(PageId id, std::string_view* extent) const {
  const uint64_t raw = Raw(id);
  if (raw < Raw(kFirstDataPage) || raw >= high_water_) {
    return OutOfFile(id);
  }
  const char* bytes = base_ + raw * page_size_;
  const auto header = Load<PageHeader>(bytes);
  if (header.id != raw || header.flags != kFreelistPage || header.overflow >= high_water_ - raw) {
    return BadHeader(id, header);
  }
  *extent = {bytes, (uint64_t{header.overflow} + 1) * page_size_};
  if (sums_ != nullptr && (verifies_always_ || !sums_->IsVerified(id))) {
    return sums_->Verify(id, *extent);
  }
  return absl::OkStatus();
}

absl::Status PageReader::ParseBucket(std::string_view value, PageId owner,
                                     BucketRoot* bucket) const {
  if (value.size() < sizeof(BucketHeader)) {
    return Broken(owner, fmt::format("bucket header has {} bytes, expected 16", value.size()));
  }
  const auto header = Load<BucketHeader>(value.data());
  bucket->root = PageId{header.root};
  bucket->sequence = header.sequence;
  bucket->is_inline = header.root == 0;
  if (!bucket->is_inline) {
    return absl::OkStatus();
  }
  value.remove_prefix(sizeof(BucketHeader));
  if (value.size() < kHeaderBytes) {
    return Broken(owner, fmt::format("inline bucket has {} bytes", value.size()));
  }
  const auto page = Load<PageHeader>(value.data());
  if (page.flags != kLeafPage ||
      kHeaderBytes + kElementBytes * uint64_t{page.count} > value.size()) {
    return Broken(owner, fmt::format("inline bucket of {} bytes has flags {:#x} and {} elements",
                                     value.size(), page.flags, page.count));
  }
  bucket->inline_page = PageView(value.data(), value.size());
  return absl::OkStatus();
}

absl::Status PageReader::Broken(PageId id, std::string_view what) const {
  return absl::DataLossError(fmt::format("{}: page {}: {}", *path_, Raw(id), what));
}

absl::Status PageReader::OutOfFile(PageId id) const {
  return Broken(id, fmt::format("is referenced but lies outside of [2, {})", high_water_));
}

absl::Status PageReader::BadHeader(PageId id, const PageHeader& header) const {
  return Broken(id,
                fmt::format("header has id {}, flags {:#x}, {} elements, {} overflow pages "
                            "(high-water mark {})",
                            header.id, header.flags, header.count, header.overflow, high_water_));
}

}  // namespace socle::kv::bolt
