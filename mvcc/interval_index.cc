#include "mvcc/interval_index.h"

#include <algorithm>
#include <compare>

#include "kv/base/check.h"

namespace socle::mvcc {
namespace {

// Ends in order, no end after all of them.
std::strong_ordering CompareEnds(std::string_view a, bool is_a_open, std::string_view b,
                                 bool is_b_open) {
  if (is_a_open || is_b_open) {
    return is_a_open <=> is_b_open;
  }
  return a <=> b;
}

std::strong_ordering CompareIntervals(std::string_view begin, std::string_view end, bool is_open,
                                      const IntervalNode& node) {
  const std::strong_ordering begins = begin <=> std::string_view(node.begin);
  return begins != 0 ? begins : CompareEnds(end, is_open, node.end, node.is_open);
}

std::strong_ordering CompareNodes(const IntervalNode& a, const IntervalNode& b) {
  return CompareIntervals(a.begin, a.end, a.is_open, b);
}

const IntervalNode* LaterEnd(const IntervalNode* a, const IntervalNode* b) {
  return CompareEnds(a->end, a->is_open, b->end, b->is_open) < 0 ? b : a;
}

}  // namespace

IntervalNode* IntervalIndex::Find(std::string_view begin, std::string_view end,
                                  bool is_open) const {
  IntervalNode* node = root_;
  while (node != nullptr) {
    const std::strong_ordering order = CompareIntervals(begin, end, is_open, *node);
    if (order == 0) {
      return node;
    }
    node = order < 0 ? node->left_ : node->right_;
  }
  return nullptr;
}

void IntervalIndex::Insert(IntervalNode* node) {
  node->left_ = nullptr;
  node->right_ = nullptr;
  Update(node);
  root_ = InsertBelow(root_, node);
  ++size_;
}

void IntervalIndex::Remove(IntervalNode* node) {
  root_ = RemoveBelow(root_, node);
  --size_;
}

IntervalNode* IntervalIndex::InsertBelow(IntervalNode* root, IntervalNode* node) {
  if (root == nullptr) {
    return node;
  }
  const std::strong_ordering order = CompareNodes(*node, *root);
  CHECK(order != 0);
  if (order < 0) {
    root->left_ = InsertBelow(root->left_, node);
  } else {
    root->right_ = InsertBelow(root->right_, node);
  }
  return Balance(root);
}

IntervalNode* IntervalIndex::RemoveBelow(IntervalNode* root, const IntervalNode* node) {
  CHECK(root != nullptr);
  if (root != node) {
    if (CompareNodes(*node, *root) < 0) {
      root->left_ = RemoveBelow(root->left_, node);
    } else {
      root->right_ = RemoveBelow(root->right_, node);
    }
    return Balance(root);
  }
  if (root->left_ == nullptr || root->right_ == nullptr) {
    return root->left_ != nullptr ? root->left_ : root->right_;
  }
  // Nodes are the caller's: the next one takes the place, nothing is copied.
  IntervalNode* next = nullptr;
  IntervalNode* const rest = TakeFirst(root->right_, &next);
  next->left_ = root->left_;
  next->right_ = rest;
  return Balance(next);
}

IntervalNode* IntervalIndex::TakeFirst(IntervalNode* root, IntervalNode** first) {
  if (root->left_ == nullptr) {
    *first = root;
    return root->right_;
  }
  root->left_ = TakeFirst(root->left_, first);
  return Balance(root);
}

IntervalNode* IntervalIndex::Balance(IntervalNode* node) {
  const auto lean = [](const IntervalNode* at) {
    return (at->left_ != nullptr ? at->left_->height_ : 0) -
           (at->right_ != nullptr ? at->right_->height_ : 0);
  };
  Update(node);
  if (lean(node) > 1) {
    if (lean(node->left_) < 0) {
      node->left_ = RotateLeft(node->left_);
    }
    return RotateRight(node);
  }
  if (lean(node) < -1) {
    if (lean(node->right_) > 0) {
      node->right_ = RotateRight(node->right_);
    }
    return RotateLeft(node);
  }
  return node;
}

IntervalNode* IntervalIndex::RotateLeft(IntervalNode* node) {
  IntervalNode* const top = node->right_;
  node->right_ = top->left_;
  Update(node);
  top->left_ = node;
  Update(top);
  return top;
}

IntervalNode* IntervalIndex::RotateRight(IntervalNode* node) {
  IntervalNode* const top = node->left_;
  node->left_ = top->right_;
  Update(node);
  top->right_ = node;
  Update(top);
  return top;
}

void IntervalIndex::Update(IntervalNode* node) {
  node->height_ = 1;
  node->last_ = node;
  for (const IntervalNode* const child : {node->left_, node->right_}) {
    if (child != nullptr) {
      node->height_ = std::max(node->height_, child->height_ + 1);
      node->last_ = LaterEnd(node->last_, child->last_);
    }
  }
}

void IntervalIndex::CheckInvariants() const {
  CHECK_EQ(CheckBelow(root_), size_);
}

size_t IntervalIndex::CheckBelow(const IntervalNode* node) {
  if (node == nullptr) {
    return 0;
  }
  const size_t size = 1 + CheckBelow(node->left_) + CheckBelow(node->right_);
  int height_left = 0;
  int height_right = 0;
  const IntervalNode* last = node;
  if (node->left_ != nullptr) {
    CHECK(CompareNodes(*node->left_, *node) < 0);
    height_left = node->left_->height_;
    last = LaterEnd(last, node->left_->last_);
  }
  if (node->right_ != nullptr) {
    CHECK(CompareNodes(*node, *node->right_) < 0);
    height_right = node->right_->height_;
    last = LaterEnd(last, node->right_->last_);
  }
  CHECK_LE(std::max(height_left, height_right) - std::min(height_left, height_right), 1);
  CHECK_EQ(node->height_, 1 + std::max(height_left, height_right));
  CHECK(CompareEnds(last->end, last->is_open, node->last_->end, node->last_->is_open) == 0);
  return size;
}

}  // namespace socle::mvcc
