#include "mvcc/key_entry.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "kv/base/check.h"

namespace socle::mvcc {

History* History::New(uint64_t birth, uint32_t capacity) {
  void* const memory = ::operator new(sizeof(History) + capacity * sizeof(HistoryItem));
  return new (memory) History{.birth = birth, .capacity = capacity, .used = 0};
}

void History::Delete(History* history) {
  ::operator delete(history);
}

KeyEntry* KeyEntry::New(uint64_t birth, std::string_view key) {
  void* const memory = ::operator new(sizeof(KeyEntry) + key.size());
  auto* const entry = new (memory) KeyEntry;
  entry->birth = birth;
  entry->key_size = static_cast<uint32_t>(key.size());
  std::copy(key.begin(), key.end(), reinterpret_cast<char*>(entry + 1));
  return entry;
}

void KeyEntry::Delete(KeyEntry* entry) {
  ::operator delete(entry);
}

std::optional<HistoryItem> KeyEntry::At(int64_t main) const {
  if (newest.main() <= main) {
    return newest;
  }
  if (older_count == 0) {
    return std::nullopt;
  }
  const HistoryItem* const first = history->items() + older_first;
  const HistoryItem* const after =
      std::upper_bound(first, first + older_count, main,
                       [](int64_t bound, const HistoryItem& item) { return bound < item.main(); });
  if (after == first) {
    return std::nullopt;
  }
  return *(after - 1);
}

}  // namespace socle::mvcc
