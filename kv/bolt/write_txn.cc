#include "kv/bolt/write_txn.h"

#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/commit.h"

namespace socle::kv::bolt {
namespace {

absl::Status CheckKey(std::string_view key, std::string_view what) {
  if (key.empty() || key.size() > kKeyBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} has {} bytes, allowed are 1 to {}", what, key.size(), kKeyBytesMax));
  }
  return absl::OkStatus();
}

// Bucket value of a bucket that is one small leaf.
std::string InlineForm(uint64_t sequence, const DirtyPage& leaf, uint32_t page_size) {
  std::string value(sizeof(BucketHeader) + leaf.used(), '\0');
  Store(BucketHeader{.root = 0, .sequence = sequence}, value.data());
  leaf.Pack(PageId{0}, page_size, leaf.used(), value.data() + sizeof(BucketHeader));
  return value;
}

bool CanBeInline(const DirtyPage& page, uint32_t page_size) {
  if (!page.is_leaf() || page.used() > page_size / 4) {
    return false;
  }
  for (uint32_t i = 0; i < page.count(); ++i) {
    if (page.At(i).is_bucket()) {
      return false;
    }
  }
  return true;
}

}  // namespace

BoltWriteTxn::BoltWriteTxn(Database* db, const Meta& base)
    : db_(db),
      base_(base),
      txn_(Next(base.txid)),
      pages_(db->ReaderOf(base), db->freelist(), db->pool(), txn_,
             {.pages_max = db->map()->map_bytes() / base.page_size}),
      root_(&pages_, RefOf(base.root)) {}

BoltWriteTxn::~BoltWriteTxn() {
  if (!over_) {
    Rollback();
  }
}

void BoltWriteTxn::Rollback() {
  CHECK(!over_);
  over_ = true;
  db_->freelist()->Rollback(txn_);
  db_->EndWrite();
}

absl::Status BoltWriteTxn::Noted(absl::Status status) {
  if (absl::IsDataLoss(status) && broken_.ok()) {
    broken_ = status;
  }
  return status;
}

absl::StatusOr<BoltWriteTxn::OpenBucket*> BoltWriteTxn::Find(std::string_view name) {
  CHECK(!over_);
  RETURN_IF_ERROR(broken_);
  if (last_used_ != nullptr && last_used_->first == name) {
    return &last_used_->second;
  }
  const auto open = buckets_.find(name);
  if (open != buckets_.end()) {
    last_used_ = &*open;
    return &open->second;
  }
  absl::StatusOr<OpenBucket*> loaded = Load(name);
  if (!loaded.ok()) {
    return Noted(loaded.status());
  }
  return loaded;
}

absl::StatusOr<BoltWriteTxn::OpenBucket*> BoltWriteTxn::Load(std::string_view name) {
  std::optional<Entry> entry;
  RETURN_IF_ERROR(root_.Get(name, &entry));
  if (!entry.has_value() || !entry->is_bucket()) {
    return absl::NotFoundError(fmt::format("{}: no bucket {}", db_->path(), name));
  }
  BucketRoot bucket;
  RETURN_IF_ERROR(pages_.reader().ParseBucket(entry->value, base_.root, &bucket));
  PageRef root{};
  if (bucket.is_inline) {
    ASSIGN_OR_RETURN(root, pages_.NewFrom(bucket.inline_page, base_.root));
  } else if (bucket.root >= base_.high_water) {
    return pages_.reader().Broken(bucket.root,
                                  fmt::format("root of bucket {} is out of file", name));
  } else {
    root = RefOf(bucket.root);
  }
  const auto inserted = buckets_.emplace(
      std::string(name), OpenBucket{.tree = TreeEdit(&pages_, root), .sequence = bucket.sequence});
  last_used_ = &*inserted.first;
  return &last_used_->second;
}

absl::Status BoltWriteTxn::CreateBucket(std::string_view bucket) {
  CHECK(!over_);
  RETURN_IF_ERROR(broken_);
  RETURN_IF_ERROR(CheckKey(bucket, "bucket name"));
  std::optional<Entry> entry;
  RETURN_IF_ERROR(Noted(root_.Get(bucket, &entry)));
  if (entry.has_value() && entry->is_bucket()) {
    return absl::OkStatus();
  }
  const DirtyPage empty(std::make_unique<char[]>(kHeaderBytes), kHeaderBytes, kLeafPage);
  return Noted(root_.Put(
      {.key = bucket, .value = InlineForm(0, empty, pages_.page_size()), .flags = kBucketElement}));
}

absl::Status BoltWriteTxn::DeleteBucket(std::string_view bucket) {
  ASSIGN_OR_RETURN(OpenBucket* const open, Find(bucket));
  RETURN_IF_ERROR(Noted(open->tree.DropAll()));
  const std::string name(bucket);
  last_used_ = nullptr;
  RETURN_IF_ERROR(pages_.Drop(open->tree.root()));
  buckets_.erase(name);
  return Noted(root_.Delete(name, kBucketElement));
}

absl::Status BoltWriteTxn::Put(std::string_view bucket, std::string_view key,
                               std::string_view value) {
  ASSIGN_OR_RETURN(OpenBucket* const open, Find(bucket));
  RETURN_IF_ERROR(CheckKey(key, "key"));
  if (value.size() > kValueBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("value has {} bytes, allowed are {}", value.size(), kValueBytesMax));
  }
  return Noted(open->tree.Put({.key = key, .value = value}));
}

absl::Status BoltWriteTxn::Delete(std::string_view bucket, std::string_view key) {
  ASSIGN_OR_RETURN(OpenBucket* const open, Find(bucket));
  return Noted(open->tree.Delete(key, 0));
}

absl::StatusOr<std::optional<std::string_view>> BoltWriteTxn::Get(std::string_view bucket,
                                                                  std::string_view key) {
  absl::StatusOr<OpenBucket*> open = Find(bucket);
  if (!open.ok()) {
    if (absl::IsNotFound(open.status())) {
      return std::nullopt;
    }
    return open.status();
  }
  std::optional<Entry> entry;
  RETURN_IF_ERROR(Noted((*open)->tree.Get(key, &entry)));
  if (!entry.has_value() || entry->is_bucket()) {
    return std::nullopt;
  }
  return entry->value;
}

absl::StatusOr<std::string> BoltWriteTxn::StoredForm(OpenBucket* bucket) {
  const PageRef root = bucket->tree.root();
  if (IsDirty(root) && CanBeInline(*pages_.Dirty(root), pages_.page_size())) {
    std::string value = InlineForm(bucket->sequence, *pages_.Dirty(root), pages_.page_size());
    RETURN_IF_ERROR(pages_.Drop(root));
    return value;
  }
  ASSIGN_OR_RETURN(const PageId id, pages_.Place(root));
  std::string value(sizeof(BucketHeader), '\0');
  Store(BucketHeader{.root = Raw(id), .sequence = bucket->sequence}, value.data());
  return value;
}

absl::Status BoltWriteTxn::StoreBuckets() {
  for (auto& [name, bucket] : buckets_) {
    if (bucket.tree.modified()) {
      ASSIGN_OR_RETURN(const std::string value, StoredForm(&bucket));
      RETURN_IF_ERROR(root_.Put({.key = name, .value = value, .flags = kBucketElement}));
    }
  }
  return absl::OkStatus();
}

absl::Status BoltWriteTxn::Commit() {
  CHECK(!over_);
  absl::Status status = broken_;
  if (status.ok()) {
    status = StoreBuckets();
  }
  if (status.ok() && root_.modified()) {
    absl::StatusOr<PageId> root = pages_.Place(root_.root());
    status = root.ok() ? WriteCommit(db_, &pages_, base_, *root) : root.status();
    if (status.ok()) {
      over_ = true;
      db_->EndWrite();
      return status;
    }
    PROBE("bolt: commit failed");
  }
  Rollback();
  return status;
}

}  // namespace socle::kv::bolt
