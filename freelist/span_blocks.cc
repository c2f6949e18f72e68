#include "freelist/span_blocks.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "kv/base/check.h"

namespace socle::freelist {
namespace {

constexpr uint64_t kBlockPages = 64;

uint64_t BlockOf(PageId id) {
  return Raw(id) / kBlockPages;
}

uint64_t Bit(PageId id) {
  return uint64_t{1} << (Raw(id) % kBlockPages);
}

// The bits at and above that of `id`.
uint64_t FromBit(PageId id) {
  return ~uint64_t{0} << (Raw(id) % kBlockPages);
}

PageId LowestIn(uint64_t block, uint64_t bits) {
  return PageId{block * kBlockPages + static_cast<uint64_t>(std::countr_zero(bits))};
}

PageId HighestIn(uint64_t block, uint64_t bits) {
  return PageId{block * kBlockPages + static_cast<uint64_t>(std::bit_width(bits)) - 1};
}

PageSpan Between(PageId first, PageId last) {
  return {first, last - first + 1};
}

PageId LastOf(PageSpan span) {
  return span.first + (span.count - 1);
}

}  // namespace

bool SpanBlocks::Crosses(PageSpan span) {
  return BlockOf(span.first) != BlockOf(LastOf(span));
}

void SpanBlocks::Clear() {
  blocks_.clear();
  last_ = nullptr;
  crossing_.clear();
  size_ = 0;
}

SpanBlocks::Block& SpanBlocks::Make(uint64_t number) {
  if (last_ == nullptr || last_number_ != number) {
    last_ = &blocks_[number];
    last_number_ = number;
  }
  return *last_;
}

SpanBlocks::Block* SpanBlocks::Find(uint64_t number) {
  if (last_ == nullptr || last_number_ != number) {
    const auto it = blocks_.find(number);
    if (it == blocks_.end()) {
      return nullptr;
    }
    last_ = &it->second;
    last_number_ = number;
  }
  return last_;
}

void SpanBlocks::DropIfEmpty(uint64_t number, const Block& block) {
  if ((block.starts | block.ends) == 0) {
    last_ = nullptr;
    blocks_.erase(number);
  }
}

void SpanBlocks::SetStart(PageId first) {
  Make(BlockOf(first)).starts |= Bit(first);
}

void SpanBlocks::SetEnd(PageId last) {
  Make(BlockOf(last)).ends |= Bit(last);
}

void SpanBlocks::ClearStart(PageId first) {
  Block* const block = Find(BlockOf(first));
  CHECK(block != nullptr && (block->starts & Bit(first)) != 0);
  block->starts &= ~Bit(first);
  DropIfEmpty(BlockOf(first), *block);
}

void SpanBlocks::ClearEnd(PageId last) {
  Block* const block = Find(BlockOf(last));
  CHECK(block != nullptr && (block->ends & Bit(last)) != 0);
  block->ends &= ~Bit(last);
  DropIfEmpty(BlockOf(last), *block);
}

void SpanBlocks::Insert(PageSpan span) {
  DCHECK(IsDisjoint({PageId{Raw(span.first) - 1}, span.count + 2}));
  ++size_;
  if (Crosses(span)) {
    SetStart(span.first);
    SetEnd(LastOf(span));
    CHECK(crossing_.emplace(Raw(span.first), span.count).second);
    return;
  }
  Block& block = Make(BlockOf(span.first));
  block.starts |= Bit(span.first);
  block.ends |= Bit(LastOf(span));
}

void SpanBlocks::Erase(PageSpan span) {
  --size_;
  if (Crosses(span)) {
    ClearStart(span.first);
    ClearEnd(LastOf(span));
    CHECK_EQ(crossing_.erase(Raw(span.first)), 1U);
    return;
  }
  Block* const block = Find(BlockOf(span.first));
  CHECK(block != nullptr);
  CHECK((block->starts & Bit(span.first)) != 0 && (block->ends & Bit(LastOf(span))) != 0);
  block->starts &= ~Bit(span.first);
  block->ends &= ~Bit(LastOf(span));
  DropIfEmpty(BlockOf(span.first), *block);
}

void SpanBlocks::CutFront(PageSpan from, PageId first) {
  if (Crosses(from)) {
    Erase(from);
    Insert(Between(first, LastOf(from)));
    return;
  }
  Block* const block = Find(BlockOf(first));
  CHECK(block != nullptr && (block->starts & Bit(from.first)) != 0);
  block->starts ^= Bit(from.first) | Bit(first);
}

std::optional<PageSpan> SpanBlocks::StartingAt(PageId first) const {
  const auto it = blocks_.find(BlockOf(first));
  if (it == blocks_.end() || (it->second.starts & Bit(first)) == 0) {
    return std::nullopt;
  }
  const uint64_t ends = it->second.ends & FromBit(first);
  if (ends != 0) {
    return Between(first, LowestIn(it->first, ends));
  }
  const auto crossing = crossing_.find(Raw(first));
  CHECK(crossing != crossing_.end());
  return PageSpan{first, crossing->second};
}

std::optional<PageSpan> SpanBlocks::EndingAt(PageId last) const {
  const auto it = blocks_.find(BlockOf(last));
  if (it == blocks_.end() || (it->second.ends & Bit(last)) == 0) {
    return std::nullopt;
  }
  const uint64_t starts = it->second.starts & (~FromBit(last) | Bit(last));
  if (starts != 0) {
    return Between(HighestIn(it->first, starts), last);
  }
  return CrossingOver(last);
}

std::optional<PageSpan> SpanBlocks::CrossingOver(PageId id) const {
  const auto after = crossing_.upper_bound(Raw(id));
  if (after == crossing_.begin()) {
    return std::nullopt;
  }
  const auto& [first, count] = *std::prev(after);
  if (Raw(id) - first >= count) {
    return std::nullopt;
  }
  return PageSpan{PageId{first}, count};
}

std::optional<PageSpan> SpanBlocks::Holding(PageId id) const {
  const auto it = blocks_.find(BlockOf(id));
  if (it == blocks_.end()) {
    return CrossingOver(id);
  }
  const auto [starts, ends] = it->second;
  const uint64_t starts_before = starts & (~FromBit(id) | Bit(id));  // its own bit too
  const uint64_t ends_before = ends & ~FromBit(id);
  // As numbers: if all spans that begin before have ended, each end is at or above its start.
  if (starts_before > ends_before) {
    return StartingAt(HighestIn(it->first, starts_before));
  }
  if (ends_before != 0) {
    return std::nullopt;  // the last span before it has ended
  }
  const uint64_t starts_after = starts & FromBit(id);
  const uint64_t ends_after = ends & FromBit(id);
  if (ends_after == 0 && starts_after != 0) {
    return std::nullopt;
  }
  if (starts_after != 0 && std::countr_zero(starts_after) <= std::countr_zero(ends_after)) {
    return std::nullopt;
  }
  return CrossingOver(id);
}

bool SpanBlocks::IsDisjoint(PageSpan span) const {
  if (Holding(span.first).has_value()) {
    return false;
  }
  // Then only a span that begins inside can be in the way.
  const PageId last = LastOf(span);
  for (uint64_t block = BlockOf(span.first); block <= BlockOf(last); ++block) {
    const auto it = blocks_.find(block);
    if (it == blocks_.end()) {
      continue;
    }
    uint64_t starts = it->second.starts;
    if (block == BlockOf(span.first)) {
      starts &= FromBit(span.first);
    }
    if (block == BlockOf(last)) {
      starts &= ~FromBit(last) | Bit(last);
    }
    if (starts != 0) {
      return false;
    }
  }
  return true;
}

std::vector<PageSpan> SpanBlocks::List() const {
  std::vector<uint64_t> order;
  order.reserve(blocks_.size());
  for (const auto& [block, bits] : blocks_) {
    order.push_back(block);
  }
  std::ranges::sort(order);
  std::vector<PageSpan> spans;
  spans.reserve(size_);
  auto crossing = crossing_.begin();
  for (const uint64_t block : order) {
    const Block& bits = blocks_.find(block)->second;
    uint64_t ends = bits.ends;
    for (uint64_t starts = bits.starts; starts != 0; starts &= starts - 1) {
      const PageId first = LowestIn(block, starts);
      ends &= FromBit(first);
      if (ends != 0) {
        spans.push_back(Between(first, LowestIn(block, ends)));
      } else {
        CHECK(crossing != crossing_.end() && crossing->first == Raw(first));
        spans.push_back({first, crossing->second});
        ++crossing;
      }
    }
  }
  return spans;
}

void SpanBlocks::CheckInvariants() const {
  const std::vector<PageSpan> spans = List();
  CHECK_EQ(spans.size(), size_);
  uint64_t crossing = 0;
  uint64_t starts = 0;
  uint64_t ends = 0;
  PageId end{};
  for (const PageSpan& span : spans) {
    CHECK_GT(Raw(span.first), Raw(end));  // law 1
    end = span.end();
    CHECK(EndingAt(LastOf(span)) == span);
    CHECK(StartingAt(span.first) == span);
    CHECK(Holding(span.first + span.count / 2) == span);
    crossing += Crosses(span) ? 1 : 0;
  }
  CHECK_EQ(crossing, crossing_.size());
  for (const auto& [block, bits] : blocks_) {
    CHECK((bits.starts | bits.ends) != 0);
    starts += static_cast<uint64_t>(std::popcount(bits.starts));
    ends += static_cast<uint64_t>(std::popcount(bits.ends));
  }
  CHECK_EQ(starts, size_);
  CHECK_EQ(ends, size_);
}

}  // namespace socle::freelist
