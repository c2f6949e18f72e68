#include "server/backup/rebuild.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

constexpr uint64_t kEntriesPerLook = 1'024;

}  // namespace

Rebuild::Rebuild(Env* env, std::string directory, const BackupChain* chain, const BaseFigures* base,
                 const RebuildStop& stop, MigrateProgress progress)
    : env_(env),
      directory_(std::move(directory)),
      chain_(chain),
      base_(base),
      stop_(stop),
      progress_(std::move(progress)),
      wall_nanos_(base->record.wall_nanos) {
  for (const BaseFigures& each : chain->bases) {
    if (each.record.sequence >= base->record.sequence) {
      to_hash_.push_back(&each);
    }
    if (each.record.sequence > base->record.sequence) {
      to_meet_.push_back(&each);
    }
  }
  std::reverse(to_hash_.begin(), to_hash_.end());
  std::reverse(to_meet_.begin(), to_meet_.end());
}

absl::Status Rebuild::Run(mvcc::LogReplay* replay) {
  if (replay->last_index() != base_->record.index) {
    return absl::DataLossError(fmt::format("{}: the image holds log entry {}, its record says {}",
                                           base_->image, replay->last_index(),
                                           base_->record.index));
  }
  RETURN_IF_ERROR(LookAround(*replay));
  for (const PieceFigures& piece : chain_->pieces) {
    if (piece.last_index <= replay->last_index() || IsDone(*replay)) {
      continue;
    }
    const uint64_t needed_from = replay->last_index() + 1;
    ASSIGN_OR_RETURN(PieceFigures read,
                     ReadPiece(
                         env_, directory_, piece.name,
                         [&](const Frame& frame) { return ApplyFrame(piece.name, frame, replay); },
                         needed_from));
    if (!read.skipped.ok()) {
      skipped_.push_back(std::move(read.skipped));
    }
  }
  revision_ = replay->revision();
  last_index_ = replay->last_index();
  return absl::OkStatus();
}

bool Rebuild::IsDone(const mvcc::LogReplay& replay) const {
  const bool has_met_base =
      stop_.base != nullptr && replay.last_index() >= stop_.base->record.index &&
      std::find(to_hash_.begin(), to_hash_.end(), stop_.base) == to_hash_.end();
  return has_met_base || replay.last_index() >= stop_.index || replay.revision() >= stop_.revision;
}

absl::Status Rebuild::ApplyFrame(const std::string& piece, const Frame& frame,
                                 mvcc::LogReplay* replay) {
  uint64_t index = frame.header.first_index;
  for (const std::string_view entry : frame.entries) {
    if (index > replay->last_index()) {
      if (IsDone(*replay)) {
        break;
      }
      absl::Status status = replay->Apply(index, entry);
      if (status.ok()) {
        status = LookAround(*replay);
      }
      if (!status.ok()) {
        return Annotate(status, fmt::format("{}: offset {}: entry {}", piece, frame.offset, index));
      }
      if (progress_ && index % kEntriesPerLook == 0) {
        progress_(fmt::format("applying the log, entry {} of {}", index, chain_->last_index()));
      }
    }
    ++index;
  }
  if (!frame.entries.empty() && LinkOf(frame.entries.back()) != frame.header.link) {
    return absl::DataLossError(
        fmt::format("{}: offset {}: the link of entry {} is not its checksum", piece, frame.offset,
                    frame.header.last_index));
  }
  // What was logged until then is in the state; marks behind it say nothing of it.
  for (const TimeMark& mark : frame.marks) {
    if (mark.index > replay->last_index()) {
      break;
    }
    wall_nanos_ = mark.wall_nanos;
  }
  return absl::OkStatus();
}

// What bases remember of this very state.
absl::Status Rebuild::LookAround(const mvcc::LogReplay& replay) {
  while (!to_meet_.empty() && to_meet_.back()->record.index <= replay.last_index()) {
    if (at_base_ && to_meet_.back()->record.index == replay.last_index()) {
      RETURN_IF_ERROR(at_base_(*to_meet_.back(), replay));
    }
    to_meet_.pop_back();
  }
  while (!to_hash_.empty()) {
    const BaseRecord& record = to_hash_.back()->record;
    if (replay.last_index() < record.index || replay.revision() < record.hash_revision ||
        replay.compact_revision() < record.hash_compact_revision) {
      break;
    }
    RETURN_IF_ERROR(CompareHash(*to_hash_.back(), replay));
    to_hash_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status Rebuild::CompareHash(const BaseFigures& base, const mvcc::LogReplay& replay) {
  const BaseRecord& record = base.record;
  if (replay.revision() != record.hash_revision ||
      replay.compact_revision() != record.hash_compact_revision) {
    return absl::DataLossError(fmt::format(
        "{}: the store was at revision {}, compacted at {}; what was saved comes to revision {}, "
        "compacted at {}, instead",
        base.name, record.hash_revision, record.hash_compact_revision, replay.revision(),
        replay.compact_revision()));
  }
  ASSIGN_OR_RETURN(const mvcc::KvHash hash, replay.Hash());
  if (hash.hash != record.hash) {
    return absl::DataLossError(fmt::format(
        "{}: HashKV of the store was {:#010x} at revision {}, that of what was saved is {:#010x}",
        base.name, record.hash, record.hash_revision, hash.hash));
  }
  ++hashes_compared_;
  return absl::OkStatus();
}

}  // namespace socle::server
