// KeyTree, KeyTreeCursor: one bucket's keys in LMDB, whose own keys end at 511 bytes; keys of up to
// 32768 bytes in the same order.
//
//   level 0   the bucket's database         piece of up to 510 bytes
//   level n   the "tails" database          slot BE32 | chain id BE64 | piece of up to 498 bytes
//
//   what is left of a key        stored as              value
//   shorter than a piece         the bytes              the value
//   exactly one piece            the bytes, 0x00        the value
//   longer                       first piece, 0x01      id (BE64) of the chain that has the rest
//
// Laws     1. Keys of less than 510 bytes are stored as they are.
//          2. Order of stored keys, chains in the place of their pointers, is order of the keys: a
//             key that is a whole piece comes before all longer ones that begin with it.
//          3. A chain holds at least one key: the pointer goes with its last one.
// Threads  as the LMDB transaction that is passed in.
// Memory   views into the mapping, valid until the transaction's next change or its end; a cursor
//          copies keys that are longer than a piece.
// Errors   LMDB's numbers (0, MDB_NOTFOUND …); environment.h makes a Status of them.
#ifndef SOCLE_KV_LMDB_LONG_KEYS_H_
#define SOCLE_KV_LMDB_LONG_KEYS_H_

#include <lmdb.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace socle::kv::lmdb {

// Where a bucket lives.
struct KeyTree {
  MDB_dbi database = 0;
  MDB_dbi tails = 0;
  uint32_t slot = 0;

  int Get(MDB_txn* txn, std::string_view key, std::string_view* value) const;
  // `is_append`: worth trying as the last key of the bucket; MDB_KEYEXIST when it is not.
  int Put(MDB_txn* txn, std::string_view key, std::string_view value, bool is_append) const;
  int Delete(MDB_txn* txn, std::string_view key) const;
  // Removes every key.
  int Clear(MDB_txn* txn) const;
};

// Number of keys of the tree and of records behind them.
struct KeyTreeCount {
  uint64_t keys = 0;
  uint64_t bucket_records = 0;
  uint64_t tail_records = 0;
};

// A place in a KeyTree. Every move returns LMDB's number; after MDB_NOTFOUND or an error the cursor
// is nowhere.
class KeyTreeCursor {
 public:
  KeyTreeCursor(MDB_txn* txn, const KeyTree& tree) : txn_(txn), tree_(tree) {}

  ~KeyTreeCursor();
  KeyTreeCursor(const KeyTreeCursor&) = delete;
  KeyTreeCursor& operator=(const KeyTreeCursor&) = delete;

  int Seek(std::string_view key);
  int SeekToFirst();
  int SeekToLast();
  // Require valid().
  int Next();
  int Prev();

  bool valid() const { return is_valid_; }

  // Require valid().
  std::string_view key() const { return key_; }

  std::string_view value() const { return value_; }

  // The key is the cursor's own copy, not a view into the mapping.
  bool is_key_copied() const { return levels_.size() > 1; }

  // Records read so far, pointers included; what Check compares with LMDB's own count.
  const KeyTreeCount& count() const { return count_; }

 private:
  struct Level {
    MDB_cursor* cursor = nullptr;
    uint64_t chain = 0;    // 0: the bucket's database
    size_t key_bytes = 0;  // of long_key_ that belong to the levels above
  };

  int Push(uint64_t chain);
  void Pop();
  void PopAll();
  // Moves the cursor of the last level; MDB_NOTFOUND at the end of its chain.
  int Move(MDB_cursor_op op, std::string_view stored);
  int First();
  int Last();
  // From the record at hand down to a key, or on to the next (MDB_NEXT) or previous one (MDB_PREV).
  int Settle(int found, MDB_cursor_op step);
  // Pushes the level that the record at hand points to; MDB_CORRUPTED when it can't.
  int Descend();
  // Takes the record at hand as the cursor's place.
  int Land();
  bool IsPointer() const;
  std::string_view Piece() const;

  MDB_txn* const txn_;
  const KeyTree tree_;
  std::vector<Level> levels_;
  std::string_view stored_;  // the record at hand on the last level, without the chain's prefix
  std::string_view value_;
  std::string_view key_;
  std::string long_key_;
  bool is_valid_ = false;
  KeyTreeCount count_;
};

}  // namespace socle::kv::lmdb

#endif  // SOCLE_KV_LMDB_LONG_KEYS_H_
