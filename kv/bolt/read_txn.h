// BoltReadTxn: one commit, pinned while it lives.
// Threads  thread-safe (immutable).
// Memory   views point into the mapping.
#ifndef SOCLE_KV_BOLT_READ_TXN_H_
#define SOCLE_KV_BOLT_READ_TXN_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/bolt/database.h"
#include "kv/engine.h"

namespace socle::kv::bolt {

class BoltReadTxn final : public ReadTxn {
 public:
  // `db` must outlive the transaction.
  explicit BoltReadTxn(Database* db);
  ~BoltReadTxn() override;
  BoltReadTxn(const BoltReadTxn&) = delete;
  BoltReadTxn& operator=(const BoltReadTxn&) = delete;

  absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                      std::string_view key) const override;
  absl::StatusOr<std::unique_ptr<Cursor>> NewCursor(std::string_view bucket) const override;
  absl::StatusOr<std::vector<std::string>> Buckets() const override;

  uint64_t txid() const override { return Raw(meta_.txid); }

  uint64_t SnapshotSize() const override { return meta_.file_bytes(); }

  absl::Status WriteSnapshot(
      const std::function<absl::Status(std::string_view)>& sink) const override;

 private:
  Database* const db_;
  const Meta meta_;
  const PageReader reader_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_READ_TXN_H_
