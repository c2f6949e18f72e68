#include "kv/backend/pending_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "kv/base/check.h"

namespace socle::kv {

// One entry: this header, `height` links, the key bytes, the value bytes.
struct PendingNode {
  uint64_t seq = 0;
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  const char* bytes = nullptr;
  bool is_delete = false;
  std::atomic<PendingNode*> next[1];  // really `height` of them

  std::string_view key() const { return {bytes, key_size}; }

  std::string_view value() const { return {bytes + key_size, value_size}; }
};

namespace {

constexpr size_t kFirstBlockBytes = size_t{32} << 10U;
constexpr size_t kBlockBytes = size_t{1} << 20U;

// True when the node sorts before (key, seq): keys ascend, seqs of one key descend.
bool IsBefore(const PendingNode& node, std::string_view key, uint64_t seq) {
  const int order = node.key().compare(key);
  return order < 0 || (order == 0 && node.seq > seq);
}

PendingNode* NextOf(const PendingNode& node, int level) {
  return node.next[level].load(std::memory_order_acquire);
}

PendingEntry EntryOf(const PendingNode& node) {
  return {.key = node.key(), .value = node.value(), .seq = node.seq, .is_delete = node.is_delete};
}

}  // namespace

PendingBuffer::PendingBuffer(size_t bucket_count) {
  for (size_t i = 0; i < bucket_count; ++i) {
    auto list = std::make_unique<List>();
    list->head = NewNode({}, kMaxHeight);
    list->tail.fill(list->head);
    lists_.push_back(std::move(list));
  }
}

PendingBuffer::~PendingBuffer() = default;

char* PendingBuffer::AllocateBytes(size_t size) {
  size = (size + 7) & ~size_t{7};
  if (size > block_left_) {
    const size_t standard = blocks_.empty() ? kFirstBlockBytes : kBlockBytes;
    const size_t block_size = std::max(size, standard);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size));
    bytes_.fetch_add(block_size, std::memory_order_relaxed);
    if (size > standard / 4) {  // A block of its own: what is left of the last one stays in use.
      return blocks_.back().get();
    }
    block_next_ = blocks_.back().get();
    block_left_ = block_size;
  }
  char* const result = block_next_;
  block_next_ += size;
  block_left_ -= size;
  return result;
}

PendingNode* PendingBuffer::NewNode(const PendingEntry& entry, int height) {
  const size_t links = sizeof(std::atomic<PendingNode*>) * static_cast<size_t>(height - 1);
  const size_t header = sizeof(PendingNode) + links;
  char* const memory = AllocateBytes(header + entry.key.size() + entry.value.size());
  auto* const node = new (memory) PendingNode;
  for (int level = 0; level < height; ++level) {
    new (&node->next[level]) std::atomic<PendingNode*>(nullptr);
  }
  char* const bytes = memory + header;
  std::copy(entry.key.begin(), entry.key.end(), bytes);
  std::copy(entry.value.begin(), entry.value.end(), bytes + entry.key.size());
  node->seq = entry.seq;
  node->key_size = static_cast<uint32_t>(entry.key.size());
  node->value_size = static_cast<uint32_t>(entry.value.size());
  node->bytes = bytes;
  node->is_delete = entry.is_delete;
  return node;
}

int PendingBuffer::RandomHeight() {
  int height = 1;
  while (height < kMaxHeight && random_.OneIn(4)) {
    ++height;
  }
  return height;
}

PendingEntry PendingBuffer::Add(BucketId bucket, const PendingEntry& entry) {
  List* const list = lists_[static_cast<size_t>(bucket)].get();
  const int height = RandomHeight();
  PendingNode* const node = NewNode(entry, height);
  const PendingNode* const last = list->tail[0];
  if (last == list->head || IsBefore(*last, entry.key, entry.seq)) {
    Append(list, node, height);
  } else {
    InsertInside(list, node, height);
  }
  count_.fetch_add(1, std::memory_order_relaxed);
  entry_bytes_.fetch_add(sizeof(PendingNode) + entry.key.size() + entry.value.size(),
                         std::memory_order_relaxed);
  return EntryOf(*node);
}

void PendingBuffer::Append(List* list, PendingNode* node, int height) {
  if (list->tail[0] == list->head) {
    list->first.store(node, std::memory_order_release);
  }
  for (int level = 0; level < height; ++level) {
    auto& tail = list->tail[static_cast<size_t>(level)];
    // Release: a reader that follows the link sees the node's contents.
    tail->next[level].store(node, std::memory_order_release);
    tail = node;
  }
}

void PendingBuffer::InsertInside(List* list, PendingNode* node, int height) {
  const std::string_view key = node->key();
  std::array<PendingNode*, kMaxHeight> before{};
  PendingNode* at = list->head;
  for (int level = kMaxHeight - 1; level >= 0; --level) {
    PendingNode* next = NextOf(*at, level);
    while (next != nullptr && IsBefore(*next, key, node->seq)) {
      at = next;
      next = NextOf(*at, level);
    }
    before[static_cast<size_t>(level)] = at;
  }
  if (before[0] == list->head) {
    list->first.store(node, std::memory_order_release);
  }
  for (int level = 0; level < height; ++level) {
    PendingNode* const previous = before[static_cast<size_t>(level)];
    PendingNode* const next = previous->next[level].load(std::memory_order_relaxed);
    node->next[level].store(next, std::memory_order_relaxed);
    previous->next[level].store(node, std::memory_order_release);
    if (next == nullptr) {
      list->tail[static_cast<size_t>(level)] = node;
    }
  }
}

std::optional<PendingEntry> PendingBuffer::Find(BucketId bucket, std::string_view key,
                                                uint64_t seq_max) const {
  const List& list = *lists_[static_cast<size_t>(bucket)];
  const PendingNode* const first = list.first.load(std::memory_order_acquire);
  if (first == nullptr || key < first->key()) {
    return std::nullopt;  // The common case: an old revision, long in the page store.
  }
  // The link that ended the walk is not read again: the writer may have put a node there that sorts
  // before what was asked for.
  const PendingNode* at = list.head;
  const PendingNode* found = nullptr;
  for (int level = kMaxHeight - 1; level >= 0; --level) {
    found = NextOf(*at, level);
    while (found != nullptr && IsBefore(*found, key, seq_max)) {
      at = found;
      found = NextOf(*at, level);
    }
  }
  if (found == nullptr || found->key() != key) {
    return std::nullopt;
  }
  return EntryOf(*found);
}

PendingBuffer::Iterator::Iterator(const PendingBuffer& buffer, BucketId bucket)
    : head_(buffer.lists_[static_cast<size_t>(bucket)]->head) {}

void PendingBuffer::Iterator::SeekToFirst() {
  node_ = NextOf(*head_, 0);
}

void PendingBuffer::Iterator::Seek(std::string_view key) {
  const PendingNode* at = head_;
  for (int level = kMaxHeight - 1; level >= 0; --level) {
    node_ = NextOf(*at, level);  // Read once, as in Find.
    while (node_ != nullptr && node_->key() < key) {
      at = node_;
      node_ = NextOf(*at, level);
    }
  }
}

void PendingBuffer::Iterator::Next() {
  DCHECK(Valid());
  node_ = NextOf(*node_, 0);
}

PendingEntry PendingBuffer::Iterator::entry() const {
  DCHECK(Valid());
  return EntryOf(*node_);
}

}  // namespace socle::kv
