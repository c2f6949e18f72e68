// FaultEnv: an Env in memory that keeps what is durable apart from what the process sees, and fails
// on request.
//
// Laws     1. After Restart the files hold what was synced, and of the rest what the DurabilityLoss
//             leaves: writes by sector (simulated_file.h), names (create, rename, remove) each
//             whole.
//          2. After a crash every call fails until Restart; files and locks of the life before stay
//             unusable.
//          3. After a failed sync its unsynced data is on disk at random and is never written by a
//             later sync.
//          4. The same seed and the same order of calls give the same result.
// Threads  thread-safe.
// Source   Env law 1 and 2. Directories are durable when made. Paths are taken as they are written.
#ifndef SOCLE_KV_TESTING_FAULT_ENV_H_
#define SOCLE_KV_TESTING_FAULT_ENV_H_

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/env/env.h"
#include "kv/testing/simulated_file.h"

namespace socle {

enum class CallKind {
  // These change something, and are counted by mutating_calls and CrashAfterCalls.
  kCreate,  // Open or Lock that makes the file
  kWrite,
  kSync,
  kTruncate,
  kRename,
  kRemove,
  kCreateDirs,
  kSyncDir,
  // These do not.
  kOpen,
  kRead,
  kStat,  // Size, Exists
  kList,
  kLock,
  kMap,
};

// Whether calls of this kind change something.
constexpr bool IsMutating(CallKind kind) {
  return kind <= CallKind::kSyncDir;
}

std::string_view NameOf(CallKind kind);

class FaultEnv final : public Env {
 public:
  explicit FaultEnv(uint64_t seed) : random_(seed) {}

  // The next `calls` mutating calls work; the one after is cut off by a crash: it fails, and its
  // effect counts as unsynced. 0 crashes in the next one.
  void CrashAfterCalls(uint64_t calls);
  // The `nth` call of this kind from now on (1 is the next) fails: a write after some of its bytes
  // (EIO or, for kResourceExhausted, ENOSPC), a sync by law 3, another call without effect.
  void FailCall(CallKind kind, uint64_t nth, absl::StatusCode code = absl::StatusCode::kInternal);
  // Writes that would make all files together longer than this fail with ResourceExhausted, after a
  // part.
  void SetDiskBytes(uint64_t bytes);
  // A lying disk: SyncData and SyncDir return OK and do nothing. Crash tests must go red with it.
  void PretendToSync(bool pretend);
  // The same for some syncs of files only: `lies` is asked with 1 for the next, then 2, 3 ...
  void PretendToSyncIf(std::function<bool(uint64_t nth)> lies);
  // Called before each call takes effect, outside of all locks; for tests that order threads.
  void SetObserver(std::function<void(CallKind, const std::string& path)> observer);

  // Cuts the power (if it is not off yet) and starts again; forgets all planned failures and
  // limits.
  void Restart(DurabilityLoss loss);

  // The machine as it would start again if the power failed now. Nothing changes here.
  std::unique_ptr<FaultEnv> AfterPowerCut(DurabilityLoss loss, uint64_t seed) const;

  bool has_crashed() const;
  uint64_t calls(CallKind kind) const;
  uint64_t mutating_calls() const;

  // A file as the process sees it and as the disk has it; nullopt when there is none of that name.
  std::optional<std::string> Contents(const std::string& path) const;
  std::optional<std::string> DurableContents(const std::string& path) const;
  // Replaces or makes a file, seen and durable at once: for damage done on purpose.
  void SetContents(const std::string& path, std::string contents);

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status RemoveDir(const std::string& path) override;
  absl::Status CreateDirs(const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> LockShared(const std::string& path) override;

 private:
  friend class FaultFile;
  friend class FaultLock;

  static constexpr size_t kKinds = static_cast<size_t>(CallKind::kMap) + 1;

  using SharedFile = std::shared_ptr<SimulatedFile>;
  using Names = std::map<std::string, SharedFile>;

  // A change of names that SyncDir has not made durable: `file` gets the name `to` and loses every
  // other; no `to` means that it is removed.
  struct NameChange {
    std::string directory;
    SharedFile file;
    std::string to;
  };

  struct Plan {
    uint64_t nth = 0;  // counts down; 0 is none
    absl::StatusCode code = absl::StatusCode::kInternal;
  };

  // What becomes of a call. Only kDone and kCrash go on to change the state.
  struct Verdict {
    enum { kDone, kCrash, kFault, kDead } fate = kDone;

    absl::Status status;
  };

  void Observe(CallKind kind, const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  Verdict Admit(CallKind kind, const std::string& path, uint64_t life)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasDirectory(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<SharedFile> FindOrCreate(const std::string& path, CallKind kind, bool create)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint64_t FreeBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Apply(const NameChange& change, Names* names);
  // Lets the unsynced changes of names in the directory (null: in all) reach the disk, or not;
  // forgets them.
  void SettleNames(std::optional<std::string_view> dir, DurabilityLoss loss)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The calls of a File, made in life number `life`.
  absl::Status ReadFile(const std::string& path, SimulatedFile* file, uint64_t life,
                        uint64_t offset, std::span<char> out);
  absl::Status WriteFile(const std::string& path, SimulatedFile* file, uint64_t life,
                         uint64_t offset, std::string_view bytes);
  absl::Status SyncFile(const std::string& path, SimulatedFile* file, uint64_t life,
                        uint64_t* failed_syncs_reported);
  absl::Status TruncateFile(const std::string& path, SimulatedFile* file, uint64_t life,
                            uint64_t size);
  absl::StatusOr<uint64_t> SizeOfFile(const std::string& path, const SimulatedFile& file,
                                      uint64_t life);
  absl::StatusOr<std::unique_ptr<Mapping>> MapFile(const std::string& path, SimulatedFile* file,
                                                   uint64_t life, size_t length);
  void Unlock(const std::string& path, uint64_t life, bool shared);

  mutable Mutex mu_;
  Random random_ ABSL_GUARDED_BY(mu_);
  Names seen_ ABSL_GUARDED_BY(mu_);
  Names durable_ ABSL_GUARDED_BY(mu_);
  std::vector<NameChange> unsynced_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> directories_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> locked_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, uint64_t> locked_shared_
      ABSL_GUARDED_BY(mu_);  // with the number of holders
  uint64_t life_ ABSL_GUARDED_BY(mu_) = 1;
  bool has_crashed_ ABSL_GUARDED_BY(mu_) = false;
  bool pretends_to_sync_ ABSL_GUARDED_BY(mu_) = false;
  std::function<bool(uint64_t)> lies_ ABSL_GUARDED_BY(mu_);
  uint64_t asked_lies_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<uint64_t> calls_to_crash_ ABSL_GUARDED_BY(mu_);
  uint64_t disk_bytes_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<uint64_t>::max();
  std::array<Plan, kKinds> plans_ ABSL_GUARDED_BY(mu_){};
  std::array<uint64_t, kKinds> calls_ ABSL_GUARDED_BY(mu_){};
  std::function<void(CallKind, const std::string&)> observer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle

#endif  // SOCLE_KV_TESTING_FAULT_ENV_H_
