#include "server/service/snapshot_stream.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "server/service/error_table.h"
#include "server/service/identity.h"
#include "server/service/sha256.h"

namespace socle::server {

absl::StatusOr<std::unique_ptr<SnapshotStream>> SnapshotStream::Start(
    mvcc::Store* store, std::function<void()> on_ready, Durations* times) {
  std::unique_ptr<SnapshotStream> stream(new SnapshotStream(store, std::move(on_ready), times));
  ASSIGN_OR_RETURN(stream->reader_,
                   Thread::Start("snapshot", [raw = stream.get()] { raw->Run(); }));
  return stream;
}

SnapshotStream::SnapshotStream(mvcc::Store* store, std::function<void()> on_ready, Durations* times)
    : store_(store), on_ready_(std::move(on_ready)), times_(times) {}

SnapshotStream::~SnapshotStream() {
  {
    MutexLock lock(&mu_);
    is_dropped_ = true;
    room_.Signal();
  }
  reader_.Join();
}

absl::StatusOr<SnapshotStream::Step> SnapshotStream::Next(
    etcdserverpb::SnapshotResponse* response) {
  MutexLock lock(&mu_);
  if (blobs_.empty()) {
    if (!has_ended_) {
      return Step::kWait;
    }
    if (!end_status_.ok()) {
      return end_status_;
    }
    return Step::kEnd;
  }
  Blob& blob = blobs_.front();
  response->set_remaining_bytes(blob.remaining_bytes);
  response->set_blob(std::move(blob.bytes));
  response->set_version(std::string(kStorageVersion));
  blobs_.pop_front();
  room_.Signal();
  return Step::kMessage;
}

void SnapshotStream::Run() {
  const int64_t began_nanos = Clock::Real()->MonotonicNanos();
  const absl::Status status = ReadPages();
  if (status.ok() && times_ != nullptr) {
    times_->Observe(Clock::Real()->MonotonicNanos() - began_nanos);
  }
  End(status);
}

absl::Status SnapshotStream::ReadPages() {
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::ReadTxn> pages, store_->CommitAndRead());
  uint64_t remaining = pages->SnapshotSize();
  Sha256 sha;
  Blob blob;
  const auto flush = [&]() -> absl::Status {
    remaining -= std::min<uint64_t>(remaining, blob.bytes.size());
    blob.remaining_bytes = remaining;
    return Push(std::exchange(blob, Blob{}));
  };
  const absl::Status written = pages->WriteSnapshot([&](std::string_view piece) -> absl::Status {
    sha.Update(piece);
    while (!piece.empty()) {
      const size_t taken = std::min(piece.size(), kBlobBytes - blob.bytes.size());
      blob.bytes.append(piece.substr(0, taken));
      piece.remove_prefix(taken);
      if (blob.bytes.size() == kBlobBytes) {
        RETURN_IF_ERROR(flush());
      }
    }
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(written);
  if (!blob.bytes.empty()) {
    RETURN_IF_ERROR(flush());
  }
  return Push({.bytes = sha.Finish(), .remaining_bytes = 0});
}

absl::Status SnapshotStream::Push(Blob blob) {
  {
    MutexLock lock(&mu_);
    while (blobs_.size() >= kBlobsMax && !is_dropped_) {
      room_.Wait(&mu_);
    }
    if (is_dropped_) {
      return absl::CancelledError("the client is gone");
    }
    blobs_.push_back(std::move(blob));
  }
  on_ready_();
  return absl::OkStatus();
}

void SnapshotStream::End(absl::Status status) {
  {
    MutexLock lock(&mu_);
    has_ended_ = true;
    end_status_ = WireStatus(status);
    if (is_dropped_) {
      return;
    }
  }
  if (!status.ok()) {
    LogError("the snapshot could not be read", {{"error", status}});
  }
  on_ready_();
}

}  // namespace socle::server
