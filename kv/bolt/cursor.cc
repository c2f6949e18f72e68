#include "kv/bolt/cursor.h"

#include <utility>

#include "kv/base/check.h"

namespace socle::kv::bolt {
namespace {

constexpr uint64_t kCacheLine = 64;

}  // namespace

BoltCursor::BoltCursor(const PageReader& reader, std::optional<BucketRoot> bucket)
    : reader_(reader), bucket_(bucket) {}

void BoltCursor::Stop(absl::Status status) {
  valid_ = false;
  status_ = std::move(status);
}

bool BoltCursor::Push(PageId id) {
  if (levels_.size() == kDepthMax) {
    Stop(reader_.Broken(id, "tree is too deep, or a cycle"));
    return false;
  }
  Level level{.page = {}, .id = id, .index = 0};
  absl::Status status = reader_.Read(id, &level.page);
  if (!status.ok()) {
    Stop(std::move(status));
    return false;
  }
  if (level.page.count() == 0 && (!level.page.is_leaf() || !levels_.empty())) {
    Stop(reader_.Broken(id, "is empty"));
    return false;
  }
  levels_.push_back(level);
  return true;
}

bool BoltCursor::Restart() {
  levels_.clear();
  next_leaf_ = nullptr;
  valid_ = false;
  status_ = absl::OkStatus();
  if (!bucket_.has_value()) {
    return false;
  }
  if (bucket_->is_inline) {
    levels_.push_back({.page = bucket_->inline_page, .id = PageId{}, .index = 0});
    return true;
  }
  return Push(bucket_->root);
}

bool BoltCursor::PushChild() {
  const Level& top = levels_.back();
  return Push(PageId{top.page.ChildAt(top.index)});
}

bool BoltCursor::DescendToEdge(Edge edge) {
  while (true) {
    Level& top = levels_.back();
    const uint32_t count = top.page.count();
    top.index = edge == Edge::kFirst || count == 0 ? 0 : count - 1;
    if (top.page.is_leaf()) {
      return count > 0;
    }
    if (!PushChild()) {
      return false;
    }
  }
}

void BoltCursor::LoadEntry() {
  const Level& leaf = levels_.back();
  if (!leaf.page.EntryAt(leaf.index, &entry_)) [[unlikely]] {
    Stop(reader_.Broken(leaf.id, "an element reaches out of the page"));
    return;
  }
  valid_ = true;
}

void BoltCursor::SeekToFirst() {
  if (Restart() && DescendToEdge(Edge::kFirst)) {
    LoadEntry();
  }
}

void BoltCursor::SeekToLast() {
  if (Restart() && DescendToEdge(Edge::kLast)) {
    LoadEntry();
  }
}

void BoltCursor::Seek(std::string_view key) {
  if (!Restart()) {
    return;
  }
  while (!levels_.back().page.is_leaf()) {
    Level& top = levels_.back();
    if (!top.page.ChildFor(key, &top.index)) {
      Stop(reader_.Broken(top.id, "an element reaches out of the page"));
      return;
    }
    if (!PushChild()) {
      return;
    }
  }
  Level& leaf = levels_.back();
  bool exact = false;
  if (!leaf.page.LowerBound(key, &leaf.index, &exact)) {
    Stop(reader_.Broken(leaf.id, "an element reaches out of the page"));
    return;
  }
  if (leaf.index < leaf.page.count()) {
    LoadEntry();
  } else if (leaf.page.count() > 0) {
    // All keys of this leaf are below: the next leaf must be above them (law 1).
    --leaf.index;
    LoadEntry();
    if (valid_) {
      Next();
    }
  }
}

void BoltCursor::Next() {
  CHECK(valid_);
  Level& leaf = levels_.back();
  if (next_leaf_ != nullptr) {
    // Leaves look alike: there will be something where something is here.
    __builtin_prefetch(next_leaf_ + (entry_.value.data() - leaf.page.bytes()));
  }
  if (++leaf.index < leaf.page.count()) [[likely]] {
    LoadEntry();
    return;
  }
  Climb(Edge::kFirst);
  if (valid_) {
    PrefetchNextLeaf();
  }
}

void BoltCursor::PrefetchNextLeaf() {
  next_leaf_ = nullptr;
  if (levels_.size() < 2) {
    return;
  }
  const Level& leaf = levels_.back();
  const Level& parent = levels_[levels_.size() - 2];
  if (leaf.page.extent() != reader_.page_size() || parent.index + 1 >= parent.page.count()) {
    return;
  }
  const PageId next{parent.page.ChildAt(parent.index + 1)};
  if (next >= reader_.high_water()) {
    return;
  }
  next_leaf_ = reader_.base() + Raw(next) * reader_.page_size();
  // Header and elements; what those point to, step by step.
  const uint64_t elements = kHeaderBytes + kElementBytes * uint64_t{leaf.page.count()};
  for (uint64_t at = 0; at < elements; at += kCacheLine) {
    __builtin_prefetch(next_leaf_ + at);
  }
}

void BoltCursor::Prev() {
  CHECK(valid_);
  next_leaf_ = nullptr;
  Level& leaf = levels_.back();
  if (leaf.index > 0) {
    --leaf.index;
    LoadEntry();
    return;
  }
  Climb(Edge::kLast);
}

void BoltCursor::Climb(Edge edge) {
  const std::string_view previous = entry_.key;
  valid_ = false;
  while (true) {
    levels_.pop_back();
    if (levels_.empty()) {
      return;
    }
    Level& top = levels_.back();
    if (edge == Edge::kFirst ? top.index + 1 < top.page.count() : top.index > 0) {
      top.index += edge == Edge::kFirst ? 1 : ~uint32_t{0};
      break;
    }
  }
  if (!PushChild() || !DescendToEdge(edge)) {
    return;
  }
  LoadEntry();
  if (valid_ && (edge == Edge::kFirst ? entry_.key <= previous : entry_.key >= previous)) {
    Stop(reader_.Broken(levels_.back().id, "keys don't ascend from leaf to leaf"));
  }
}

}  // namespace socle::kv::bolt
