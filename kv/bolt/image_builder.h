// ImageBuilder: the image of a bolt file from sorted entries, front to back, in one page per level
// of memory. It is how engines without bolt pages give a snapshot.
//
//   root leaf 2 │ leaf 3 │ … │ branch over them │ leaf │ … │ root of bucket 1 │ … │ root tree
//   a page is emitted when it is full; its place is what the page above it gets to know
//
// Laws     1. The image is a function of the entries and the page size: two passes give the same
//             bytes, so a first pass without sink tells the meta page and the exact length.
//          2. Pages are filled to the brim, an entry larger than a page has pages of its own; no
//             freelist page, no free pages.
//          3. Every bucket has a tree of its own, never an inline leaf.
// Threads  thread-compatible.
// Memory   one page per level of the tree, the largest entry, and the names of the buckets.
// Errors   those of the sink; InvalidArgument for entries out of order or of impossible size.
// Source   spec etcd 3.1; kv/bolt/FORMAT.md.
#ifndef SOCLE_KV_BOLT_IMAGE_BUILDER_H_
#define SOCLE_KV_BOLT_IMAGE_BUILDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "kv/bolt/format.h"
#include "kv/bolt/meta.h"
#include "kv/engine.h"

namespace socle::kv::bolt {

inline constexpr uint32_t kImagePageSize = 4096;

class ImageBuilder {
 public:
  using Sink = std::function<absl::Status(std::string_view)>;

  // Without a sink the builder only measures.
  ImageBuilder(uint32_t page_size, Sink sink);

  // Buckets come in ascending order of their names, keys in ascending order inside a bucket.
  absl::Status AddBucket(std::string_view name);
  absl::Status Add(std::string_view key, std::string_view value);
  // Emits what is left; the meta tells root page and length. The txid is the caller's to fill in.
  absl::StatusOr<Meta> Finish();

 private:
  struct Element {
    uint32_t flags = 0;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint64_t child = 0;
  };

  // The page of one level that is being filled.
  struct Level {
    bool is_leaf = false;
    std::vector<Element> elements;
    std::string payload;  // keys and values in turn; empty when measuring
    std::string first_key;
    uint64_t used = kHeaderBytes;
  };

  absl::Status Append(size_t level, std::string_view key, std::string_view value,
                      const Element& element);
  absl::Status EmitPage(Level* level, PageId* id);
  absl::Status EmitLevel(size_t level);
  // Emits every level and returns the root page of the tree.
  absl::StatusOr<PageId> FinishTree();
  absl::Status FinishBucket();
  absl::Status Flush();

  const uint32_t page_size_;
  const Sink sink_;
  std::string out_;  // whole pages that the sink has not seen yet
  uint64_t next_page_ = Raw(kFirstDataPage);
  std::vector<Level> levels_;  // of the tree being built, leaves first
  std::string last_key_;
  bool is_in_bucket_ = false;
  std::string bucket_;
  std::vector<std::pair<std::string, PageId>> roots_;  // of finished buckets
};

// SnapshotSize and WriteSnapshot of a transaction whose engine has no bolt pages. Thread-safe.
class ImageOf {
 public:
  // `txn` must outlive the image.
  explicit ImageOf(const ReadTxn* txn) : txn_(txn) {}

  // Scans everything at the first call; 0 when that fails.
  uint64_t Size() const;
  absl::Status Write(const ImageBuilder::Sink& sink) const;

 private:
  absl::StatusOr<Meta> Measure() const;

  const ReadTxn* const txn_;
  mutable Mutex mu_;
  mutable std::optional<absl::StatusOr<Meta>> meta_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_IMAGE_BUILDER_H_
