// IndexBuilder: makes an index tree from entries in key order, leaf by leaf, without a descent.
//
// Laws     1. Keys come strictly ascending. Leaves are left a few slots short of full, so that the
//             first insertions do not split all of them.
//          2. Parts made by different threads are joined in key order.
// Threads  thread-compatible.
// Memory   owns the entries until Install.
#ifndef SOCLE_MVCC_INDEX_BUILDER_H_
#define SOCLE_MVCC_INDEX_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mvcc/index.h"
#include "mvcc/index_node.h"
#include "mvcc/key_entry.h"

namespace socle::mvcc {

class IndexBuilder {
 public:
  // For an index that is still empty.
  explicit IndexBuilder(const Index& index) : birth_(index.working_) {}

  ~IndexBuilder();
  IndexBuilder(const IndexBuilder&) = delete;
  IndexBuilder& operator=(const IndexBuilder&) = delete;

  // A new entry for the next key; the caller fills it before the next call.
  KeyEntry* AppendKey(std::string_view key);
  // Takes all of `right`, whose keys are above.
  void AppendPart(IndexBuilder* right);

  uint64_t birth() const { return birth_; }

  // Gives the tree to the index it was begun for, which must still be empty.
  void Install(Index* index);

 private:
  static constexpr size_t kLeafFill = kLeafMax - 8;
  static constexpr size_t kInnerFill = kInnerMax - 8;

  struct Child {
    IndexNode* node;
    uint64_t live;
    size_t first_leaf;
  };

  std::vector<Child> LeafLevel();
  std::vector<Child> LevelAbove(const std::vector<Child>& level) const;

  const uint64_t birth_;
  std::vector<IndexLeaf*> leaves_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_INDEX_BUILDER_H_
