// The half of TreeEdit that makes trees smaller: merging, collapsing, dropping.
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/tree_edit.h"

namespace socle::kv::bolt {

absl::Status TreeEdit::Shrink(uint32_t level) {
  if (level == 0) {
    return ShrinkRoot();
  }
  DirtyPage* page = At(level);
  DirtyPage* parent = At(level - 1);
  if (page->count() == 0) {
    const PageRef empty = path_[level].ref;
    parent->Remove(path_[level - 1].index);
    depth_ = 0;
    RETURN_IF_ERROR(pages_->Drop(empty));
    return Shrink(level - 1);
  }
  const bool small = page->used() < pages_->page_size() / 4;
  if (!small && (page->is_leaf() || page->count() > 1)) {
    return absl::OkStatus();
  }
  bool merged = false;
  RETURN_IF_ERROR(MergeWithSibling(level, &merged));
  if (!merged) {
    return absl::OkStatus();
  }
  depth_ = 0;
  return Shrink(level - 1);
}

absl::Status TreeEdit::ShrinkRoot() {
  while (true) {
    PageView page;
    RETURN_IF_ERROR(pages_->View(root_, &page));
    if (page.is_leaf() || page.count() > 1) {
      return absl::OkStatus();
    }
    depth_ = 0;
    const PageRef old = root_;
    if (page.count() == 0) {
      root_ = pages_->New(kLeafPage, 0);
    } else {
      PROBE("bolt: root with one child collapses");
      root_ = PageRef{page.ChildAt(0)};
      if (!IsDirty(old) && IsDirty(root_)) {
        return pages_->reader().Broken(page.id(), "has an impossible child");
      }
    }
    RETURN_IF_ERROR(pages_->Drop(old));
  }
}

absl::Status TreeEdit::MergeWithSibling(uint32_t level, bool* merged) {
  RETURN_IF_ERROR(MergeWithLeft(level, merged));
  return *merged ? absl::OkStatus() : MergeWithRight(level, merged);
}

absl::Status TreeEdit::AppendAll(const PageView& from, DirtyPage* to) const {
  Entry entry;
  for (uint32_t i = 0; i < from.count(); ++i) {
    if (!from.EntryAt(i, &entry)) {
      return BrokenElement(from);
    }
    to->Insert(to->count(), entry);
  }
  return absl::OkStatus();
}

absl::Status TreeEdit::MergeWithLeft(uint32_t level, bool* merged) {
  Level& above = path_[level - 1];
  if (above.index == 0) {
    return absl::OkStatus();
  }
  DirtyPage* parent = At(level - 1);
  const PageRef left{parent->At(above.index - 1).child};
  PageView left_page;
  RETURN_IF_ERROR(pages_->View(left, &left_page));
  uint64_t left_used = 0;
  if (!left_page.UsedBytes(&left_used) || left_page.is_leaf() != At(level)->is_leaf()) {
    return pages_->reader().Broken(left_page.id(),
                                   "is broken, or of another kind than its sibling");
  }
  const uint64_t used = left_used + At(level)->used() - kHeaderBytes;
  const PageLimits limits{.page_size = pages_->page_size(), .entries_min = 1};
  if (!limits.Fits(used, left_page.count() + At(level)->count())) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const PageRef target, pages_->Touch(left));
  parent->SetChild(above.index - 1, Raw(target));
  RETURN_IF_ERROR(AppendAll(At(level)->view(), pages_->Dirty(target)));
  RETURN_IF_ERROR(pages_->Drop(path_[level].ref));
  parent->Remove(above.index);
  *merged = true;
  return absl::OkStatus();
}

absl::Status TreeEdit::MergeWithRight(uint32_t level, bool* merged) {
  const Level& above = path_[level - 1];
  DirtyPage* parent = At(level - 1);
  if (above.index + 1 >= parent->count()) {
    return absl::OkStatus();
  }
  const PageRef right{parent->At(above.index + 1).child};
  PageView right_page;
  RETURN_IF_ERROR(pages_->View(right, &right_page));
  DirtyPage* page = At(level);
  uint64_t right_used = 0;
  if (!right_page.UsedBytes(&right_used) || right_page.is_leaf() != page->is_leaf()) {
    return pages_->reader().Broken(right_page.id(),
                                   "is broken, or of another kind than its sibling");
  }
  const uint64_t used = right_used + page->used() - kHeaderBytes;
  const PageLimits limits{.page_size = pages_->page_size(), .entries_min = 1};
  if (!limits.Fits(used, page->count() + right_page.count())) {
    return absl::OkStatus();
  }
  if (IsDirty(right)) {
    RETURN_IF_ERROR(AppendAll(right_page, page));
    RETURN_IF_ERROR(pages_->Drop(right));
  } else {
    // Copied once more, so that what gets into a dirty page is validated (law 3 of TxnPages).
    ASSIGN_OR_RETURN(const PageRef copy, pages_->Touch(right));
    RETURN_IF_ERROR(AppendAll(pages_->Dirty(copy)->view(), page));
    RETURN_IF_ERROR(pages_->Drop(copy));
  }
  parent->Remove(above.index + 1);
  *merged = true;
  return absl::OkStatus();
}

absl::Status TreeEdit::DropAll() {
  depth_ = 0;
  modified_ = true;
  RETURN_IF_ERROR(DropPage(root_, 0));
  root_ = pages_->New(kLeafPage, 0);
  return absl::OkStatus();
}

absl::Status TreeEdit::DropPage(PageRef ref, uint32_t depth) {
  PageView page;
  RETURN_IF_ERROR(pages_->View(ref, &page));
  if (depth == kDepthMax) {
    return pages_->reader().Broken(page.id(), "tree is too deep, or a cycle");
  }
  if (page.is_leaf()) {
    RETURN_IF_ERROR(DropNested(page, page.id(), depth));
    return pages_->Drop(ref);
  }
  for (uint32_t i = 0; i < page.count(); ++i) {
    const PageRef child{page.ChildAt(i)};
    if (!IsDirty(ref) && IsDirty(child)) {
      return pages_->reader().Broken(page.id(), fmt::format("has child page {}", Raw(child)));
    }
    RETURN_IF_ERROR(DropPage(child, depth + 1));
  }
  return pages_->Drop(ref);
}

absl::Status TreeEdit::DropNested(const PageView& leaf, PageId owner, uint32_t depth) {
  Entry entry;
  for (uint32_t i = 0; i < leaf.count(); ++i) {
    if (!leaf.EntryAt(i, &entry)) {
      return BrokenElement(leaf);
    }
    if (!entry.is_bucket()) {
      continue;
    }
    PROBE("bolt: nested bucket dropped");
    BucketRoot nested;
    RETURN_IF_ERROR(pages_->reader().ParseBucket(entry.value, owner, &nested));
    if (!nested.is_inline) {
      if (Raw(nested.root) >= Raw(pages_->reader().high_water())) {
        return pages_->reader().Broken(owner, "nested bucket has an impossible root");
      }
      RETURN_IF_ERROR(DropPage(RefOf(nested.root), depth + 1));
    } else if (depth + 1 < kDepthMax) {
      RETURN_IF_ERROR(DropNested(nested.inline_page, owner, depth + 1));
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
