// BackupFaults: a store, and a writer of its backup on a disk of its own that fails as it is told.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_BACKUP_TESTING_BACKUP_FAULTS_H_
#define SOCLE_SERVER_BACKUP_TESTING_BACKUP_FAULTS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/status_macros.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "server/backup/backup_check.h"
#include "server/backup/backup_writer.h"
#include "server/backup/testing/recorded_store.h"

namespace socle::server {

inline mvcc::StoreOptions StoreOptionsOf(Env* env) {
  mvcc::StoreOptions options;
  options.directory = "/store";
  options.env = env;
  options.map_size_bytes = uint64_t{64} << 20U;
  options.wal_segment_bytes = 1 << 14;
  options.held_log_bytes_max = 1 << 16;
  options.hold_log = true;
  return options;
}

inline BackupOptions BackupOptionsOf(Env* env, Clock* clock) {
  return {.env = env,
          .clock = clock,
          .directory = "/backup",
          .cluster_id = 5,
          .snapshot_interval_nanos = 10 * kNanosPerSecond,
          .retention_nanos = 30 * kNanosPerSecond,
          .piece_bytes_max = 2'000,
          .frame_bytes_max = 300};
}

inline absl::Status Nothing() {
  return absl::OkStatus();
}

// Some seconds of a server's life: work, saves, bases. The backup's own errors are returned.
inline absl::Status Live(RecordedStore* recorded, BackupWriter* writer, ManualClock* clock,
                         int steps) {
  for (int i = 0; i < steps; ++i) {
    recorded->Work(1 + recorded->operations()->random()->Below(4));
    clock->Advance(kNanosPerSecond);
    RETURN_IF_ERROR(writer->Save());
    if (writer->IsBaseDue()) {
      RETURN_IF_ERROR(writer->MakeBase([&] { return writer->Save(); }));
    }
  }
  return absl::OkStatus();
}

// What a check says; without the rebuilding, which takes its time.
inline absl::StatusOr<BackupChecked> Check(Env* env, bool without_rebuild = false) {
  return CheckBackup(
      env, {.directory = "/backup", .scratch = "/scratch", .without_rebuild = without_rebuild});
}

class BackupFaults : public ::testing::Test {
 protected:
  BackupFaults()
      : env_(TestSeed()), store_env_(1), recorded_(StoreOptionsOf(&store_env_), TestSeed()) {}

  void OpenWriter() {
    auto writer = BackupWriter::Open(recorded_.store(), BackupOptionsOf(&env_, &clock_));
    ASSERT_OK(writer);
    writer_ = *std::move(writer);
  }

  std::vector<std::string> Files(std::string_view suffix) {
    std::vector<std::string> names = *env_.List("/backup");
    std::erase_if(names, [&](const std::string& name) { return !name.ends_with(suffix); });
    return names;
  }

  FaultEnv env_;  // of the backup
  FaultEnv store_env_;
  ManualClock clock_;
  RecordedStore recorded_;
  std::unique_ptr<BackupWriter> writer_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_TESTING_BACKUP_FAULTS_H_
