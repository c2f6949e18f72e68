// Engine: named buckets of ordered byte keys with one write transaction and snapshot reads; the
// storage contract.
//
// Laws     1. A ReadTxn sees exactly the state of the last commit before it was opened, for as long
//             as it lives.
//          2. Commit is atomic and durable: after a crash the file holds all of it or nothing of
//             it.
//          3. A ReadTxn never waits for a WriteTxn, and the other way round.
//          4. Views (string_view) that a ReadTxn returns are valid until it ends, those of a Cursor
//             until it moves (Keep makes them last), those of a WriteTxn until its next change.
// Threads  Engine: BeginRead, counters and snapshots are thread-safe; one WriteTxn at a time
//          (CHECKed). ReadTxn: thread-safe once opened (immutable); a Cursor is thread-compatible.
// Errors   DataLoss names file, page and what is wrong; after a failed sync every write says
//          FailedPrecondition with the first error (sticky), reads go on.
// Source   DESIGN 3 (kv), spec etcd 3.
#ifndef SOCLE_KV_ENGINE_H_
#define SOCLE_KV_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace socle::kv {

struct EntryView {
  std::string_view key;
  std::string_view value;
};

// Iterates one bucket in key order. Starts unpositioned (Valid() is false).
class Cursor {
 public:
  virtual ~Cursor() = default;
  // Positions at the first key >= `key`.
  virtual void Seek(std::string_view key) = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // Requires Valid().
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual bool Valid() const = 0;
  // Require Valid(). Memory: law 4.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;

  // Key and value, valid until the transaction ends; an engine without a mapping copies them.
  virtual EntryView Keep() const { return {key(), value()}; }

  // DataLoss when the cursor stopped at a broken page; OK at the end of the bucket.
  virtual absl::Status status() const = 0;
};

class ReadTxn {
 public:
  virtual ~ReadTxn() = default;
  // nullopt: no such key, or no such bucket.
  virtual absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                              std::string_view key) const = 0;
  // A missing bucket iterates as an empty one. The cursor must not outlive the transaction.
  virtual absl::StatusOr<std::unique_ptr<Cursor>> NewCursor(std::string_view bucket) const = 0;
  // Names of the top-level buckets, ascending.
  virtual absl::StatusOr<std::vector<std::string>> Buckets() const = 0;

  // Another transaction on the same commit for one reader, so that the copies which its views need
  // go with it; null when views cost nothing.
  virtual std::unique_ptr<ReadTxn> Share() const { return nullptr; }

  // Number of the commit that this transaction sees.
  virtual uint64_t txid() const = 0;
  // Length of the image that WriteSnapshot writes; 0 when it can't be made, and WriteSnapshot says
  // why. An engine that is not bolt scans everything for it, once per transaction.
  virtual uint64_t SnapshotSize() const = 0;
  // The whole state as a bbolt v2 image, piece by piece in order; stops at the sink's first error.
  virtual absl::Status WriteSnapshot(
      const std::function<absl::Status(std::string_view)>& sink) const = 0;
};

class WriteTxn {
 public:
  // Rolls back if neither Commit nor Rollback was called.
  virtual ~WriteTxn() = default;
  // OK when it exists.
  virtual absl::Status CreateBucket(std::string_view bucket) = 0;
  // NotFound when there is no such bucket.
  virtual absl::Status DeleteBucket(std::string_view bucket) = 0;
  // Requires an existing bucket (NotFound) and 1 <= key size <= 32768, value size < 2^31 (InvalidArgument).
  // Cheapest when keys of one bucket come in ascending order.
  virtual absl::Status Put(std::string_view bucket, std::string_view key,
                           std::string_view value) = 0;
  // OK when there is no such key; NotFound when there is no such bucket.
  virtual absl::Status Delete(std::string_view bucket, std::string_view key) = 0;
  virtual absl::StatusOr<std::optional<std::string_view>> Get(std::string_view bucket,
                                                              std::string_view key) = 0;
  // Durable when it returns OK; the transaction is over either way.
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;
};

struct EngineSize {
  uint64_t total_bytes = 0;   // high-water mark: what the file needs
  uint64_t in_use_bytes = 0;  // without free pages
};

// What a step of shrinking got to.
struct ShrinkProgress {
  enum class State {
    kMore,     // the next step has work
    kBlocked,  // only open readers hold the file where it is; nothing was written
    kDone,     // it is as small as it gets; nothing was written
  };

  State state = State::kDone;
  uint64_t total_bytes = 0;    // EngineSize::total_bytes after the step
  uint64_t written_bytes = 0;  // pages that the step wrote
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual absl::StatusOr<std::unique_ptr<ReadTxn>> BeginRead() = 0;
  virtual absl::StatusOr<std::unique_ptr<WriteTxn>> BeginWrite() = 0;
  virtual EngineSize Size() const = 0;
  // How many ReadTxn are open.
  virtual uint64_t open_reads() const = 0;
  // Gives space back while the file is in use: moves about `bytes_max` (at least one page) from its
  // end to free places before, in one commit, and cuts off what is free there. Repeated until kDone,
  // with any other work in between. A write: it needs the place of the one WriteTxn. Unimplemented:
  // this engine's file can't shrink.
  virtual absl::StatusOr<ShrinkProgress> ShrinkStep(uint64_t bytes_max);
  // Verifies every structural invariant of the newest commit; DataLoss names the first broken page.
  virtual absl::Status Check() = 0;
};

inline absl::StatusOr<ShrinkProgress> Engine::ShrinkStep(uint64_t /*bytes_max*/) {
  return absl::UnimplementedError("this engine does not shrink its file");
}

}  // namespace socle::kv

#endif  // SOCLE_KV_ENGINE_H_
