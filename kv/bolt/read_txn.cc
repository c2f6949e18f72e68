#include "kv/bolt/read_txn.h"

#include "kv/base/status_macros.h"
#include "kv/bolt/cursor.h"
#include "kv/bolt/snapshot.h"
#include "kv/bolt/tree.h"

namespace socle::kv::bolt {

BoltReadTxn::BoltReadTxn(Database* db)
    : db_(db), meta_(db->BeginRead()), reader_(db->ReaderOf(meta_)) {}

BoltReadTxn::~BoltReadTxn() {
  db_->EndRead(meta_.txid);
}

absl::StatusOr<std::optional<std::string_view>> BoltReadTxn::Get(std::string_view bucket,
                                                                 std::string_view key) const {
  BucketRoot root;
  bool found = false;
  RETURN_IF_ERROR(FindBucket(reader_, meta_.root, bucket, &root, &found));
  if (!found) {
    return std::nullopt;
  }
  Entry entry;
  RETURN_IF_ERROR(FindEntry(reader_, root, key, &entry, &found));
  if (!found || entry.is_bucket()) {
    return std::nullopt;
  }
  return entry.value;
}

absl::StatusOr<std::unique_ptr<Cursor>> BoltReadTxn::NewCursor(std::string_view bucket) const {
  BucketRoot root;
  bool found = false;
  RETURN_IF_ERROR(FindBucket(reader_, meta_.root, bucket, &root, &found));
  return std::make_unique<BoltCursor>(reader_,
                                      found ? std::optional<BucketRoot>(root) : std::nullopt);
}

absl::StatusOr<std::vector<std::string>> BoltReadTxn::Buckets() const {
  BucketRoot top;
  top.root = meta_.root;
  BoltCursor cursor(reader_, top);
  std::vector<std::string> names;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    if (cursor.entry().is_bucket()) {
      names.emplace_back(cursor.key());
    }
  }
  RETURN_IF_ERROR(cursor.status());
  return names;
}

absl::Status BoltReadTxn::WriteSnapshot(
    const std::function<absl::Status(std::string_view)>& sink) const {
  return WriteImage(meta_, db_->base(), sink);
}

}  // namespace socle::kv::bolt
