#include "kv/lmdb/long_keys.h"

#include <algorithm>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::kv::lmdb {
namespace {

constexpr size_t kStoredBytesMax = 511;
constexpr size_t kPrefixBytes = sizeof(uint32_t) + sizeof(uint64_t);
constexpr size_t kBucketPieceBytes = kStoredBytesMax - 1;
constexpr size_t kTailPieceBytes = kStoredBytesMax - kPrefixBytes - 1;
constexpr char kWhole = '\0';
constexpr char kPointer = '\1';

MDB_val ValueOf(std::string_view bytes) {
  // LMDB does not write through the pointers that it is given.
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view ViewOf(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

size_t PieceBytesMax(uint64_t chain) {
  return chain == 0 ? kBucketPieceBytes : kTailPieceBytes;
}

std::string SlotPrefix(uint32_t slot) {
  std::string prefix(sizeof(slot), '\0');
  for (size_t i = 0; i < sizeof(slot); ++i) {
    prefix[i] = static_cast<char>(slot >> (8 * (sizeof(slot) - 1 - i)));
  }
  return prefix;
}

std::string ChainPrefix(uint32_t slot, uint64_t chain) {
  return SlotPrefix(slot) + BigEndian64(chain);
}

// The record that a key, or the rest of one, has on its level.
class StoredKey {
 public:
  StoredKey(const KeyTree& tree, uint64_t chain, std::string_view rest)
      : database_(chain == 0 ? tree.database : tree.tails), chain_(chain), rest_(rest) {
    const size_t piece = PieceBytesMax(chain);
    is_pointer_ = rest.size() > piece;
    if (chain == 0 && rest.size() < piece) {
      bytes_ = rest;
      return;
    }
    if (chain != 0) {
      copy_ = ChainPrefix(tree.slot, chain);
    }
    copy_.append(rest.substr(0, piece));
    if (rest.size() >= piece) {
      copy_.push_back(is_pointer_ ? kPointer : kWhole);
    }
    bytes_ = copy_;
  }

  StoredKey(const StoredKey&) = delete;
  StoredKey& operator=(const StoredKey&) = delete;

  MDB_dbi database() const { return database_; }

  bool is_pointer() const { return is_pointer_; }

  // What the chain behind the pointer has.
  std::string_view rest() const { return rest_.substr(PieceBytesMax(chain_)); }

  std::string_view bytes() const { return bytes_; }

  int Get(MDB_txn* txn, std::string_view* value) const {
    MDB_val key = ValueOf(bytes_);
    MDB_val found{};
    const int rc = mdb_get(txn, database_, &key, &found);
    if (rc == MDB_SUCCESS) {
      *value = ViewOf(found);
    }
    return rc;
  }

  int Put(MDB_txn* txn, std::string_view value, unsigned flags) const {
    MDB_val key = ValueOf(bytes_);
    MDB_val stored = ValueOf(value);
    return mdb_put(txn, database_, &key, &stored, flags);
  }

  int GetChain(MDB_txn* txn, uint64_t* chain) const {
    std::string_view value;
    const int rc = Get(txn, &value);
    if (rc == MDB_SUCCESS) {
      if (value.size() != sizeof(uint64_t)) {
        return MDB_CORRUPTED;
      }
      *chain = GetBigEndian64(value.data());
    }
    return rc;
  }

 private:
  const MDB_dbi database_;
  const uint64_t chain_;
  const std::string_view rest_;
  bool is_pointer_ = false;
  std::string copy_;
  std::string_view bytes_;
};

// Closes the cursor of a write transaction before the transaction goes on.
class ScopedCursor {
 public:
  ScopedCursor(MDB_txn* txn, MDB_dbi database) : rc_(mdb_cursor_open(txn, database, &cursor_)) {}

  ~ScopedCursor() {
    if (cursor_ != nullptr) {
      mdb_cursor_close(cursor_);
    }
  }

  ScopedCursor(const ScopedCursor&) = delete;
  ScopedCursor& operator=(const ScopedCursor&) = delete;

  int Move(MDB_cursor_op op, std::string_view* key) {
    if (rc_ != MDB_SUCCESS) {
      return rc_;
    }
    MDB_val found = ValueOf(*key);
    MDB_val value{};
    const int rc = mdb_cursor_get(cursor_, &found, &value, op);
    *key = ViewOf(found);
    return rc;
  }

  int Delete() { return mdb_cursor_del(cursor_, 0); }

 private:
  MDB_cursor* cursor_ = nullptr;
  const int rc_;
};

// Looks for the first record of tails that begins with `prefix`.
int FindPrefix(MDB_txn* txn, MDB_dbi tails, std::string_view prefix) {
  ScopedCursor cursor(txn, tails);
  std::string_view key = prefix;
  const int rc = cursor.Move(MDB_SET_RANGE, &key);
  return rc == MDB_SUCCESS && !key.starts_with(prefix) ? MDB_NOTFOUND : rc;
}

// The highest chain id in use in the slot, 0 when there is none.
int LastChain(MDB_txn* txn, const KeyTree& tree, uint64_t* chain) {
  *chain = 0;
  const std::string prefix = SlotPrefix(tree.slot);
  const std::string after = SlotPrefix(tree.slot + 1);
  ScopedCursor cursor(txn, tree.tails);
  std::string_view key = after;
  int rc = cursor.Move(MDB_SET_RANGE, &key);
  if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
    return rc;
  }
  rc = cursor.Move(rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV, &key);
  if (rc == MDB_SUCCESS && key.starts_with(prefix)) {
    *chain = GetBigEndian64(key.data() + prefix.size());
  }
  return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

}  // namespace

int KeyTree::Get(MDB_txn* txn, std::string_view key, std::string_view* value) const {
  uint64_t chain = 0;
  for (std::string_view rest = key;;) {
    const StoredKey stored(*this, chain, rest);
    if (!stored.is_pointer()) {
      return stored.Get(txn, value);
    }
    if (const int rc = stored.GetChain(txn, &chain); rc != MDB_SUCCESS) {
      return rc;
    }
    rest = stored.rest();
  }
}

int KeyTree::Put(MDB_txn* txn, std::string_view key, std::string_view value, bool is_append) const {
  uint64_t chain = 0;
  for (std::string_view rest = key;;) {
    const StoredKey stored(*this, chain, rest);
    if (!stored.is_pointer()) {
      return stored.Put(txn, value, is_append && chain == 0 ? MDB_APPEND : 0U);
    }
    uint64_t next = 0;
    int rc = stored.GetChain(txn, &next);
    if (rc == MDB_NOTFOUND) {
      PROBE("lmdb: long key starts a chain");
      if (rc = LastChain(txn, *this, &next); rc != MDB_SUCCESS) {
        return rc;
      }
      // The chain that this record is part of may not have another record yet.
      next = std::max(next, chain) + 1;
      rc = stored.Put(txn, BigEndian64(next), 0);
    }
    if (rc != MDB_SUCCESS) {
      return rc;
    }
    chain = next;
    rest = stored.rest();
  }
}

int KeyTree::Delete(MDB_txn* txn, std::string_view key) const {
  struct Pointer {
    uint64_t chain;
    std::string_view rest;
  };

  std::vector<Pointer> way;
  uint64_t chain = 0;
  for (std::string_view rest = key;;) {
    const StoredKey stored(*this, chain, rest);
    way.push_back({chain, rest});
    if (!stored.is_pointer()) {
      break;
    }
    if (const int rc = stored.GetChain(txn, &chain); rc != MDB_SUCCESS) {
      return rc;
    }
    rest = stored.rest();
  }
  while (true) {
    const StoredKey stored(*this, way.back().chain, way.back().rest);
    MDB_val bytes = ValueOf(stored.bytes());
    if (const int rc = mdb_del(txn, stored.database(), &bytes, nullptr); rc != MDB_SUCCESS) {
      return rc;
    }
    if (way.back().chain == 0) {
      return MDB_SUCCESS;
    }
    const int rc = FindPrefix(txn, tails, ChainPrefix(slot, way.back().chain));
    if (rc != MDB_NOTFOUND) {
      return rc;
    }
    way.pop_back();  // The chain is empty: its pointer goes too (law 3).
  }
}

int KeyTree::Clear(MDB_txn* txn) const {
  const std::string prefix = SlotPrefix(slot);
  {
    ScopedCursor cursor(txn, tails);
    std::string_view key = prefix;
    int rc = cursor.Move(MDB_SET_RANGE, &key);
    while (rc == MDB_SUCCESS && key.starts_with(prefix)) {
      if (rc = cursor.Delete(); rc != MDB_SUCCESS) {
        return rc;
      }
      key = prefix;
      rc = cursor.Move(MDB_SET_RANGE, &key);
    }
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
      return rc;
    }
  }
  return mdb_drop(txn, database, 0);
}

KeyTreeCursor::~KeyTreeCursor() {
  PopAll();
}

int KeyTreeCursor::Push(uint64_t chain) {
  Level level{.chain = chain, .key_bytes = long_key_.size()};
  const int rc = mdb_cursor_open(txn_, chain == 0 ? tree_.database : tree_.tails, &level.cursor);
  if (rc == MDB_SUCCESS) {
    levels_.push_back(level);
  }
  return rc;
}

void KeyTreeCursor::Pop() {
  long_key_.resize(levels_.back().key_bytes);
  mdb_cursor_close(levels_.back().cursor);
  levels_.pop_back();
}

void KeyTreeCursor::PopAll() {
  while (!levels_.empty()) {
    Pop();
  }
}

int KeyTreeCursor::Move(MDB_cursor_op op, std::string_view stored) {
  const Level& level = levels_.back();
  MDB_val key = ValueOf(stored);
  MDB_val value{};
  const int rc = mdb_cursor_get(level.cursor, &key, &value, op);
  if (rc != MDB_SUCCESS) {
    return rc;
  }
  stored_ = ViewOf(key);
  value_ = ViewOf(value);
  if (level.chain != 0) {
    if (!stored_.starts_with(ChainPrefix(tree_.slot, level.chain))) {
      return MDB_NOTFOUND;
    }
    stored_.remove_prefix(kPrefixBytes);
  }
  return MDB_SUCCESS;
}

int KeyTreeCursor::First() {
  const Level& level = levels_.back();
  return level.chain == 0 ? Move(MDB_FIRST, {})
                          : Move(MDB_SET_RANGE, ChainPrefix(tree_.slot, level.chain));
}

int KeyTreeCursor::Last() {
  const Level& level = levels_.back();
  if (level.chain == 0) {
    return Move(MDB_LAST, {});
  }
  const std::string after = ChainPrefix(tree_.slot, level.chain + 1);
  MDB_val key = ValueOf(after);
  MDB_val value{};
  const int rc = mdb_cursor_get(level.cursor, &key, &value, MDB_SET_RANGE);
  if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
    return rc;
  }
  return Move(rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV, {});
}

bool KeyTreeCursor::IsPointer() const {
  return stored_.size() > PieceBytesMax(levels_.back().chain) && stored_.back() == kPointer;
}

std::string_view KeyTreeCursor::Piece() const {
  return stored_.substr(0, PieceBytesMax(levels_.back().chain));
}

int KeyTreeCursor::Descend() {
  if (value_.size() != sizeof(uint64_t)) {
    return MDB_CORRUPTED;
  }
  const uint64_t chain = GetBigEndian64(value_.data());
  // Ids grow downwards: a chain that points back would be a cycle.
  if (chain <= levels_.back().chain) {
    return MDB_CORRUPTED;
  }
  ++(levels_.back().chain == 0 ? count_.bucket_records : count_.tail_records);
  long_key_.resize(levels_.back().key_bytes);
  long_key_.append(Piece());
  return Push(chain);
}

int KeyTreeCursor::Land() {
  if (levels_.size() == 1) {
    ++count_.bucket_records;
    key_ = Piece();
  } else {
    ++count_.tail_records;
    long_key_.resize(levels_.back().key_bytes);
    long_key_.append(Piece());
    key_ = long_key_;
  }
  ++count_.keys;
  is_valid_ = true;
  return MDB_SUCCESS;
}

int KeyTreeCursor::Settle(int found, MDB_cursor_op step) {
  while (true) {
    if (found == MDB_NOTFOUND && levels_.size() > 1) {
      Pop();
      found = Move(step, {});
      continue;
    }
    if (found != MDB_SUCCESS) {
      return found;
    }
    if (!IsPointer()) {
      return Land();
    }
    if (const int rc = Descend(); rc != MDB_SUCCESS) {
      return rc;
    }
    found = step == MDB_NEXT ? First() : Last();
    if (found == MDB_NOTFOUND) {
      return MDB_CORRUPTED;  // law 3
    }
  }
}

int KeyTreeCursor::Seek(std::string_view key) {
  is_valid_ = false;
  while (levels_.size() > 1) {
    Pop();
  }
  if (levels_.empty()) {
    if (const int rc = Push(0); rc != MDB_SUCCESS) {
      return rc;
    }
  }
  for (std::string_view rest = key;;) {
    const StoredKey stored(tree_, levels_.back().chain, rest);
    // LMDB takes no empty key.
    const int found = stored.bytes().empty() ? First() : Move(MDB_SET_RANGE, stored.bytes());
    const bool is_way_down = found == MDB_SUCCESS && stored.is_pointer() && IsPointer() &&
                             Piece() == rest.substr(0, PieceBytesMax(levels_.back().chain));
    if (!is_way_down) {
      return Settle(found, MDB_NEXT);
    }
    if (const int rc = Descend(); rc != MDB_SUCCESS) {
      return rc;
    }
    rest = stored.rest();
  }
}

int KeyTreeCursor::SeekToFirst() {
  return Seek({});
}

int KeyTreeCursor::SeekToLast() {
  is_valid_ = false;
  while (levels_.size() > 1) {
    Pop();
  }
  if (levels_.empty()) {
    if (const int rc = Push(0); rc != MDB_SUCCESS) {
      return rc;
    }
  }
  return Settle(Last(), MDB_PREV);
}

int KeyTreeCursor::Next() {
  CHECK(is_valid_);
  is_valid_ = false;
  return Settle(Move(MDB_NEXT, {}), MDB_NEXT);
}

int KeyTreeCursor::Prev() {
  CHECK(is_valid_);
  is_valid_ = false;
  return Settle(Move(MDB_PREV, {}), MDB_PREV);
}

}  // namespace socle::kv::lmdb
