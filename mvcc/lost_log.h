// LostLog: a store whose log is not where it is looked for, which is not opened as if it had none.
//
// Laws     1. A store that had a log is opened with that log alone: what was answered may be nowhere else.
// Threads  thread-safe.
// Errors   FailedPrecondition, saying where the log is or what can be done without it.
#ifndef SOCLE_MVCC_LOST_LOG_H_
#define SOCLE_MVCC_LOST_LOG_H_

#include <string>

#include <absl/status/status.h>

#include "kv/env/env.h"

namespace socle::mvcc {

// Where the log of a store in `directory` is. `wal_directory`: as given; empty: nothing was said.
std::string LogDirectoryOf(const std::string& directory, const std::string& wal_directory);

// For a store whose pages say that it had a log.
absl::Status RefuseLostLog(Env* env, const std::string& directory,
                           const std::string& wal_directory);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_LOST_LOG_H_
