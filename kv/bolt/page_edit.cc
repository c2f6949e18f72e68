#include "kv/bolt/page_edit.h"

#include <cstring>
#include <utility>

#include "kv/base/check.h"

namespace socle::kv::bolt {
namespace {

// Offset of the `pos` field inside an element.
size_t PosField(bool leaf) {
  return leaf ? offsetof(LeafElement, pos) : offsetof(BranchElement, pos);
}

uint64_t ElementOffset(uint32_t index) {
  return kHeaderBytes + kElementBytes * uint64_t{index};
}

void StoreElement(const Entry& entry, bool leaf, uint64_t pos, char* element) {
  if (leaf) {
    Store(LeafElement{.flags = entry.flags,
                      .pos = static_cast<uint32_t>(pos),
                      .key_size = static_cast<uint32_t>(entry.key.size()),
                      .value_size = static_cast<uint32_t>(entry.value.size())},
          element);
  } else {
    Store(BranchElement{.pos = static_cast<uint32_t>(pos),
                        .key_size = static_cast<uint32_t>(entry.key.size()),
                        .child = entry.child},
          element);
  }
}

void StorePayload(const Entry& entry, char* to) {
  std::memcpy(to, entry.key.data(), entry.key.size());
  if (!entry.value.empty()) {
    std::memcpy(to + entry.key.size(), entry.value.data(), entry.value.size());
  }
}

// Adds to the `pos` of elements [begin, end) what moving them by `delta` bytes takes away.
void ShiftPositions(char* buffer, bool leaf, uint32_t begin, uint32_t end, uint32_t delta) {
  char* field = buffer + ElementOffset(begin) + PosField(leaf);
  for (uint32_t i = begin; i < end; ++i, field += kElementBytes) {
    Store<uint32_t>(Load<uint32_t>(field) - delta, field);
  }
}

void CutRange(std::span<const Entry> entries, uint32_t begin, uint32_t end,
              const PageLimits& limits, std::vector<uint32_t>* cuts) {
  uint64_t total = kHeaderBytes;
  for (uint32_t i = begin; i < end; ++i) {
    total += entries[i].bytes();
  }
  const uint32_t count = end - begin;
  if (limits.Fits(total, count) || count < 2 * limits.entries_min) {
    return;
  }
  // The cut whose halves differ least: walk while the left half grows towards the middle.
  uint32_t cut = begin;
  uint64_t left = kHeaderBytes;
  while (cut < begin + limits.entries_min) {
    left += entries[cut++].bytes();
  }
  while (cut < end - limits.entries_min) {
    const uint64_t size = entries[cut].bytes();
    if (left + size / 2 > total / 2) {
      break;
    }
    left += size;
    ++cut;
  }
  CutRange(entries, begin, cut, limits, cuts);
  cuts->push_back(cut);
  CutRange(entries, cut, end, limits, cuts);
}

}  // namespace

DirtyPage::DirtyPage(std::unique_ptr<char[]> buffer, uint64_t capacity, uint16_t flags)
    : buffer_(std::move(buffer)),
      capacity_(capacity),
      heap_begin_(capacity),
      leaf_(flags == kLeafPage) {
  Store(PageHeader{.id = 0, .flags = flags, .count = 0, .overflow = 0}, buffer_.get());
}

Entry DirtyPage::At(uint32_t index) const {
  DCHECK(index < count_);
  Entry entry;
  CHECK(view().EntryAt(index, &entry));
  return entry;
}

void DirtyPage::StoreCount() {
  Store(static_cast<uint16_t>(count_), buffer_.get() + offsetof(PageHeader, count));
}

void DirtyPage::Insert(uint32_t index, const Entry& entry) {
  DCHECK(index <= count_);
  CHECK(used_ + entry.bytes() <= capacity_ && count_ < kElementsMax);
  if (heap_begin_ < ElementOffset(count_) + entry.bytes()) {
    Compact();
  }
  char* element = buffer_.get() + ElementOffset(index);
  if (index < count_) {
    std::memmove(element + kElementBytes, element, kElementBytes * (count_ - index));
    ShiftPositions(buffer_.get(), leaf_, index + 1, count_ + 1, kElementBytes);
  }
  heap_begin_ -= entry.key.size() + entry.value.size();
  StoreElement(entry, leaf_, heap_begin_ - ElementOffset(index), element);
  StorePayload(entry, buffer_.get() + heap_begin_);
  used_ += entry.bytes();
  ++count_;
  StoreCount();
}

void DirtyPage::Remove(uint32_t index) {
  const Entry entry = At(index);
  if (entry.key.data() == buffer_.get() + heap_begin_) {
    heap_begin_ += entry.key.size() + entry.value.size();
  }
  used_ -= entry.bytes();
  char* element = buffer_.get() + ElementOffset(index);
  --count_;
  std::memmove(element, element + kElementBytes, kElementBytes * (count_ - index));
  ShiftPositions(buffer_.get(), leaf_, index, count_, uint32_t{0} - uint32_t{kElementBytes});
  StoreCount();
}

void DirtyPage::OverwriteValue(uint32_t index, std::string_view value) {
  const Entry entry = At(index);
  CHECK_EQ(entry.value.size(), value.size());
  if (!value.empty()) {
    std::memmove(buffer_.get() + (entry.value.data() - buffer_.get()), value.data(), value.size());
  }
}

void DirtyPage::SetChild(uint32_t index, uint64_t child) {
  DCHECK(!leaf_ && index < count_);
  Store(child, buffer_.get() + ElementOffset(index) + offsetof(BranchElement, child));
}

void DirtyPage::Compact() {
  const std::vector<char> old(buffer_.get() + heap_begin_, buffer_.get() + capacity_);
  const uint64_t old_begin = heap_begin_;
  heap_begin_ = capacity_;
  for (uint32_t i = 0; i < count_; ++i) {
    char* element = buffer_.get() + ElementOffset(i);
    const Entry entry = At(i);
    const uint64_t size = entry.key.size() + entry.value.size();
    const uint64_t from = ElementOffset(i) + Load<uint32_t>(element + PosField(leaf_));
    heap_begin_ -= size;
    std::memcpy(buffer_.get() + heap_begin_, old.data() + (from - old_begin), size);
    Store(static_cast<uint32_t>(heap_begin_ - ElementOffset(i)), element + PosField(leaf_));
  }
}

void DirtyPage::Pack(PageId id, uint32_t page_size, uint64_t size, char* out) const {
  CHECK_GE(size, used_);
  const uint64_t pages = (used_ + page_size - 1) / page_size;
  Store(PageHeader{.id = Raw(id),
                   .flags = leaf_ ? kLeafPage : kBranchPage,
                   .count = static_cast<uint16_t>(count_),
                   .overflow = static_cast<uint32_t>(pages - 1)},
        out);
  uint64_t payload = ElementOffset(count_);
  const PageView page = view();
  Entry entry;
  for (uint32_t i = 0; i < count_; ++i) {
    CHECK(page.EntryAt(i, &entry));
    StoreElement(entry, leaf_, payload - ElementOffset(i), out + ElementOffset(i));
    StorePayload(entry, out + payload);
    payload += entry.key.size() + entry.value.size();
  }
  CHECK_EQ(payload, used_);
  std::memset(out + payload, 0, size - payload);
}

std::vector<uint32_t> CutsFor(std::span<const Entry> entries, const PageLimits& limits) {
  std::vector<uint32_t> cuts;
  CutRange(entries, 0, static_cast<uint32_t>(entries.size()), limits, &cuts);
  return cuts;
}

}  // namespace socle::kv::bolt
