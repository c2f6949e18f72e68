// IntervalIndex: finds which of many key intervals contain a key.
//
//   An AVL tree ordered by (begin, end). Each node also knows the interval of its subtree that ends
//   last, so that a subtree which ends before the key is left out as a whole:
//
//                 [f, k)  ends last: open              Visit("g"): [f, k) contains it; the left
//                 /    \                               subtree ends at "e": left out; the right
//      [b, e) last e    [h, …)  last: open             one begins at "h": left out
//
// Laws     1. At most one node for an interval; who needs more derives from IntervalNode and keeps a
//             list in it.
//          2. Insert, Find and Remove cost O(log n) comparisons of keys, whatever the order of
//             insertion. Visit costs O(log n) when nothing matches and at most that for each match;
//             matches that lie together share it.
//          3. The single key k is the interval [k, k + zero byte).
// Threads  thread-compatible.
// Memory   nodes belong to the caller and stay where they are while they are in the index.
// Source   augmented search trees (CLRS, interval trees).
#ifndef SOCLE_MVCC_INTERVAL_INDEX_H_
#define SOCLE_MVCC_INTERVAL_INDEX_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace socle::mvcc {

struct IntervalNode {
  std::string begin;
  std::string end;       // exclusive
  bool is_open = false;  // no end; `end` is empty

  bool Contains(std::string_view key) const { return begin <= key && EndsAfter(key); }

  bool EndsAfter(std::string_view key) const { return is_open || key < end; }

 private:
  friend class IntervalIndex;
  IntervalNode* left_ = nullptr;
  IntervalNode* right_ = nullptr;
  const IntervalNode* last_ = nullptr;  // of this subtree, the one that ends last
  int height_ = 1;
};

class IntervalIndex {
 public:
  // The node of exactly this interval, or null.
  IntervalNode* Find(std::string_view begin, std::string_view end, bool is_open) const;
  // Requires that its interval is not in the index.
  void Insert(IntervalNode* node);
  // Requires that the node is in the index.
  void Remove(IntervalNode* node);

  // Calls `visit(IntervalNode*)` for every interval that contains the key, by (begin, end).
  template <typename Visit>
  void VisitContaining(std::string_view key, const Visit& visit) const {
    VisitBelow(root_, key, visit);
  }

  size_t size() const { return size_; }

  // CHECKs order, balance and what each node knows of its subtree. O(n).
  void CheckInvariants() const;

 private:
  // The recursions are as deep as the tree is high: under 1.45 log2(n).
  template <typename Visit>
  static void VisitBelow(IntervalNode* node, std::string_view key, const Visit& visit) {
    while (node != nullptr && node->last_->EndsAfter(key)) {
      VisitBelow(node->left_, key, visit);
      if (key < node->begin) {
        return;
      }
      if (node->EndsAfter(key)) {
        visit(node);
      }
      node = node->right_;
    }
  }

  static IntervalNode* InsertBelow(IntervalNode* root, IntervalNode* node);
  static IntervalNode* RemoveBelow(IntervalNode* root, const IntervalNode* node);
  static IntervalNode* TakeFirst(IntervalNode* root, IntervalNode** first);
  static IntervalNode* Balance(IntervalNode* node);
  static IntervalNode* RotateLeft(IntervalNode* node);
  static IntervalNode* RotateRight(IntervalNode* node);
  static void Update(IntervalNode* node);
  static size_t CheckBelow(const IntervalNode* node);

  IntervalNode* root_ = nullptr;
  size_t size_ = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_INTERVAL_INDEX_H_
