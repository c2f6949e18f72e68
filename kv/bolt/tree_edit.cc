#include "kv/bolt/tree_edit.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

absl::Status TreeEdit::BrokenElement(const PageView& page) const {
  return pages_->reader().Broken(page.id(), "an element reaches out of the page");
}

absl::Status TreeEdit::Descend(std::string_view key) {
  depth_ = 0;
  path_dirty_ = true;
  has_low_ = false;
  has_high_ = false;
  uint32_t level = 0;
  PageRef ref = root_;
  while (true) {
    if (level == kDepthMax) {
      return pages_->reader().Broken(PageId{Raw(ref)}, "tree is too deep, or a cycle");
    }
    PageView page;
    RETURN_IF_ERROR(pages_->View(ref, &page));
    path_dirty_ = path_dirty_ && IsDirty(ref);
    path_[level] = {ref, 0};
    if (page.is_leaf()) {
      depth_ = level + 1;
      return absl::OkStatus();
    }
    uint32_t& index = path_[level].index;
    std::string_view separator;
    if (page.count() == 0 || !page.ChildFor(key, &index) || !page.KeyAt(index, &separator)) {
      return pages_->reader().Broken(page.id(), "branch is empty or has a broken element");
    }
    has_low_ = true;
    low_.assign(separator);
    if (index + 1 < page.count()) {
      if (!page.KeyAt(index + 1, &separator)) {
        return BrokenElement(page);
      }
      has_high_ = true;
      high_.assign(separator);
    }
    ref = PageRef{page.ChildAt(index)};
    if (!IsDirty(path_[level].ref) && IsDirty(ref)) {
      return pages_->reader().Broken(page.id(), fmt::format("has child page {}", Raw(ref)));
    }
    ++level;
  }
}

absl::Status TreeEdit::Locate(std::string_view key, bool* exact) {
  *exact = false;
  if (depth_ == 0 || (has_low_ && key < low_) || (has_high_ && key >= high_)) {
    RETURN_IF_ERROR(Descend(key));
  }
  Level& leaf = path_[depth_ - 1];
  PageView page;
  RETURN_IF_ERROR(pages_->View(leaf.ref, &page));
  // Ascending keys: most often the place is behind the last one.
  std::string_view last;
  if (page.count() > 0) {
    if (!page.KeyAt(page.count() - 1, &last)) {
      return BrokenElement(page);
    }
    if (last < key) {
      leaf.index = page.count();
      return absl::OkStatus();
    }
  }
  return page.LowerBound(key, &leaf.index, exact) ? absl::OkStatus() : BrokenElement(page);
}

absl::Status TreeEdit::TouchPath(uint32_t levels) {
  modified_ = true;
  if (path_dirty_) {
    return absl::OkStatus();
  }
  for (uint32_t level = 0; level < levels; ++level) {
    if (IsDirty(path_[level].ref)) {
      continue;
    }
    ASSIGN_OR_RETURN(const PageRef copy, pages_->Touch(path_[level].ref));
    path_[level].ref = copy;
    if (level == 0) {
      root_ = copy;
    } else {
      At(level - 1)->SetChild(path_[level - 1].index, Raw(copy));
    }
  }
  path_dirty_ = levels == depth_;
  return absl::OkStatus();
}

absl::Status TreeEdit::Get(std::string_view key, std::optional<Entry>* found) {
  found->reset();
  bool exact = false;
  RETURN_IF_ERROR(Locate(key, &exact));
  if (!exact) {
    return absl::OkStatus();
  }
  PageView page;
  RETURN_IF_ERROR(pages_->View(path_[depth_ - 1].ref, &page));
  Entry entry;
  if (!page.EntryAt(path_[depth_ - 1].index, &entry)) {
    return BrokenElement(page);
  }
  *found = entry;
  return absl::OkStatus();
}

absl::Status TreeEdit::Put(const Entry& entry) {
  bool exact = false;
  while (true) {
    RETURN_IF_ERROR(Locate(entry.key, &exact));
    if (exact) {
      PageView page;
      RETURN_IF_ERROR(pages_->View(path_[depth_ - 1].ref, &page));
      if (page.FlagsAt(path_[depth_ - 1].index) != entry.flags) {
        return absl::FailedPreconditionError("key is a bucket, or the other way round");
      }
    }
    RETURN_IF_ERROR(TouchPath());
    if (!has_low_ || entry.key >= low_) {
      break;
    }
    bool moved = false;
    RETURN_IF_ERROR(LowerSeparators(entry.key, &moved));
    if (!moved) {
      low_.assign(entry.key);
      break;
    }
  }
  const uint32_t level = depth_ - 1;
  const uint32_t index = path_[level].index;
  DirtyPage* leaf = At(level);
  if (exact) {
    if (leaf->At(index).value.size() == entry.value.size()) {
      leaf->OverwriteValue(index, entry.value);
      return absl::OkStatus();
    }
    leaf->Remove(index);
  }
  return Splice(level, index, {&entry, 1});
}

absl::Status TreeEdit::LowerSeparators(std::string_view key, bool* moved) {
  PROBE("bolt: separator lowered");
  *moved = false;
  for (uint32_t level = 0; level + 1 < depth_; ++level) {
    const uint32_t index = path_[level].index;
    DirtyPage* page = At(level);
    const Entry old = page->At(index);
    if (old.key <= key) {
      continue;
    }
    const Entry lower{.key = key, .child = old.child};
    const uint32_t depth = depth_;
    page->Remove(index);
    RETURN_IF_ERROR(Splice(level, index, {&lower, 1}));
    if (depth_ != depth) {
      *moved = true;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status TreeEdit::Splice(uint32_t level, uint32_t index, std::span<const Entry> entries) {
  DirtyPage* page = At(level);
  uint64_t used = page->used();
  for (const Entry& entry : entries) {
    used += entry.bytes();
  }
  const PageLimits limits{.page_size = pages_->page_size(), .entries_min = 1};
  if (!limits.Fits(used, page->count() + entries.size())) {
    return Cut(level, index, entries);
  }
  if (used > page->capacity()) {
    return Cut(level, index, entries);
  }
  for (const Entry& entry : entries) {
    page->Insert(index++, entry);
  }
  return absl::OkStatus();
}

bool TreeEdit::IsTreeEnd(uint32_t level, uint32_t index) const {
  if (index != At(level)->count()) {
    return false;
  }
  for (uint32_t above = 0; above < level; ++above) {
    if (path_[above].index + 1 != At(above)->count()) {
      return false;
    }
  }
  return true;
}

absl::Status TreeEdit::Cut(uint32_t level, uint32_t index, std::span<const Entry> entries) {
  DirtyPage* page = At(level);
  const bool leaf = page->is_leaf();
  const uint16_t flags = leaf ? kLeafPage : kBranchPage;
  const PageLimits limits{.page_size = pages_->page_size(), .entries_min = leaf ? 1U : 2U};
  const bool append = IsTreeEnd(level, index) && page->count() > limits.entries_min;

  std::vector<Entry> all;
  all.reserve(page->count() + entries.size());
  // Law 3: only what is behind the full page moves on; a branch takes its last child along.
  const uint32_t kept = append ? page->count() - (limits.entries_min - 1) : 0;
  for (uint32_t i = kept; i < index; ++i) {
    all.push_back(page->At(i));
  }
  all.insert(all.end(), entries.begin(), entries.end());
  for (uint32_t i = index; i < page->count(); ++i) {
    all.push_back(page->At(i));
  }
  std::vector<uint32_t> cuts = CutsFor(all, limits);
  if (append) {
    cuts.insert(cuts.begin(), 0);
  }
  cuts.push_back(static_cast<uint32_t>(all.size()));

  const auto build = [&](uint32_t begin, uint32_t end) {
    uint64_t used = kHeaderBytes;
    for (uint32_t i = begin; i < end; ++i) {
      used += all[i].bytes();
    }
    std::unique_ptr<DirtyPage> part = pages_->MakePage(flags, used);
    for (uint32_t i = begin; i < end; ++i) {
      part->Insert(i - begin, all[i]);
    }
    return part;
  };
  std::vector<Entry> siblings;
  for (size_t part = 0; part + 1 < cuts.size(); ++part) {
    const PageRef ref = pages_->Adopt(build(cuts[part], cuts[part + 1]));
    siblings.push_back({.key = pages_->Dirty(ref)->KeyAt(0), .child = Raw(ref)});
  }
  if (append) {
    while (page->count() > kept) {
      page->Remove(page->count() - 1);
    }
  } else {
    pages_->Recycle(pages_->Exchange(path_[level].ref, build(0, cuts[0])));
  }
  if (siblings.empty()) {
    return absl::OkStatus();
  }

  uint32_t parent = level - 1;
  if (level == 0) {
    // The tree grows by a level above the old root.
    const Entry old_root{.key = At(0)->KeyAt(0), .child = Raw(root_)};
    root_ = pages_->New(kBranchPage, kHeaderBytes + old_root.bytes());
    pages_->Dirty(root_)->Insert(0, old_root);
    CHECK_LT(depth_, kDepthMax);
    path_[0] = {root_, 0};
    parent = 0;
  }
  const absl::Status status = Splice(parent, path_[parent].index + 1, siblings);
  depth_ = 0;
  return status;
}

absl::Status TreeEdit::Delete(std::string_view key, uint32_t flags) {
  bool exact = false;
  RETURN_IF_ERROR(Locate(key, &exact));
  if (!exact) {
    return absl::OkStatus();
  }
  const uint32_t level = depth_ - 1;
  PageView page;
  RETURN_IF_ERROR(pages_->View(path_[level].ref, &page));
  if (page.FlagsAt(path_[level].index) != flags) {
    return absl::FailedPreconditionError("key is a bucket, or the other way round");
  }
  RETURN_IF_ERROR(TouchPath());
  At(level)->Remove(path_[level].index);
  return Shrink(level);
}

}  // namespace socle::kv::bolt
