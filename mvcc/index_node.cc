#include "mvcc/index_node.h"

#include <algorithm>
#include <new>

#include "kv/base/check.h"

namespace socle::mvcc {
namespace {

std::ptrdiff_t Offset(size_t i) {
  return static_cast<std::ptrdiff_t>(i);
}

template <typename Array>
void OpenGap(Array* array, size_t position, size_t count) {
  std::move_backward(array->begin() + Offset(position), array->begin() + Offset(count),
                     array->begin() + Offset(count + 1));
}

template <typename Array>
void CloseGap(Array* array, size_t position, size_t count) {
  std::move(array->begin() + Offset(position + 1), array->begin() + Offset(count),
            array->begin() + Offset(position));
}

}  // namespace

Separator* Separator::New(uint64_t birth, std::string_view key) {
  void* const memory = ::operator new(sizeof(Separator) + key.size());
  auto* const separator =
      new (memory) Separator{.birth = birth, .size = static_cast<uint32_t>(key.size())};
  std::copy(key.begin(), key.end(), reinterpret_cast<char*>(separator + 1));
  return separator;
}

void Separator::Delete(Separator* separator) {
  ::operator delete(separator);
}

void IndexLeaf::Insert(size_t position, KeyEntry* entry) {
  DCHECK(count < kLeafMax);
  heads.Insert(count, position, entry->key(), KeyAt());
  OpenGap(&entries, position, count);
  entries[position] = entry;
  ++count;
  const uint64_t below = (uint64_t{1} << position) - 1;
  live_bits = (live_bits & below) | ((live_bits & ~below) << 1U) |
              (uint64_t{entry->is_live() ? 1U : 0U} << position);
}

void IndexLeaf::Replace(size_t position, KeyEntry* entry) {
  entries[position] = entry;
  const uint64_t bit = uint64_t{1} << position;
  live_bits = entry->is_live() ? live_bits | bit : live_bits & ~bit;
}

void IndexLeaf::Erase(size_t position) {
  heads.Erase(count, position);
  CloseGap(&entries, position, count);
  --count;
  const uint64_t below = (uint64_t{1} << position) - 1;
  live_bits = (live_bits & below) | ((live_bits >> 1U) & ~below);
}

void IndexLeaf::Append(const IndexLeaf& from, size_t first) {
  std::copy(from.entries.begin() + Offset(first), from.entries.begin() + from.count,
            entries.begin() + count);
  live_bits |= (from.live_bits >> first) << count;
  count = static_cast<uint16_t>(count + from.count - first);
  heads.Rebuild(count, KeyAt());
}

void IndexLeaf::Truncate(size_t new_count) {
  count = static_cast<uint16_t>(new_count);
  live_bits &= (uint64_t{1} << new_count) - 1;
  heads.Rebuild(count, KeyAt());
}

void IndexLeaf::NoteLive() {
  live_bits = 0;
  for (size_t i = 0; i < count; ++i) {
    live_bits |= uint64_t{entries[i]->is_live() ? 1U : 0U} << i;
  }
}

void IndexInner::Insert(size_t position, Separator* separator, IndexNode* child,
                        uint64_t child_live) {
  DCHECK(count < kInnerMax);
  heads.Insert(count - 1U, position - 1, separator->view(), SeparatorAt());
  OpenGap(&children, position, count);
  OpenGap(&separators, position, count);
  OpenGap(&live, position, count);
  children[position] = child;
  separators[position] = separator;
  live[position] = child_live;
  ++count;
}

void IndexInner::Erase(size_t position, size_t separator) {
  heads.Erase(count - 1U, separator - 1);
  CloseGap(&separators, separator, count);
  CloseGap(&children, position, count);
  CloseGap(&live, position, count);
  --count;
}

Separator* IndexInner::MoveTail(size_t first, IndexInner* to) {
  std::copy(children.begin() + Offset(first), children.begin() + count, to->children.begin());
  std::copy(separators.begin() + Offset(first), separators.begin() + count, to->separators.begin());
  std::copy(live.begin() + Offset(first), live.begin() + count, to->live.begin());
  to->count = static_cast<uint16_t>(count - first);
  count = static_cast<uint16_t>(first);
  heads.Rebuild(count - 1U, SeparatorAt());
  to->heads.Rebuild(to->count - 1U, to->SeparatorAt());
  return to->separators[0];
}

const KeyEntry* IndexRoot::Find(std::string_view key) const {
  const IndexNode* at = node;
  if (at == nullptr) {
    return nullptr;
  }
  while (!at->is_leaf) {
    const auto* const inner = static_cast<const IndexInner*>(at);
    at = inner->children[inner->ChildFor(key)];
  }
  const auto* const leaf = static_cast<const IndexLeaf*>(at);
  const IndexLeaf::Place place = leaf->Find(key);
  return place.is_equal ? leaf->entries[place.position] : nullptr;
}

uint64_t IndexRoot::LiveBelow(std::string_view key) const {
  const IndexNode* at = node;
  uint64_t below = 0;
  if (at == nullptr) {
    return 0;
  }
  while (!at->is_leaf) {
    const auto* const inner = static_cast<const IndexInner*>(at);
    const size_t child = inner->ChildFor(key);
    for (size_t i = 0; i < child; ++i) {
      below += inner->live[i];
    }
    at = inner->children[child];
  }
  const auto* const leaf = static_cast<const IndexLeaf*>(at);
  return below + leaf->LiveBelow(leaf->Find(key).position);
}

void IndexIterator::Seek(std::string_view key) {
  depth_ = 0;
  leaf_ = nullptr;
  const IndexNode* at = root_;
  if (at == nullptr) {
    return;
  }
  while (!at->is_leaf) {
    const auto* const inner = static_cast<const IndexInner*>(at);
    const size_t child = inner->ChildFor(key);
    CHECK_LT(depth_, kMaxHeight);
    path_[depth_++] = {.node = inner, .child = child};
    at = inner->children[child];
  }
  leaf_ = static_cast<const IndexLeaf*>(at);
  position_ = leaf_->Find(key).position;
  if (position_ == leaf_->count) {
    NextLeaf();
  }
}

void IndexIterator::Next() {
  DCHECK(Valid());
  if (++position_ == leaf_->count) {
    NextLeaf();
  }
}

void IndexIterator::DescendFirst(const IndexNode* node) {
  while (!node->is_leaf) {
    const auto* const inner = static_cast<const IndexInner*>(node);
    CHECK_LT(depth_, kMaxHeight);
    path_[depth_++] = {.node = inner, .child = 0};
    node = inner->children[0];
  }
  leaf_ = static_cast<const IndexLeaf*>(node);
  position_ = 0;
}

void IndexIterator::NextLeaf() {
  leaf_ = nullptr;
  while (depth_ > 0) {
    Step& step = path_[depth_ - 1];
    if (step.child + 1U < step.node->count) {
      ++step.child;
      DescendFirst(step.node->children[step.child]);
      return;
    }
    --depth_;
  }
}

void DeleteTree(IndexNode* node) {
  if (node->is_leaf) {
    auto* const leaf = static_cast<IndexLeaf*>(node);
    for (size_t i = 0; i < leaf->count; ++i) {
      if (leaf->entries[i]->history != nullptr) {
        History::Delete(leaf->entries[i]->history);
      }
      KeyEntry::Delete(leaf->entries[i]);
    }
    delete leaf;
    return;
  }
  auto* const inner = static_cast<IndexInner*>(node);
  for (size_t i = 0; i < inner->count; ++i) {
    DeleteTree(inner->children[i]);
    if (i > 0) {
      Separator::Delete(inner->separators[i]);
    }
  }
  delete inner;
}

std::string_view ShortestAbove(std::string_view left, std::string_view right) {
  return right.substr(0, std::min(right.size(), SharedPrefix(left, right) + 1));
}

}  // namespace socle::mvcc
