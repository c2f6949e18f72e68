#include "mvcc/index.h"

#include <algorithm>
#include <utility>

#include "kv/base/check.h"

namespace socle::mvcc {
namespace {

constexpr uint32_t kFirstHistoryCapacity = 2;
// A leaf below this many entries is merged with a neighbour when both fit into one.
constexpr size_t kLeafMin = kLeafMax / 4;

void DeleteLeaf(void* node) {
  delete static_cast<IndexLeaf*>(static_cast<IndexNode*>(node));
}

void DeleteInner(void* node) {
  delete static_cast<IndexInner*>(static_cast<IndexNode*>(node));
}

void DeleteEntry(void* entry) {
  KeyEntry::Delete(static_cast<KeyEntry*>(entry));
}

void DeleteHistory(void* history) {
  History::Delete(static_cast<History*>(history));
}

void DeleteSeparator(void* separator) {
  Separator::Delete(static_cast<Separator*>(separator));
}

// How many of the oldest items no read at `main` or later can need.
uint32_t UnreachableOlder(const KeyEntry& entry, int64_t main) {
  uint32_t below = 0;
  while (below < entry.older_count && entry.Older(below).main() <= main) {
    ++below;
  }
  if (entry.newest.main() <= main || below == 0) {
    return below;
  }
  // The newest item at or below `main` is what a read at `main` finds, unless it is an older
  // tombstone.
  const HistoryItem& last = entry.Older(below - 1);
  return last.is_tombstone() && last.main() < main ? below : below - 1;
}

uint64_t LiveOf(const IndexInner& inner) {
  uint64_t live = 0;
  for (size_t i = 0; i < inner.count; ++i) {
    live += inner.live[i];
  }
  return live;
}

}  // namespace

Index::~Index() {
  reclaimer_.Collect();
  CHECK(!reclaimer_.has_open_views());  // A result outlived the store.
  if (root_ != nullptr) {
    DeleteTree(root_);
  }
}

Index::Version Index::Publish() {
  const Version version{.root = root(), .version = working_};
  reclaimer_.NoteViewOpened(working_);
  ++working_;
  return version;
}

IndexLeaf* Index::OwnLeaf(IndexNode* node) {
  auto* leaf = static_cast<IndexLeaf*>(node);
  if (leaf->birth == working_) {
    return leaf;
  }
  auto* const copy = new IndexLeaf(*leaf);
  copy->birth = working_;
  DropNode(leaf);
  return copy;
}

IndexInner* Index::OwnInner(IndexNode* node) {
  auto* inner = static_cast<IndexInner*>(node);
  if (inner->birth == working_) {
    return inner;
  }
  auto* const copy = new IndexInner(*inner);
  copy->birth = working_;
  DropNode(inner);
  return copy;
}

void Index::DropNode(IndexNode* node) {
  reclaimer_.Drop(node, node->is_leaf ? &DeleteLeaf : &DeleteInner, node->birth, working_);
}

void Index::DropEntry(KeyEntry* entry) {
  reclaimer_.Drop(entry, &DeleteEntry, entry->birth, working_);
}

void Index::DropHistory(History* history) {
  reclaimer_.Drop(history, &DeleteHistory, history->birth, working_);
}

void Index::DropSeparator(Separator* separator) {
  reclaimer_.Drop(separator, &DeleteSeparator, separator->birth, working_);
}

Index::Path Index::OwnPath(std::string_view key) {
  Path path;
  if (root_ == nullptr) {
    auto* const leaf = new IndexLeaf;
    leaf->birth = working_;
    leaf->is_leaf = true;
    root_ = leaf;
  }
  IndexNode** link = &root_;
  while (!(*link)->is_leaf) {
    IndexInner* const inner = OwnInner(*link);
    *link = inner;
    const size_t child = inner->ChildFor(key);
    CHECK_LT(path.depth, kMaxHeight);
    path.steps[path.depth++] = {.node = inner, .child = child};
    link = &inner->children[child];
  }
  path.leaf = OwnLeaf(*link);
  *link = path.leaf;
  return path;
}

void Index::AddLive(Path* path, int64_t change) {
  for (size_t i = 0; i < path->depth; ++i) {
    Step& step = path->steps[i];
    step.node->live[step.child] += static_cast<uint64_t>(change);
  }
  live_ += static_cast<uint64_t>(change);
}

Index::Added Index::Add(std::string_view key, Revision revision, bool is_tombstone,
                        int64_t create_revision, int64_t version) {
  Added added;
  const HistoryItem item(revision, is_tombstone);
  Path path = OwnPath(key);
  const auto [position, is_known] = path.leaf->Find(key);
  KeyEntry* entry = nullptr;
  bool was_live = false;
  if (is_known) {
    KeyEntry* const old = path.leaf->entries[position];
    CHECK(old->newest.revision() < revision);
    was_live = old->is_live();
    added.superseded = old->newest;
    CHECK(was_live || !is_tombstone);
    entry = NewerEntry(*old, item);
    path.leaf->Replace(position, entry);
    DropEntry(old);
  } else {
    entry = KeyEntry::New(working_, key);
    entry->newest = item;
    InsertEntry(&path, position, entry);
    ++keys_;
  }
  if (!is_tombstone) {
    entry->create_revision = was_live ? entry->create_revision : revision.main;
    entry->version = was_live ? entry->version + 1 : 1;
    if (create_revision != 0) {
      entry->create_revision = create_revision;
      entry->version = version;
    }
  }
  if (is_known && was_live != entry->is_live()) {
    AddLive(&path, entry->is_live() ? 1 : -1);
  }
  added.entry = entry;
  return added;
}

KeyEntry* Index::NewerEntry(const KeyEntry& old, HistoryItem item) {
  KeyEntry* const entry = KeyEntry::New(working_, old.key());
  entry->create_revision = old.create_revision;
  entry->version = old.version;
  entry->history = old.history;
  entry->older_first = old.older_first;
  entry->older_count = old.older_count;
  AppendOlder(entry, old.newest);
  entry->newest = item;
  return entry;
}

void Index::AppendOlder(KeyEntry* entry, HistoryItem item) {
  History* history = entry->history;
  if (history == nullptr || history->used == history->capacity) {
    const uint32_t capacity = history == nullptr
                                  ? kFirstHistoryCapacity
                                  : std::max(kFirstHistoryCapacity, entry->older_count * 2);
    History* const larger = History::New(working_, capacity);
    for (uint32_t i = 0; i < entry->older_count; ++i) {
      larger->items()[i] = entry->Older(i);
    }
    larger->used = entry->older_count;
    if (history != nullptr) {
      DropHistory(history);
    }
    entry->history = larger;
    entry->older_first = 0;
    history = larger;
  }
  // Beyond the count of every published entry that shares the array (law 1 of KeyEntry).
  CHECK_EQ(history->used, entry->older_first + entry->older_count);
  history->items()[history->used++] = item;
  ++entry->older_count;
}

void Index::InsertEntry(Path* path, size_t position, KeyEntry* entry) {
  if (path->leaf->count == kLeafMax) {
    SplitLeaf(path);
    *path = OwnPath(entry->key());  // The separator decides to which half the entry belongs.
    position = path->leaf->Find(entry->key()).position;
  }
  path->leaf->Insert(position, entry);
  if (entry->is_live()) {
    AddLive(path, 1);
  }
}

void Index::SplitLeaf(Path* path) {
  IndexLeaf* const left = path->leaf;
  auto* const right = new IndexLeaf;
  right->birth = working_;
  right->is_leaf = true;
  // Keys often come in ascending order: the right end of the tree is left nearly full.
  bool is_last = true;
  for (size_t i = 0; i < path->depth; ++i) {
    is_last = is_last && path->steps[i].child + 1U == path->steps[i].node->count;
  }
  const size_t keep = is_last ? kLeafMax - 1 : kLeafMax / 2;
  right->Append(*left, keep);
  left->Truncate(keep);
  Separator* const separator = Separator::New(
      working_, ShortestAbove(left->entries[keep - 1]->key(), right->entries[0]->key()));
  InsertChild(path, separator, right, right->live());
}

void Index::InsertChild(Path* path, Separator* separator, IndexNode* right, uint64_t right_live) {
  if (path->depth == 0) {
    auto* const root = new IndexInner;
    root->birth = working_;
    root->Begin(root_, live_);
    root_ = root;
    path->steps[path->depth++] = {.node = root, .child = 0};
  } else if (path->steps[path->depth - 1].node->count == kInnerMax) {
    SplitInner(path);
  }
  Step& step = path->steps[path->depth - 1];
  IndexInner* const inner = step.node;
  inner->live[step.child] -= right_live;
  inner->Insert(step.child + 1, separator, right, right_live);
}

// Splits the lowest inner node of the path; the path then leads through the half that has its
// child.
void Index::SplitInner(Path* path) {
  const Step lowest = path->steps[path->depth - 1];
  IndexInner* const left = lowest.node;
  auto* const right = new IndexInner;
  right->birth = working_;
  const size_t keep = lowest.child + 1U == kInnerMax ? kInnerMax - 2 : kInnerMax / 2;
  Separator* const separator = left->MoveTail(keep, right);
  Path above = *path;
  --above.depth;
  InsertChild(&above, separator, right, LiveOf(*right));
  const bool is_right = lowest.child >= keep;
  const size_t child = is_right ? lowest.child - keep : lowest.child;
  above.steps[above.depth - 1].child += is_right ? 1 : 0;
  above.steps[above.depth++] = {.node = is_right ? right : left, .child = child};
  above.leaf = path->leaf;
  *path = above;
}

void Index::Compact(std::string_view key, int64_t main) {
  const KeyEntry* const known = Find(key);
  if (known == nullptr) {
    return;  // An earlier step of this compaction removed the key.
  }
  const bool is_gone = known->newest.is_tombstone() && known->newest.main() < main;
  const uint32_t drop = is_gone ? 0 : UnreachableOlder(*known, main);
  if (!is_gone && drop == 0) {
    return;
  }
  Path path = OwnPath(key);
  const size_t position = path.leaf->Find(key).position;
  KeyEntry* const old = path.leaf->entries[position];
  if (is_gone) {
    if (old->history != nullptr) {
      DropHistory(old->history);
    }
    RemoveEntry(&path, position);
    --keys_;
  } else {
    path.leaf->entries[position] = WithoutOldest(*old, drop);
  }
  DropEntry(old);
}

KeyEntry* Index::WithoutOldest(const KeyEntry& old, uint32_t drop) {
  KeyEntry* const entry = KeyEntry::New(working_, old.key());
  entry->newest = old.newest;
  entry->create_revision = old.create_revision;
  entry->version = old.version;
  const uint32_t kept = old.older_count - drop;
  if (kept == 0) {
    DropHistory(old.history);
  } else if (kept * 4 < old.history->capacity) {
    History* const smaller = History::New(working_, kept * 2);
    for (uint32_t i = 0; i < kept; ++i) {
      smaller->items()[i] = old.Older(drop + i);
    }
    smaller->used = kept;
    DropHistory(old.history);
    entry->history = smaller;
    entry->older_count = kept;
  } else {
    entry->history = old.history;
    entry->older_first = old.older_first + drop;
    entry->older_count = kept;
  }
  return entry;
}

void Index::RemoveEntry(Path* path, size_t position) {
  IndexLeaf* const leaf = path->leaf;
  leaf->Erase(position);
  if (leaf->count == 0) {
    DropNode(leaf);
    RemoveChild(path);
  } else if (leaf->count < kLeafMin) {
    MergeLeaf(path);
  }
}

// Removes the child that the lowest step of the path leads to; it is dropped already.
void Index::RemoveChild(Path* path) {
  if (path->depth == 0) {
    root_ = nullptr;
    return;
  }
  const Step step = path->steps[path->depth - 1];
  IndexInner* const inner = step.node;
  if (inner->count == 1) {
    DropNode(inner);
    --path->depth;
    RemoveChild(path);
    return;
  }
  // The separator that goes is the one left of the child, or for the first child the one right of
  // it.
  const size_t separator = std::max<size_t>(step.child, 1);
  DropSeparator(inner->separators[separator]);
  inner->Erase(step.child, separator);
  if (path->depth == 1 && inner->count == 1) {
    root_ = inner->children[0];
    DropNode(inner);
  }
}

void Index::MergeLeaf(Path* path) {
  if (path->depth == 0) {
    return;
  }
  Step& step = path->steps[path->depth - 1];
  IndexInner* const inner = step.node;
  if (inner->count < 2) {
    return;
  }
  const size_t left_child = step.child > 0 ? step.child - 1 : 0;
  const size_t sum =
      static_cast<const IndexLeaf*>(inner->children[left_child])->count +
      static_cast<size_t>(static_cast<const IndexLeaf*>(inner->children[left_child + 1])->count);
  if (sum > kLeafMax / 2) {
    return;
  }
  IndexLeaf* const left = OwnLeaf(inner->children[left_child]);
  inner->children[left_child] = left;
  auto* const right = static_cast<IndexLeaf*>(inner->children[left_child + 1]);
  left->Append(*right, 0);
  inner->live[left_child] += inner->live[left_child + 1];
  DropNode(right);
  step.child = left_child + 1;
  RemoveChild(path);
}

}  // namespace socle::mvcc
