// Index: key → history, a copy-on-write B+tree that one writer changes and everybody reads.
//
// Laws     1. The writer changes nodes born in the working version and copies all others; Publish
//             ends the version.
//          2. Readers walk a published IndexRoot, which never changes; they take no lock.
//          3. Revisions come in ascending order; a tombstone is only put on a live key.
// Threads  confined to the write loop (readers have their IndexRoot).
// Memory   about 100 bytes per live key beyond the key itself (index_bench), 16 more per older
//          revision.
// Source   DESIGN 3 (mvcc); spec etcd 4.5.
#ifndef SOCLE_MVCC_INDEX_H_
#define SOCLE_MVCC_INDEX_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mvcc/index_node.h"
#include "mvcc/reclaim.h"

namespace socle::mvcc {

class Index {
 public:
  Index() = default;
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  // Requires that no view of any version is open.
  ~Index();

  // The tree with all changes so far; valid until the next change.
  IndexRoot root() const { return {.node = root_, .live = live_}; }

  const KeyEntry* Find(std::string_view key) const { return root().Find(key); }

  // Adds a revision of the key: a put, or a tombstone. `create_revision` and `version` say what the
  // stored record says (restore: predecessors may have been compacted, a tombstone before them not
  // yet); otherwise both are 0 and follow from the history.
  struct Added {
    const KeyEntry* entry = nullptr;        // with the new revision; valid until the next change
    std::optional<HistoryItem> superseded;  // what was the newest before
  };

  Added Add(std::string_view key, Revision revision, bool is_tombstone, int64_t create_revision = 0,
            int64_t version = 0);

  // Forgets what compaction at main revision `main` makes unreachable in the key's history: all
  // before the newest revision <= main, and that one too if it is a tombstone below `main`. The key
  // goes when nothing is left.
  void Compact(std::string_view key, int64_t main);

  // Ends the working version: what root() shows now may be given to readers as `version`.
  struct Version {
    IndexRoot root;
    uint64_t version = 0;
  };

  Version Publish();

  // From any thread: the view of `version` is closed.
  void NoteViewClosed(uint64_t version) { reclaimer_.NoteViewClosed(version); }

  // Frees what no open view can reach. Called once a batch.
  void Collect() { reclaimer_.Collect(); }

  // Pieces that wait for views to close.
  uint64_t waiting() const { return reclaimer_.waiting(); }

  uint64_t keys() const { return keys_; }  // live or not

  // Aborts when order, counts or separators are wrong. O(n).
  void CheckInvariants() const;

 private:
  friend class IndexBuilder;
  static constexpr size_t kMaxHeight = 16;

  struct Step {
    IndexInner* node;
    size_t child;
  };

  // The way from the root to a leaf, every node on it owned by the working version.
  struct Path {
    std::array<Step, kMaxHeight> steps{};
    size_t depth = 0;
    IndexLeaf* leaf = nullptr;
  };

  Path OwnPath(std::string_view key);
  IndexLeaf* OwnLeaf(IndexNode* node);
  IndexInner* OwnInner(IndexNode* node);
  void DropNode(IndexNode* node);
  void DropEntry(KeyEntry* entry);
  void DropHistory(History* history);
  void DropSeparator(Separator* separator);

  KeyEntry* NewerEntry(const KeyEntry& old, HistoryItem item);
  void AppendOlder(KeyEntry* entry, HistoryItem item);
  KeyEntry* WithoutOldest(const KeyEntry& old, uint32_t drop);

  void InsertEntry(Path* path, size_t position, KeyEntry* entry);
  void SplitLeaf(Path* path);
  void InsertChild(Path* path, Separator* separator, IndexNode* right, uint64_t right_live);
  void SplitInner(Path* path);
  void RemoveEntry(Path* path, size_t position);
  void RemoveChild(Path* path);
  void MergeLeaf(Path* path);
  void AddLive(Path* path, int64_t change);

  IndexNode* root_ = nullptr;
  uint64_t live_ = 0;
  uint64_t keys_ = 0;
  uint64_t working_ = 1;  // version being made
  Reclaimer reclaimer_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_INDEX_H_
