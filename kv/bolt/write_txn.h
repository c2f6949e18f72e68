// BoltWriteTxn: the one write transaction; edits dirty copies of pages until Commit.
//
//   open ──Commit──► over (durable, or an error and nothing changed)
//    │  └─Rollback─► over
//    └─broken page─► broken: every call but Rollback returns the error; Commit rolls back
// Threads  confined to the writer.
#ifndef SOCLE_KV_BOLT_WRITE_TXN_H_
#define SOCLE_KV_BOLT_WRITE_TXN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "kv/bolt/database.h"
#include "kv/bolt/tree_edit.h"
#include "kv/bolt/txn_pages.h"
#include "kv/engine.h"

namespace socle::kv::bolt {

class BoltWriteTxn final : public WriteTxn {
 public:
  // Requires the writer slot of `db` (Database::BeginWrite returned `base`); gives it back when
  // over.
  BoltWriteTxn(Database* db, const Meta& base);
  ~BoltWriteTxn() override;
  BoltWriteTxn(const BoltWriteTxn&) = delete;
  BoltWriteTxn& operator=(const BoltWriteTxn&) = delete;

  absl::Status CreateBucket(std::string_view bucket) override;
  absl::Status DeleteBucket(std::string_view bucket) override;
  absl::Status Put(std::string_view bucket, std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view bucket, std::string_view key) override;
  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                      std::string_view key) override;
  absl::Status Commit() override;
  void Rollback() override;

  // Commits even if nothing was changed.
  void set_modified() { root_.set_modified(); }

 private:
  struct OpenBucket {
    TreeEdit tree;
    uint64_t sequence;
  };

  using OpenBuckets = std::map<std::string, OpenBucket, std::less<>>;

  // NotFound when there is no such bucket.
  absl::StatusOr<OpenBucket*> Find(std::string_view name);
  absl::StatusOr<OpenBucket*> Load(std::string_view name);
  // Puts the roots of changed buckets into the root tree.
  absl::Status StoreBuckets();
  absl::StatusOr<std::string> StoredForm(OpenBucket* bucket);
  // Remembers a broken page.
  absl::Status Noted(absl::Status status);

  Database* const db_;
  const Meta base_;
  const TxnId txn_;
  TxnPages pages_;
  TreeEdit root_;
  OpenBuckets buckets_;
  OpenBuckets::value_type* last_used_ = nullptr;
  absl::Status broken_;
  bool over_ = false;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_WRITE_TXN_H_
