// Console: where a command of soclectl reads files and prints; and what all commands do alike.
//
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_CONSOLE_H_
#define SOCLE_SERVER_CMD_SOCLECTL_CONSOLE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "kv/bolt/check.h"
#include "kv/bolt/offline_file.h"
#include "kv/env/env.h"

namespace socle::server {

inline constexpr int kExitDone = 0;
inline constexpr int kExitBroken = 1;
inline constexpr int kExitNothing = 2;

struct Console {
  Env* env = nullptr;
  Clock* clock = nullptr;
  std::function<void(std::string_view)> out;  // standard output
  std::function<void(std::string_view)> err;  // standard error
  bool err_is_terminal = false;
  bool out_is_terminal = false;

  // One line on standard error.
  void Complain(std::string_view what) const;
};

// `columns` without the blanks at the end, and a line break.
std::string TableLine(std::string columns);

// "12.5 %"; "-" of nothing.
std::string Share(uint64_t part, uint64_t whole);

// Where a data directory has what its storage engine keeps.
std::string EngineDirectoryOf(const std::string& data_dir);

// `path` is a database file, or a data directory with one in member/snap/db.
absl::StatusOr<std::unique_ptr<kv::bolt::OfflineFile>> OpenDatabase(const Console& console,
                                                                    const std::string& path);

// Complains; the exit code that belongs to it.
int Fail(const Console& console, const absl::Status& status);

// For commands that show a file and meet broken pages on the way: says so and where to read more.
int Conclude(const Console& console, const std::string& path, const kv::bolt::PageCensus& census);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_CONSOLE_H_
