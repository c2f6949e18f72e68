#include "mvcc/index_node.h"

#include <algorithm>
#include <new>

#include "kv/base/check.h"

namespace socle::mvcc {

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

size_t IndexLeaf::LowerBound(std::string_view key) const {
  const auto end = entries.begin() + count;
  const auto at =
      std::lower_bound(entries.begin(), end, key,
                       [](const KeyEntry* entry, std::string_view k) { return entry->key() < k; });
  return static_cast<size_t>(at - entries.begin());
}

size_t IndexInner::ChildFor(std::string_view key) const {
  const auto begin = separators.begin() + 1;
  const auto end = separators.begin() + count;
  const auto at = std::upper_bound(
      begin, end, key,
      [](std::string_view k, const Separator* separator) { return k < separator->view(); });
  return static_cast<size_t>(at - separators.begin()) - 1;
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
  const size_t position = leaf->LowerBound(key);
  if (position == leaf->count || leaf->entries[position]->key() != key) {
    return nullptr;
  }
  return leaf->entries[position];
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
  const size_t position = leaf->LowerBound(key);
  for (size_t i = 0; i < position; ++i) {
    below += leaf->entries[i]->is_live() ? 1 : 0;
  }
  return below;
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
  position_ = leaf_->LowerBound(key);
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
  size_t same = 0;
  while (same < left.size() && same < right.size() && left[same] == right[same]) {
    ++same;
  }
  return right.substr(0, std::min(right.size(), same + 1));
}

uint32_t CountLive(const IndexLeaf& leaf) {
  uint32_t live = 0;
  for (size_t i = 0; i < leaf.count; ++i) {
    live += leaf.entries[i]->is_live() ? 1 : 0;
  }
  return live;
}

}  // namespace socle::mvcc
