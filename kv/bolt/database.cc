#include "kv/bolt/database.h"

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

Database::Database(Parts parts)
    : path_(std::move(parts.path)),
      options_(parts.options),
      lock_(std::move(parts.lock)),
      map_(std::move(parts.map)),
      sums_(std::move(parts.sums)),
      freelist_(std::move(parts.freelist)),
      pool_(parts.meta.page_size),
      page_writer_(map_.file(), parts.meta.page_size, sums_.get()),
      meta_(parts.meta),
      free_pages_(freelist_->free_pages()) {}

Database::~Database() {
  const MutexLock lock(&mu_);
  CHECK(readers_.empty());
  CHECK(!writing_);
}

Meta Database::BeginRead() {
  const MutexLock lock(&mu_);
  Pin(meta_.txid);
  return meta_;
}

void Database::EndRead(TxnId txid) {
  const MutexLock lock(&mu_);
  const auto reader = readers_.find(txid);
  CHECK(reader != readers_.end());
  if (--reader->second == 0) {
    readers_.erase(reader);
  }
}

uint64_t Database::open_reads() const {
  const MutexLock lock(&mu_);
  uint64_t open = 0;
  for (const auto& [txid, count] : readers_) {
    open += count;
  }
  return open;
}

absl::StatusOr<Meta> Database::BeginWrite() {
  if (options_.read_only) {
    return absl::FailedPreconditionError(fmt::format("{}: is open read-only", path_));
  }
  std::vector<TxnId> readers;
  Meta meta;
  {
    const MutexLock lock(&mu_);
    CHECK(!writing_);
    if (!failure_.ok()) {
      return absl::FailedPreconditionError(
          fmt::format("{}: failed before: {}", path_, MessageOf(failure_)));
    }
    writing_ = true;
    meta = meta_;
    for (const auto& [txid, count] : readers_) {
      readers.push_back(txid);
    }
  }
  freelist_->ReleasePending(readers);
  return meta;
}

void Database::EndWrite() {
  const MutexLock lock(&mu_);
  CHECK(writing_);
  writing_ = false;
  free_pages_ = freelist_->free_pages();
}

void Database::Publish(const Meta& meta) {
  const MutexLock lock(&mu_);
  CHECK_EQ(Raw(meta.txid), Raw(meta_.txid) + 1);
  meta_ = meta;
}

void Database::Fail(const absl::Status& status) {
  const MutexLock lock(&mu_);
  if (failure_.ok()) {
    failure_ = status;
  }
}

std::pair<Meta, std::optional<std::vector<PageSpan>>> Database::BeginCheck() {
  const MutexLock lock(&mu_);
  Pin(meta_.txid);
  if (writing_) {
    return {meta_, std::nullopt};
  }
  return {meta_, freelist_->FreeAndPendingSpans()};
}

EngineSize Database::Size() const {
  const MutexLock lock(&mu_);
  const uint64_t total = meta_.file_bytes();
  return {.total_bytes = total, .in_use_bytes = total - free_pages_ * meta_.page_size};
}

}  // namespace socle::kv::bolt
