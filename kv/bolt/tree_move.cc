// The half of TreeEdit that moves trees: to lower pages, and into fewer.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/tree_edit.h"

namespace socle::kv::bolt {
namespace {

// Leaves that are packed together, at most: bounds how much one step can exceed its budget.
constexpr uint32_t kRunMax = 16;
// Packing must save at least one leaf in this many, or the writing is not worth it.
constexpr uint32_t kRunPerSaved = 8;

// Counts the pages that entries fill when put one behind the other.
class FullPages {
 public:
  explicit FullPages(uint64_t page_size) : page_size_(page_size) {}

  // True when the entry begins a page.
  bool Add(const Entry& entry) {
    const bool begins =
        count_ == 0 || used_ + entry.bytes() > page_size_ || entries_ == kElementsMax;
    if (begins) {
      ++count_;
      used_ = kHeaderBytes;
      entries_ = 0;
    }
    used_ += entry.bytes();
    ++entries_;
    return begins;
  }

  uint32_t count() const { return count_; }

 private:
  const uint64_t page_size_;
  uint64_t used_ = 0;
  uint32_t entries_ = 0;
  uint32_t count_ = 0;
};

}  // namespace

absl::Status TreeEdit::Move(MoveWalk* walk, uint32_t nesting) {
  if (nesting == kDepthMax) {
    return pages_->reader().Broken(PageId{Raw(root_)}, "buckets are nested too deep");
  }
  std::string key = nesting < walk->at.size() ? walk->at[nesting] : std::string();
  while (true) {
    if (pages_->made_pages() >= walk->pages_max || walk->visits_max == 0) {
      walk->at.resize(nesting);
      walk->at.push_back(std::move(key));
      walk->is_over = false;
      return absl::OkStatus();
    }
    --walk->visits_max;
    RETURN_IF_ERROR(Descend(key));
    bool packed = false;
    RETURN_IF_ERROR(Pack(&key, &packed));
    if (packed) {
      continue;  // the last leaf made may take more
    }
    RETURN_IF_ERROR(MovePath(walk->line));
    walk->is_over = true;
    RETURN_IF_ERROR(MoveNested(walk, nesting, key));
    if (!walk->is_over) {
      return absl::OkStatus();
    }
    if (!has_high_) {
      walk->at.resize(std::min<size_t>(walk->at.size(), nesting));
      return absl::OkStatus();
    }
    key = high_;
  }
}

absl::Status TreeEdit::MovePath(PageId line) {
  uint32_t levels = 0;
  for (uint32_t level = 0; level < depth_; ++level) {
    if (IsDirty(path_[level].ref)) {
      continue;
    }
    PageView page;
    RETURN_IF_ERROR(pages_->View(path_[level].ref, &page));
    if (page.id() + page.extent() / pages_->page_size() > line) {
      levels = level + 1;
    }
  }
  return levels == 0 ? absl::OkStatus() : TouchPath(levels);
}

absl::Status TreeEdit::MoveNested(MoveWalk* walk, uint32_t nesting, const std::string& key) {
  PageView leaf;
  RETURN_IF_ERROR(pages_->View(path_[depth_ - 1].ref, &leaf));
  uint32_t index = 0;
  bool exact = false;
  if (!leaf.LowerBound(key, &index, &exact)) {
    return BrokenElement(leaf);
  }
  if (!exact && walk->at.size() > nesting) {
    walk->at.resize(nesting);  // the bucket that the walk stopped in is gone
  }
  for (; index < leaf.count(); ++index) {
    if ((leaf.FlagsAt(index) & kBucketElement) == 0) {
      walk->at.resize(std::min<size_t>(walk->at.size(), nesting));
      continue;
    }
    Entry entry;
    if (!leaf.EntryAt(index, &entry)) {
      return BrokenElement(leaf);
    }
    path_[depth_ - 1].index = index;
    RETURN_IF_ERROR(MoveBucket(walk, nesting, entry));
    // It may have touched the leaf.
    RETURN_IF_ERROR(pages_->View(path_[depth_ - 1].ref, &leaf));
    if (!walk->is_over) {
      if (!leaf.EntryAt(index, &entry)) {
        return BrokenElement(leaf);
      }
      walk->at[nesting].assign(entry.key);
      return absl::OkStatus();
    }
    walk->at.resize(std::min<size_t>(walk->at.size(), nesting));
  }
  return absl::OkStatus();
}

absl::Status TreeEdit::MoveBucket(MoveWalk* walk, uint32_t nesting, const Entry& entry) {
  const PageReader& reader = pages_->reader();
  const PageId owner{Raw(path_[depth_ - 1].ref) & ~kDirtyBit};
  BucketRoot bucket;
  RETURN_IF_ERROR(reader.ParseBucket(entry.value, owner, &bucket));
  if (bucket.is_inline) {
    return absl::OkStatus();
  }
  if (bucket.root >= reader.high_water()) {
    return reader.Broken(bucket.root, "root of a bucket is out of file");
  }
  if (nesting > 0) {
    PROBE("bolt: bucket inside a bucket moved");
  }
  if (walk->at.size() <= nesting) {
    walk->at.resize(nesting + 1);  // its key is filled in if the walk stops inside
  }
  TreeEdit tree(pages_, RefOf(bucket.root));
  RETURN_IF_ERROR(tree.Move(walk, nesting + 1));
  if (!tree.modified()) {
    return absl::OkStatus();
  }
  // The walk only goes forward: nothing of this bucket is touched again in this transaction.
  ASSIGN_OR_RETURN(const PageId root, pages_->Place(tree.root()));
  RETURN_IF_ERROR(TouchPath());
  std::string value(sizeof(BucketHeader), '\0');
  Store(BucketHeader{.root = Raw(root), .sequence = bucket.sequence}, value.data());
  At(depth_ - 1)->OverwriteValue(path_[depth_ - 1].index, value);
  return absl::OkStatus();
}

absl::Status TreeEdit::FindRun(uint32_t* run) const {
  *run = 0;
  const Level& above = path_[depth_ - 2];
  PageView parent;
  RETURN_IF_ERROR(pages_->View(above.ref, &parent));
  const uint64_t page_size = pages_->page_size();
  FullPages full(page_size);
  for (uint32_t i = 0; i < kRunMax && above.index + i < parent.count(); ++i) {
    const PageRef ref{parent.ChildAt(above.index + i)};
    if (!IsDirty(above.ref) && IsDirty(ref)) {
      return pages_->reader().Broken(parent.id(), fmt::format("has child page {}", Raw(ref)));
    }
    PageView leaf;
    RETURN_IF_ERROR(pages_->View(ref, &leaf));
    if (!leaf.is_leaf() || leaf.extent() > page_size) {
      return absl::OkStatus();
    }
    if (leaf.count() == 0) {
      return pages_->reader().Broken(leaf.id(), "is empty");
    }
    uint64_t used = kHeaderBytes;
    for (uint32_t k = 0; k < leaf.count(); ++k) {
      Entry entry;
      if (!leaf.EntryAt(k, &entry) || entry.bytes() > page_size - kHeaderBytes) {
        return BrokenElement(leaf);
      }
      if (entry.is_bucket()) {
        return absl::OkStatus();
      }
      used += entry.bytes();
      full.Add(entry);
    }
    if (i == 0 && used > page_size - page_size / kRunPerSaved) {
      return absl::OkStatus();
    }
    const uint32_t leaves = i + 1;
    if (full.count() < leaves && (leaves - full.count()) * kRunPerSaved >= leaves) {
      *run = leaves;
    }
  }
  return absl::OkStatus();
}

absl::Status TreeEdit::Pack(std::string* key, bool* packed) {
  *packed = false;
  if (depth_ < 2) {
    return absl::OkStatus();
  }
  uint32_t run = 0;
  RETURN_IF_ERROR(FindRun(&run));
  if (run == 0) {
    return absl::OkStatus();
  }
  PROBE("bolt: sparse leaves packed");
  RETURN_IF_ERROR(TouchPath(depth_ - 1));
  modified_ = true;
  *packed = true;
  return ReplaceRun(run, key);
}

absl::Status TreeEdit::ReplaceRun(uint32_t run, std::string* key) {
  const uint32_t level = depth_ - 2;
  const uint32_t index = path_[level].index;
  DirtyPage* parent = At(level);
  const std::string separator(parent->KeyAt(index));  // may be below the first key
  std::vector<Entry> made;
  FullPages full(pages_->page_size());
  for (uint32_t i = 0; i < run; ++i) {
    const PageRef old{parent->At(index + i).child};
    PageView leaf;
    RETURN_IF_ERROR(pages_->View(old, &leaf));
    Entry entry;
    for (uint32_t k = 0; k < leaf.count(); ++k) {
      if (!leaf.EntryAt(k, &entry)) {
        return BrokenElement(leaf);
      }
      if (full.Add(entry)) {
        made.push_back({.child = Raw(pages_->New(kLeafPage, pages_->page_size()))});
      }
      DirtyPage* page = pages_->Dirty(PageRef{made.back().child});
      page->Insert(page->count(), entry);
    }
    RETURN_IF_ERROR(pages_->Drop(old));
  }
  for (Entry& entry : made) {
    entry.key = pages_->Dirty(PageRef{entry.child})->KeyAt(0);
  }
  key->assign(made.back().key);
  made.front().key = separator;
  for (uint32_t i = 0; i < run; ++i) {
    parent->Remove(index);
  }
  RETURN_IF_ERROR(Splice(level, index, made));
  if (depth_ == 0) {
    return absl::OkStatus();  // the parent was cut: it is not small
  }
  depth_ = level + 1;  // the leaf of the path is gone
  const absl::Status status = Shrink(level);
  depth_ = 0;
  return status;
}

}  // namespace socle::kv::bolt
