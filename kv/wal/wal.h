// Wal: the write-ahead log; an ordered sequence of opaque entries, durable when Append returns.
//
// Laws     1. Entries are numbered 1, 2, 3 ... without gaps over the whole life of the log
//             (LogIndex).
//          2. Append of a batch costs one write and one fdatasync, whatever the number of entries
//             (group commit), and after a crash a prefix of its entries is there; all of them once
//             Append returned OK.
//          3. A torn tail (an incomplete last batch) is cut at open; any other damage is refused
//             with the segment, offset, expected and found checksum named, and nothing is changed.
//          4. After a failed write or sync the log is failed for good: every later Append returns
//             the first error.
//          5. Segments are written with zeros once and recycled, so that fdatasync touches no
//             metadata.
// Threads  Append and TruncateBefore are called by one thread at a time each; they may run
//          concurrently.
// Source   DESIGN 2, 3; kv/wal/FORMAT.md; DEPENDENCIES 4 (zero-filled segments save a third of the
//          sync).
#ifndef SOCLE_KV_WAL_WAL_H_
#define SOCLE_KV_WAL_WAL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"

namespace socle::kv {

enum class LogIndex : uint64_t {};

constexpr uint64_t Raw(LogIndex index) {
  return static_cast<uint64_t>(index);
}

struct WalOptions {
  uint64_t segment_bytes = 64'000'000;
  // Skips every fdatasync (--unsafe-no-fsync): a crash of the machine loses data.
  bool unsafe_no_sync = false;
  // Stored in each segment's head and compared at open: a log of another store is refused.
  uint64_t store_id = 0;
  // False: Append itself fills segments ahead, after each batch, so that a run is the same every time (tests).
  bool prepare_in_background = true;
};

class Wal {
 public:
  virtual ~Wal() = default;

  // Opens the log in `dir`, creating it when missing, and hands every entry with index > `after` to `replay` in
  // order. An error from `replay` ends the call with that error. FailedPrecondition when entries just after
  // `after` are gone (first index in the log > after + 1). An empty log starts at after + 1.
  static absl::StatusOr<std::unique_ptr<Wal>> Open(
      Env* env, const std::string& dir, const WalOptions& options, LogIndex after,
      const std::function<absl::Status(LogIndex, std::string_view)>& replay);

  // Appends the entries and makes them durable (law 2). Returns the index of the last one. `meanwhile` runs once, while
  // the disk writes: nothing is durable yet; not at all when the write itself failed.
  // Requires: not empty; each entry under 1 GiB.
  virtual absl::StatusOr<LogIndex> Append(std::span<const std::string_view> entries,
                                          absl::FunctionRef<void()> meanwhile) = 0;

  absl::StatusOr<LogIndex> Append(std::span<const std::string_view> entries) {
    return Append(entries, [] {});
  }

  // Entries up to and including `index` are no longer needed: whole segments below are recycled or removed.
  virtual absl::Status TruncateBefore(LogIndex index) = 0;

  virtual LogIndex last_index() const = 0;
  // Bytes written by Append since open, framing included.
  virtual uint64_t written_bytes() const = 0;
  // Of all segments, as they lie on the disk.
  virtual uint64_t segment_bytes() const = 0;
};

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_WAL_H_
