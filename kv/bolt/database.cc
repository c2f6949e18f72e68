#include "kv/bolt/database.h"

#include <algorithm>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

namespace {

// The other meta page is not looked at when a file is opened: until the next commit nothing is cut.
constexpr PageId kUnknownHighWater{~uint64_t{0}};

}  // namespace

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
      previous_high_water_(kUnknownHighWater),
      free_pages_(freelist_->free_pages()) {}

Database::~Database() {
  const MutexLock lock(&mu_);
  CHECK(readers_.empty());
  CHECK(!writing_);
}

Meta Database::BeginRead() {
  const MutexLock lock(&mu_);
  Pin(meta_);
  return meta_;
}

void Database::Pin(const Meta& meta) {
  Readers& readers = readers_[meta.txid];
  ++readers.count;
  readers.high_water = meta.high_water;
}

void Database::EndRead(TxnId txid) {
  const MutexLock lock(&mu_);
  const auto reader = readers_.find(txid);
  CHECK(reader != readers_.end());
  if (--reader->second.count == 0) {
    readers_.erase(reader);
  }
}

uint64_t Database::open_reads() const {
  const MutexLock lock(&mu_);
  uint64_t open = 0;
  for (const auto& [txid, readers] : readers_) {
    open += readers.count;
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
    for (const auto& [txid, at] : readers_) {
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
  previous_high_water_ = meta_.high_water;
  meta_ = meta;
  free_pages_ = freelist_->free_pages();  // together: Size subtracts them
}

bool Database::IsOlderMetaWithin(const Meta& newest) const {
  const MutexLock lock(&mu_);
  return previous_high_water_ <= newest.high_water;
}

uint64_t Database::FileBytesNeeded() const {
  const MutexLock lock(&mu_);
  PageId high_water = std::max(meta_.high_water, previous_high_water_);
  for (const auto& [txid, readers] : readers_) {
    high_water = std::max(high_water, readers.high_water);
  }
  return high_water == kUnknownHighWater ? ~uint64_t{0} : Raw(high_water) * meta_.page_size;
}

void Database::Fail(const absl::Status& status) {
  const MutexLock lock(&mu_);
  if (failure_.ok()) {
    failure_ = status;
  }
}

std::pair<Meta, std::optional<std::vector<PageSpan>>> Database::BeginCheck() {
  const MutexLock lock(&mu_);
  Pin(meta_);
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
