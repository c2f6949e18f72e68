#include "mvcc/index_builder.h"

#include <algorithm>
#include <string_view>

#include "kv/base/check.h"

namespace socle::mvcc {

IndexBuilder::~IndexBuilder() {
  for (IndexLeaf* const leaf : leaves_) {
    DeleteTree(leaf);
  }
}

KeyEntry* IndexBuilder::AppendKey(std::string_view key) {
  if (leaves_.empty() || leaves_.back()->count == kLeafFill) {
    auto* const leaf = new IndexLeaf;
    leaf->birth = birth_;
    leaf->is_leaf = true;
    leaves_.push_back(leaf);
  }
  IndexLeaf* const leaf = leaves_.back();
  KeyEntry* const entry = KeyEntry::New(birth_, key);
  leaf->Insert(leaf->count, entry);
  return entry;
}

void IndexBuilder::AppendPart(IndexBuilder* right) {
  leaves_.insert(leaves_.end(), right->leaves_.begin(), right->leaves_.end());
  right->leaves_.clear();
}

std::vector<IndexBuilder::Child> IndexBuilder::LeafLevel() {
  std::vector<Child> level;
  level.reserve(leaves_.size());
  for (size_t i = 0; i < leaves_.size(); ++i) {
    leaves_[i]->NoteLive();
    level.push_back({.node = leaves_[i], .live = leaves_[i]->live(), .first_leaf = i});
  }
  return level;
}

std::vector<IndexBuilder::Child> IndexBuilder::LevelAbove(const std::vector<Child>& level) const {
  std::vector<Child> above;
  for (size_t i = 0; i < level.size(); ++i) {
    if (i % kInnerFill == 0) {
      auto* const inner = new IndexInner;
      inner->birth = birth_;
      above.push_back({.node = inner, .live = 0, .first_leaf = level[i].first_leaf});
    }
    auto* const inner = static_cast<IndexInner*>(above.back().node);
    if (inner->count > 0) {
      const IndexLeaf& left = *leaves_[level[i].first_leaf - 1];
      const IndexLeaf& right = *leaves_[level[i].first_leaf];
      Separator* const separator = Separator::New(
          birth_, ShortestAbove(left.entries[left.count - 1U]->key(), right.entries[0]->key()));
      inner->Insert(inner->count, separator, level[i].node, level[i].live);
    } else {
      inner->Begin(level[i].node, level[i].live);
    }
    above.back().live += level[i].live;
  }
  return above;
}

void IndexBuilder::Install(Index* index) {
  CHECK(index->root_ == nullptr);
  CHECK_EQ(index->working_, birth_);
  if (leaves_.empty()) {
    return;
  }
  uint64_t keys = 0;
  for (const IndexLeaf* const leaf : leaves_) {
    keys += leaf->count;
  }
  std::vector<Child> level = LeafLevel();
  while (level.size() > 1) {
    level = LevelAbove(level);
  }
  index->root_ = level[0].node;
  index->live_ = level[0].live;
  index->keys_ = keys;
  leaves_.clear();
}

}  // namespace socle::mvcc
