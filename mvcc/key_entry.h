// KeyEntry: one key in the index with the revisions of its history, newest inline.
//
// Example, after put a@2, put a@5, delete a@7, put a@9 (main revisions):
//
//   KeyEntry a { newest 9, created 9, version 1, older ──► History { 2, 5, 7t } }
//   At(8) = 7t: absent · At(6) = 5 · At(1): none
//   After compaction at 8 older is empty; at 7 it is { 7t } (trap 23).
//
// Laws     1. A published entry never changes. A newer entry of the key may share its History:
//             entries are appended beyond every published count, so older entries keep reading what
//             they saw.
//          2. Revisions of one key ascend strictly; a tombstone closes a generation, the next put
//             opens one.
// Memory   one allocation of the entry with its key bytes; a History only from the second revision
//          on.
// Threads  immutable once published; before, the write loop's.
// Source   spec etcd 1.4, 2.4; DESIGN 3 (mvcc).
#ifndef SOCLE_MVCC_KEY_ENTRY_H_
#define SOCLE_MVCC_KEY_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mvcc/revision.h"

namespace socle::mvcc {

// A revision and whether it deleted the key, in 16 bytes.
class HistoryItem {
 public:
  HistoryItem() = default;

  HistoryItem(Revision revision, bool is_tombstone)
      : main_(revision.main),
        sub_and_mark_((static_cast<uint64_t>(revision.sub) << 1U) | (is_tombstone ? 1U : 0U)) {}

  int64_t main() const { return main_; }

  Revision revision() const { return {main_, static_cast<int64_t>(sub_and_mark_ >> 1U)}; }

  bool is_tombstone() const { return (sub_and_mark_ & 1U) != 0; }

 private:
  int64_t main_ = 0;
  uint64_t sub_and_mark_ = 0;
};

// Append-only array of the older revisions of a key, oldest first. `capacity` items follow the
// header.
struct History {
  uint64_t birth = 0;  // index version that allocated it
  uint32_t capacity = 0;
  uint32_t used = 0;  // the write loop's: where the next item goes

  HistoryItem* items() { return reinterpret_cast<HistoryItem*>(this + 1); }

  const HistoryItem* items() const { return reinterpret_cast<const HistoryItem*>(this + 1); }

  static History* New(uint64_t birth, uint32_t capacity);
  static void Delete(History* history);
};

static_assert(sizeof(History) % alignof(HistoryItem) == 0);

struct KeyEntry {
  uint64_t birth = 0;  // index version that allocated it
  History* history = nullptr;
  HistoryItem newest;
  int64_t create_revision = 0;  // of the newest generation; meaningless when it is closed
  int64_t version = 0;
  uint32_t older_first = 0;  // older items are history[older_first, older_first + older_count)
  uint32_t older_count = 0;
  uint32_t key_size = 0;

  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size}; }

  bool is_live() const { return !newest.is_tombstone(); }

  // The newest item with main revision <= `main`; nullopt when the key did not exist yet or that
  // was compacted.
  std::optional<HistoryItem> At(int64_t main) const;

  // The i-th older item, oldest first. Requires i < older_count.
  const HistoryItem& Older(uint32_t i) const { return history->items()[older_first + i]; }

  static KeyEntry* New(uint64_t birth, std::string_view key);
  // Frees the entry alone, not its history.
  static void Delete(KeyEntry* entry);
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_KEY_ENTRY_H_
