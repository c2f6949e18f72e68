// PageSums: checksums of a file's pages in a second file beside it (".sums"): tells a page whose
// bytes changed on disk from a good one. FORMAT.md has the bytes and why a crash accuses nobody.
//
// Laws     1. A good page is never accused: an entry is overwritten only together with its page,
//             and a page only when no commit reaches it; entries are durable before the meta page.
//          2. The sums belong to one commit of one file. When another program wrote the file they
//             are made anew, with a line in the log.
//          3. A damaged block of sums says nothing about its pages; they count as unknown.
//          4. A page is verified when it is first read after open or after it was rewritten; a
//             reader that verifies always (Check) ignores that.
// Threads  IsVerified and Verify are thread-safe; the rest is confined to the writer.
// Memory   a bit per page that was read; 8 bytes per page in the page cache.
// Errors   DataLoss naming file, page, expected and found checksum.
#ifndef SOCLE_KV_BOLT_PAGE_SUMS_H_
#define SOCLE_KV_BOLT_PAGE_SUMS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "freelist/page_id.h"
#include "kv/bolt/meta.h"
#include "kv/env/env.h"

namespace socle::kv::bolt {

inline constexpr std::string_view kSumsSuffix = ".sums";
inline constexpr size_t kSumsBlockBytes = 512;  // what a disk writes whole
inline constexpr uint32_t kSumsVersion = 1;

// Of one logical page, stored at its first physical page. All zero: nothing is known.
struct SumEntry {
  uint32_t crc;
  uint32_t txid;  // low half of the transaction that wrote the page

  bool is_known() const { return crc != 0 || txid != 0; }
};

static_assert(sizeof(SumEntry) == 8);

inline constexpr size_t kSumsPerBlock = 62;

// Entries of pages [62 * (index - 1), 62 * index); block 0 is the head. All zero: no entries yet.
struct SumBlock {
  uint32_t crc;  // of everything after
  uint32_t reserved;
  uint64_t index;
  std::array<SumEntry, kSumsPerBlock> entries;
};

static_assert(sizeof(SumBlock) == kSumsBlockBytes && offsetof(SumBlock, entries) == 16);

// Commits are named by the checksums of their meta pages.
struct SumHead {
  char magic[8];
  uint32_t version;
  uint32_t page_size;
  uint64_t settled;    // the newest commit known to be durable
  uint64_t announced;  // the one whose entries are being written, or the same
  uint64_t txid;       // of the settled one
  uint32_t reserved;
  uint32_t crc;  // of everything before
};

static_assert(sizeof(SumHead) == 48 && offsetof(SumHead, crc) == 44);

class PageSums {
 public:
  struct Shape {
    uint32_t page_size;
    uint64_t pages_max;
    bool read_only;
  };

  // Opens an existing file of sums, or (NotFound) says that there is none.
  static absl::StatusOr<std::unique_ptr<PageSums>> Open(Env* env, const std::string& database,
                                                        const std::string& sums,
                                                        const Shape& shape);
  // Replaces the file, if there is one, by one without entries that collects: Verify notes what it
  // is given.
  static absl::StatusOr<std::unique_ptr<PageSums>> Create(Env* env, const std::string& database,
                                                          const std::string& sums,
                                                          const Shape& shape);

  bool IsVerified(PageId id) const {
    const std::atomic_ref<uint64_t> word(verified_.get()[Raw(id) / 64]);
    return ((word.load(std::memory_order_relaxed) >> (Raw(id) % 64)) & 1U) != 0;
  }

  // Compares the page with its entry, if there is one. Requires a page of the file.
  absl::Status Verify(PageId id, std::string_view page);

  // Notes what the transaction under way writes at `id`.
  void Stage(PageId id, std::string_view page);

  // Forgets the notes of a transaction that was rolled back.
  void Discard() { staged_.clear(); }

  // Makes the noted entries durable, and that `next` follows `base`. Comes before the meta page.
  absl::Status Announce(const Meta& base, const Meta& next);
  // `meta` is durable. Not synced: without it the next open verifies the pages of that commit.
  absl::Status Settle(const Meta& meta);

  // How the head's commits relate to the newest commit of the file.
  enum class Match { kSettled, kAnnounced, kNone };
  Match MatchOf(const Meta& meta) const;

  const SumHead& head() const { return head_; }

  // Visits all known entries; the first error ends it.
  absl::Status ForEach(const std::function<absl::Status(PageId, SumEntry)>& visit) const;
  // Empties the entries of transaction `txid`, which never became durable, and damaged blocks.
  absl::Status Forget(TxnId txid);

  // DataLoss for a page that does not fit its entry.
  absl::Status Accuse(PageId id, SumEntry entry, uint32_t found) const;

 private:
  struct Free {
    void operator()(uint64_t* words) const { std::free(words); }
  };

  PageSums(const std::string& database, std::unique_ptr<File> file,
           std::unique_ptr<Mapping> mapping, const Shape& shape);

  absl::Status LoadHead(uint64_t file_bytes);
  absl::Status WriteHead(uint64_t settled, uint64_t announced, TxnId txid);
  absl::Status WriteEntries();
  absl::Status WriteBlocks(uint64_t first, std::string_view bytes);
  // A copy; false when it is damaged.
  bool ReadBlock(uint64_t index, SumBlock* block) const;
  SumEntry EntryOf(PageId id) const;
  void SetVerified(PageId id);
  void ClearVerified(PageId id);

  const std::string database_;  // what errors name
  const Shape shape_;
  const std::unique_ptr<File> file_;
  const std::unique_ptr<Mapping> mapping_;  // longer than the file
  const std::unique_ptr<uint64_t, Free> verified_;
  std::atomic<uint64_t> blocks_ = 0;  // in the file: grown by the writer, read by anybody
  SumHead head_{};
  bool collects_ = false;
  std::vector<std::pair<PageId, uint32_t>> staged_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PAGE_SUMS_H_
