// TreeEdit: puts and deletes in the tree of one bucket, on dirty copies of its pages.
//
// Laws     1. Separators are lower bounds of their child; keys lie below the next separator.
//          2. Each page fits one page of the file, except a leaf with a single large entry, or a
//             branch with fewer than four entries of large keys.
//          3. Appending behind the last key leaves full pages; others are cut in the middle.
//          4. A page that a delete leaves under a quarter full is merged with a sibling when both
//             fit one page; an empty one is removed, a root with one child makes way for it.
// Threads  confined to the writer.
// Memory   views that Get returns live until the next change of the transaction.
// Errors   DataLoss: the tree may be half edited then, the transaction must not commit.
// Source   spec etcd 3.3 (our rules differ where only file size is concerned).
#ifndef SOCLE_KV_BOLT_TREE_EDIT_H_
#define SOCLE_KV_BOLT_TREE_EDIT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "kv/bolt/page.h"
#include "kv/bolt/page_edit.h"
#include "kv/bolt/txn_pages.h"

namespace socle::kv::bolt {

// A walk of TreeEdit::Move, which may be spread over transactions.
struct MoveWalk {
  PageId line{};            // pages from here on are to move
  uint64_t pages_max = 0;   // stop when the transaction made as many pages …
  uint64_t visits_max = 0;  // … or as many leaves were looked at
  // Where to go on: a key of the root tree, below it one of that bucket, and so on. Empty: at the
  // beginning; also when the walk is over.
  std::vector<std::string> at{};
  bool is_over = false;
};

class TreeEdit {
 public:
  // `pages` must outlive the tree.
  TreeEdit(TxnPages* pages, PageRef root) : pages_(pages), root_(root) {}

  // nullopt: no such key.
  absl::Status Get(std::string_view key, std::optional<Entry>* found);

  // Sets key and value; `flags` marks a bucket. FailedPrecondition when the key exists with other
  // flags.
  absl::Status Put(const Entry& entry);

  // OK when there is no such key. FailedPrecondition when it exists with other flags.
  absl::Status Delete(std::string_view key, uint32_t flags);

  // Gives all pages of the tree, and of the buckets inside it, back.
  absl::Status DropAll();

  // Goes on with a walk over the leaves of the tree and of the buckets inside it, in key order:
  // pages at and above its line become dirty, so that the commit finds other places for them, and
  // runs of sparse leaves are packed into fewer, full ones. `nesting`: 0 for the root of the file.
  absl::Status Move(MoveWalk* walk, uint32_t nesting);

  PageRef root() const { return root_; }

  bool modified() const { return modified_; }

  void set_modified() { modified_ = true; }

 private:
  struct Level {
    PageRef ref{};
    uint32_t index = 0;
  };

  // Finds the leaf of `key` (from the finger when it covers it) and its place there.
  absl::Status Locate(std::string_view key, bool* exact);
  absl::Status Descend(std::string_view key);

  // Makes every page of the path dirty, or those of its first `levels`.
  absl::Status TouchPath() { return TouchPath(depth_); }

  absl::Status TouchPath(uint32_t levels);
  // Makes the separators above the first leaf of the path <= key. Sets *moved when the path is no
  // longer valid.
  absl::Status LowerSeparators(std::string_view key, bool* moved);

  // Puts entries at `index` of the page at `level`, cutting it when they don't fit.
  absl::Status Splice(uint32_t level, uint32_t index, std::span<const Entry> entries);
  absl::Status Cut(uint32_t level, uint32_t index, std::span<const Entry> entries);
  // True when `index` is the end of the last page of its level.
  bool IsTreeEnd(uint32_t level, uint32_t index) const;

  // Restores law 4 from `level` up after a removal.
  absl::Status Shrink(uint32_t level);
  absl::Status ShrinkRoot();
  // Sets *merged when the page at `level` became one with a sibling.
  absl::Status MergeWithSibling(uint32_t level, bool* merged);
  absl::Status MergeWithLeft(uint32_t level, bool* merged);
  absl::Status MergeWithRight(uint32_t level, bool* merged);
  absl::Status AppendAll(const PageView& from, DirtyPage* to) const;

  // Touches the path down to its last page that reaches over the line.
  absl::Status MovePath(PageId line);
  // Moves the buckets inside the leaf from `key` on. Clears *is_over when the walk has to stop.
  absl::Status MoveNested(MoveWalk* walk, uint32_t nesting, const std::string& key);
  absl::Status MoveBucket(MoveWalk* walk, uint32_t nesting, const Entry& entry);
  // Packs the leaf with those behind it where that saves enough. Sets *key to the first key of the
  // last leaf made, or leaves everything as it is.
  absl::Status Pack(std::string* key, bool* packed);
  // How many leaves below the parent, from that of the path on, are worth packing; 0: none.
  absl::Status FindRun(uint32_t* run) const;
  absl::Status ReplaceRun(uint32_t run, std::string* key);

  absl::Status DropPage(PageRef ref, uint32_t depth);
  absl::Status DropNested(const PageView& leaf, PageId owner, uint32_t depth);

  absl::Status BrokenElement(const PageView& page) const;

  DirtyPage* At(uint32_t level) const { return pages_->Dirty(path_[level].ref); }

  TxnPages* const pages_;
  PageRef root_;
  bool modified_ = false;

  // The finger: the path of the last operation, and the keys that its leaf covers.
  std::array<Level, kDepthMax> path_{};
  uint32_t depth_ = 0;  // 0: no finger
  bool path_dirty_ = false;
  bool has_low_ = false;  // false when the root is the leaf
  bool has_high_ = false;
  std::string low_;   // separator of the leaf
  std::string high_;  // next separator
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_TREE_EDIT_H_
