// PendingBuffer: changes that are logged but not yet in the page store, ordered by bucket, key and
// change number.
//
// Laws     1. Entries are only added, never changed or removed: a reader that knows a change number
//             (seq) sees for ever exactly the changes up to it, deletions included, without copying
//             anything.
//          2. For one key the entry of the higher seq comes first.
// Threads  one writer; any number of readers at the same time, without locks. Bytes of entries stay
//          where they are until the buffer dies: results may point into it.
// Memory   an arena; bytes() counts it all, also what of its blocks is not in use yet.
// Source   DESIGN 2 (law 2, 3); the skip list is Pugh's, its publication rule LevelDB's.
#ifndef SOCLE_KV_BACKEND_PENDING_BUFFER_H_
#define SOCLE_KV_BACKEND_PENDING_BUFFER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "kv/base/random.h"

namespace socle::kv {

// Number of a bucket in the list that the backend was opened with.
enum class BucketId : uint8_t {};

struct PendingEntry {
  std::string_view key;
  std::string_view value;  // empty of a deletion
  uint64_t seq = 0;
  bool is_delete = false;
};

class PendingBuffer {
 public:
  explicit PendingBuffer(size_t bucket_count);
  ~PendingBuffer();
  PendingBuffer(const PendingBuffer&) = delete;
  PendingBuffer& operator=(const PendingBuffer&) = delete;

  // Adds a change and returns it as stored. Requires a higher seq than every one before. O(1) for
  // ascending keys.
  PendingEntry Add(BucketId bucket, const PendingEntry& entry);

  // The newest change of the key with seq <= `seq_max`, deletions included.
  std::optional<PendingEntry> Find(BucketId bucket, std::string_view key, uint64_t seq_max) const;

  // Walks one bucket in key order, every entry of a key newest first.
  class Iterator {
   public:
    Iterator(const PendingBuffer& buffer, BucketId bucket);
    void SeekToFirst();
    // First entry with key >= `key`.
    void Seek(std::string_view key);

    bool Valid() const { return node_ != nullptr; }

    void Next();
    PendingEntry entry() const;

   private:
    friend class PendingBuffer;
    const struct PendingNode* head_;
    const struct PendingNode* node_ = nullptr;
  };

  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // Of the entries alone: what they will take in pages, roughly.
  uint64_t entry_bytes() const { return entry_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kMaxHeight = 12;

  struct List {
    PendingNode* head = nullptr;
    std::array<PendingNode*, kMaxHeight> tail{};  // last node of each level
    // Written by the writer only; a reader that finds it too small has not been given the entry.
    std::atomic<const PendingNode*> first{nullptr};
  };

  char* AllocateBytes(size_t size);
  PendingNode* NewNode(const PendingEntry& entry, int height);
  void Append(List* list, PendingNode* node, int height);
  void InsertInside(List* list, PendingNode* node, int height);
  int RandomHeight();

  std::vector<std::unique_ptr<List>> lists_;
  Random random_{0x50C1E};
  std::vector<std::unique_ptr<char[]>> blocks_;  // arena; the writer's
  char* block_next_ = nullptr;
  size_t block_left_ = 0;
  std::atomic<uint64_t> count_{0};  // writer writes, statistics read
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> entry_bytes_{0};
};

}  // namespace socle::kv

#endif  // SOCLE_KV_BACKEND_PENDING_BUFFER_H_
