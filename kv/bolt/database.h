// Database: what the transactions of one open file share.
//
//   who               touches
//   ----------------  --------------------------------------------------------------------------
//   any thread        mapping (read), path, options; newest meta, readers, writer slot under mu_
//   the write txn     freelist, buffers, file writes: whoever took the writer slot
//
// Laws     1. The newest meta is durable: Publish comes after the second sync of a commit.
//          2. A reader is registered in the same critical section that reads the newest meta, so
//             that no writer misses it.
//          3. After Fail no writer slot is given out again.
//          4. The file is never cut below what an open reader or one of the two meta pages on disk
//             may reach: a snapshot copies free pages too, and an older meta page may be fallen
//             back to.
// Threads  as the table says.
#ifndef SOCLE_KV_BOLT_DATABASE_H_
#define SOCLE_KV_BOLT_DATABASE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "freelist/freelist.h"
#include "kv/base/mutex.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/file_map.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/page.h"
#include "kv/bolt/page_sums.h"
#include "kv/bolt/page_writer.h"
#include "kv/bolt/txn_pages.h"
#include "kv/env/env.h"

namespace socle::kv::bolt {

class Database {
 public:
  // What opening found. `lock` may be null (read-only).
  struct Parts {
    std::string path;
    BoltOptions options;
    std::unique_ptr<FileLock> lock;
    FileMap map;
    std::unique_ptr<PageSums> sums;  // null: pages are not verified
    Meta meta;
    std::unique_ptr<freelist::Freelist> freelist;
  };

  explicit Database(Parts parts);
  // Requires that no transaction is open.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& path() const { return path_; }

  const BoltOptions& options() const { return options_; }

  PageReader ReaderOf(const Meta& meta) const {
    return PageReader(map_.base(), meta.page_size, meta.high_water, &path_).With(sums_.get());
  }

  const char* base() const { return map_.base(); }

  // Pins the newest commit until EndRead of its txid.
  Meta BeginRead();
  void EndRead(TxnId txid);
  uint64_t open_reads() const;

  // Takes the writer slot (CHECKs that it is free) and returns the commit to start from.
  absl::StatusOr<Meta> BeginWrite();
  void EndWrite();

  // Makes a durable commit visible (law 1).
  void Publish(const Meta& meta);
  // Remembers the first failure (law 3).
  void Fail(const absl::Status& status);

  // Newest commit with the spans that are free and pending in memory after it; these are missing
  // while somebody writes. The commit is pinned as by BeginRead.
  std::pair<Meta, std::optional<std::vector<PageSpan>>> BeginCheck();

  EngineSize Size() const;

  // How long the file must stay (law 4). Only the writer makes it longer.
  uint64_t FileBytesNeeded() const;
  // False when the older meta page on disk speaks, or may speak, of pages behind the newest commit:
  // the next commit replaces it.
  bool IsOlderMetaWithin(const Meta& newest) const;

  // For the holder of the writer slot.
  freelist::Freelist* freelist() { return freelist_.get(); }

  FileMap* map() { return &map_; }

  // Null when pages have no checksums.
  PageSums* sums() { return sums_.get(); }

  BufferPool* pool() { return &pool_; }

  PageWriter* page_writer() { return &page_writer_; }

 private:
  struct Readers {
    uint64_t count = 0;
    PageId high_water{};
  };

  void Pin(const Meta& meta) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string path_;
  const BoltOptions options_;
  const std::unique_ptr<FileLock> lock_;

  FileMap map_;
  const std::unique_ptr<PageSums> sums_;
  std::unique_ptr<freelist::Freelist> freelist_;
  BufferPool pool_;
  PageWriter page_writer_;

  mutable Mutex mu_;
  Meta meta_ ABSL_GUARDED_BY(mu_);
  PageId previous_high_water_ ABSL_GUARDED_BY(mu_);  // of the other meta page on disk
  std::map<TxnId, Readers> readers_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  uint64_t free_pages_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_DATABASE_H_
