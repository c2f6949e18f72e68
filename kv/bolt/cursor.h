// BoltCursor: walks one bucket of one commit.
//
// Laws     1. Keys come strictly ascending (descending with Prev) from leaf to leaf, or the cursor
//             stops with DataLoss: so it ends on any bytes.
//          2. An element that is a nested bucket has an empty value.
// Threads  thread-compatible.
#ifndef SOCLE_KV_BOLT_CURSOR_H_
#define SOCLE_KV_BOLT_CURSOR_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "kv/bolt/page.h"
#include "kv/engine.h"

namespace socle::kv::bolt {

class BoltCursor final : public Cursor {
 public:
  // Without a bucket it is always at the end.
  BoltCursor(const PageReader& reader, std::optional<BucketRoot> bucket);

  void Seek(std::string_view key) override;
  void SeekToFirst() override;
  void SeekToLast() override;
  void Next() override;
  void Prev() override;

  bool Valid() const override { return valid_; }

  std::string_view key() const override { return entry_.key; }

  std::string_view value() const override {
    return entry_.is_bucket() ? std::string_view() : entry_.value;
  }

  absl::Status status() const override { return status_; }

  // Flags and raw value of the element.
  const Entry& entry() const { return entry_; }

 private:
  enum class Edge { kFirst, kLast };

  struct Level {
    PageView page;
    PageId id;
    uint32_t index = 0;
  };

  // Forgets the place and opens the root. False when there is nothing to walk.
  bool Restart();
  bool Push(PageId id);
  // From the top level down to a leaf, along one edge.
  bool DescendToEdge(Edge edge);
  // Pushes the child at the top level's index.
  bool PushChild();
  // To the neighbouring leaf.
  void Climb(Edge edge);
  void LoadEntry();
  // Asks for the memory of the leaf behind this one, while this one is walked.
  void PrefetchNextLeaf();
  void Stop(absl::Status status);

  const PageReader reader_;
  const std::optional<BucketRoot> bucket_;
  std::vector<Level> levels_;
  const char* next_leaf_ = nullptr;  // only for prefetching; null when not known
  Entry entry_;
  bool valid_ = false;
  absl::Status status_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_CURSOR_H_
