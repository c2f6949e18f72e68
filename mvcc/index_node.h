// IndexNode: a node of the copy-on-write index tree, and the walk over a tree of them.
//
//   inner: children c0 … cn-1, separators s1 … sn-1 (si <= every key under ci, > every key under
//   ci-1),
//          live0 … liven-1 (live keys under each child at the newest revision)
//   leaf:  key entries in key order
//   both:  the heads of their keys (key_heads.h): a search touches one key per node
//
// Laws     1. A node reachable from a published root never changes.
//          2. live counts are of the newest revision of that root: count and skip in O(log n)
//             there.
//          3. What changes a node's keys goes through its functions, which keep the heads right.
// Threads  immutable once published.
// Source   DESIGN 3 (mvcc); google/btree's ownership token.
#ifndef SOCLE_MVCC_INDEX_NODE_H_
#define SOCLE_MVCC_INDEX_NODE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mvcc/key_entry.h"
#include "mvcc/key_heads.h"

namespace socle::mvcc {

inline constexpr size_t kLeafMax = 64;
inline constexpr size_t kInnerMax = 64;

// A separator key: shared by the copies of an inner node, freed when the last of them may be.
struct Separator {
  uint64_t birth = 0;
  uint32_t size = 0;

  std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size}; }

  static Separator* New(uint64_t birth, std::string_view key);
  static void Delete(Separator* separator);
};

struct IndexNode {
  uint64_t birth = 0;  // index version that may change it
  uint16_t count = 0;
  bool is_leaf = false;
};

struct IndexLeaf : IndexNode {
  uint64_t live_bits = 0;  // bit i: entries[i] is live
  KeyHeads<kLeafMax> heads;
  std::array<KeyEntry*, kLeafMax> entries;  // the first `count`

  using Place = KeyHeads<kLeafMax>::Place;

  auto KeyAt() const {
    return [this](size_t i) { return entries[i]->key(); };
  }

  Place Find(std::string_view key) const { return heads.Find(count, key, KeyAt()); }

  uint32_t live() const { return static_cast<uint32_t>(std::popcount(live_bits)); }

  uint32_t LiveBelow(size_t position) const {
    const uint64_t below = position == kLeafMax ? ~uint64_t{0} : (uint64_t{1} << position) - 1;
    return static_cast<uint32_t>(std::popcount(live_bits & below));
  }

  void Insert(size_t position, KeyEntry* entry);
  // By another entry of the same key.
  void Replace(size_t position, KeyEntry* entry);
  void Erase(size_t position);
  void Append(const IndexLeaf& from, size_t first);
  void Truncate(size_t new_count);
  // Looks at each entry again, after they were filled in place.
  void NoteLive();
};

static_assert(kLeafMax == 64, "IndexLeaf::live_bits has 64");

struct IndexInner : IndexNode {
  KeyHeads<kInnerMax> heads;                     // of the separators: the i-th is separators[i + 1]
  std::array<IndexNode*, kInnerMax> children;    // the first `count`, as of all three
  std::array<Separator*, kInnerMax> separators;  // [0] is unused
  std::array<uint64_t, kInnerMax> live;

  auto SeparatorAt() const {
    return [this](size_t i) { return separators[i + 1]->view(); };
  }

  // The child under which `key` belongs.
  size_t ChildFor(std::string_view key) const {
    const auto place = heads.Find(count - 1U, key, SeparatorAt());
    return place.position + (place.is_equal ? 1 : 0);
  }

  // The first child of an empty node.
  void Begin(IndexNode* child, uint64_t child_live) {
    children[0] = child;
    live[0] = child_live;
    count = 1;
  }

  // The child comes to `position` >= 1, behind its separator.
  void Insert(size_t position, Separator* separator, IndexNode* child, uint64_t child_live);
  // The child goes with the separator at `separator` >= 1; needs two children.
  void Erase(size_t position, size_t separator);
  // Children from `first` on, and the separators between them, to an empty node. The separator in
  // front of them is returned.
  Separator* MoveTail(size_t first, IndexInner* to);
};

// The shortest prefix of `right` that is still above `left`: separators stay short.
std::string_view ShortestAbove(std::string_view left, std::string_view right);

// Frees a whole tree with its entries: at the end of the index, or of one that was never installed.
void DeleteTree(IndexNode* node);

// A tree as a reader sees it.
struct IndexRoot {
  const IndexNode* node = nullptr;  // null: no keys
  uint64_t live = 0;

  // Null when the key has no history.
  const KeyEntry* Find(std::string_view key) const;

  // Live keys (newest revision) below `key`. O(log n).
  uint64_t LiveBelow(std::string_view key) const;
};

// Walks key entries in key order, dead ones included.
class IndexIterator {
 public:
  explicit IndexIterator(const IndexRoot& root) : root_(root.node) {}

  // Positions at the first entry with key >= `key`.
  void Seek(std::string_view key);

  bool Valid() const { return leaf_ != nullptr; }

  void Next();

  const KeyEntry& entry() const { return *leaf_->entries[position_]; }

 private:
  static constexpr size_t kMaxHeight = 16;

  struct Step {
    const IndexInner* node;
    size_t child;
  };

  void DescendFirst(const IndexNode* node);
  void NextLeaf();

  const IndexNode* const root_;
  std::array<Step, kMaxHeight> path_{};
  size_t depth_ = 0;
  const IndexLeaf* leaf_ = nullptr;
  size_t position_ = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_INDEX_NODE_H_
