// SimulatedFile: one file of a FaultEnv; what the reader sees beside what a power cut would leave.
//
// Laws     1. Reads and mappings show every write at once, synced or not.
//          2. A sector (512 bytes) is on disk as it was after some prefix of the unsynced writes
//             that touch it; sectors are independent of each other.
// Threads  thread-compatible; mappings may be read from any thread.
// Memory   the contents twice, three times once mapped.
#ifndef SOCLE_KV_TESTING_SIMULATED_FILE_H_
#define SOCLE_KV_TESTING_SIMULATED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kv/base/random.h"
#include "kv/env/env.h"

namespace socle {

// What a power cut does to changes that were not synced.
enum class DurabilityLoss {
  kAll,      // all of them are lost
  kNone,     // all of them survive: the process died, the machine did not
  kRandom,   // each one survives, is lost, or (a write) survives in part
  kTorn,     // each write survives in part: every sector of it at random
  kOneLost,  // all writes survive but one of each file; names at random
  kOneTorn,  // the same, but of that one write some sectors survive
};

class SimulatedFile {
 public:
  static constexpr uint64_t kSectorBytes = 512;

  explicit SimulatedFile(std::string contents);
  ~SimulatedFile();

  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  uint64_t size() const { return seen_.size(); }

  const std::string& seen() const { return seen_; }

  const std::string& durable() const { return durable_; }

  void Write(uint64_t offset, std::string_view bytes);
  void Truncate(uint64_t size);
  // Makes everything written so far durable.
  void Sync();
  // Lets the unsynced changes reach the disk, or not, and forgets about them: what was lost stays
  // visible to readers but no later Sync writes it, as Linux does after a failed fsync.
  void Settle(DurabilityLoss loss, Random* random);
  // What a power cut now would leave; nothing changes here.
  std::string AfterPowerCut(DurabilityLoss loss, Random* random) const;

  // Counts failed syncs: each open file of Linux reports every one of them once, whichever file it
  // happened to.
  uint64_t failed_syncs() const { return failed_syncs_; }

  void CountFailedSync() { ++failed_syncs_; }

  absl::StatusOr<std::unique_ptr<Mapping>> MapForReading(size_t length);

 private:
  // A write of `bytes` at `offset`, or (is_truncate) a change of the length to `offset`.
  struct Change {
    uint64_t offset;
    std::string bytes;
    bool is_truncate;
  };

  // Does to the unsynced changes what the loss says; the result is in `durable`.
  void SettleInto(std::string* durable, DurabilityLoss loss, Random* random) const;
  void SettlePartly(std::string* durable, DurabilityLoss loss, Random* random) const;

  std::string seen_;
  std::string durable_;
  std::vector<Change> unsynced_;
  uint64_t failed_syncs_ = 0;
  int mirror_fd_ = -1;  // memory file that follows seen_, once something mapped it
};

}  // namespace socle

#endif  // SOCLE_KV_TESTING_SIMULATED_FILE_H_
