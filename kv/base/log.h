// Log: one line per event; a constant message, then key/value pairs.
//
//   LogInfo("commit finished", {{"pages", pages}, {"took", "3ms"}});
//
//   json  {"level":"info","ts":"2026-11-26T10:00:00.123456Z","caller":"backend/committer.cc:71","msg":"commit finished","pages":3,"took":"3ms"}
//   text  2026-11-26T10:00:00.123456Z info commit finished pages=3 took=3ms
//
// Laws     1. error = someone must act, warning = degraded and self-healing, info = lifecycle,
//             debug = per request.
//          2. No secrets, no user values.
//          3. The JSON has etcd's field names, levels and times, so that readers of its logs keep working.
//          4. A reader of standard output or error that stops reading (a full pipe, a terminal after Ctrl-S) costs lines and
//             a tenth of a second, and stops nobody; the next line that finds room says how many were left out.
// Threads  thread-safe. Before InitLog everything of level warning and above goes to stderr as
//          text.
#ifndef SOCLE_KV_BASE_LOG_H_
#define SOCLE_KV_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <absl/status/status.h>
#include <fmt/format.h>

namespace socle {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

enum class LogFormat { kJson, kText };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  std::vector<std::string> outputs = {"stderr"};  // "stdout", "stderr" or a file path
};

// Sets where log lines go, for the whole process. Fails when an output can't be opened.
absl::Status InitLog(const LogOptions& options);

// One "key": value of a line; numbers and bools stay bare in JSON.
struct LogField {
  LogField(std::string_view key_in, std::string_view text) : key(key_in), value(text) {}

  LogField(std::string_view key_in, const char* text) : key(key_in), value(text) {}

  LogField(std::string_view key_in, const std::string& text) : key(key_in), value(text) {}

  LogField(std::string_view key_in, const absl::Status& status)
      : key(key_in), value(status.ToString()) {}

  template <typename T>

  requires std::is_arithmetic_v<T> LogField(std::string_view key_in, T number)
      : key(key_in), value(fmt::format("{}", number)), is_bare(true) {}

  std::string_view key;
  std::string value;
  bool is_bare = false;
};

// The text of one line, without its end.
std::string FormatLogLine(LogFormat format, LogLevel level, int64_t wall_nanos,
                          std::string_view caller, std::string_view message,
                          std::initializer_list<LogField> fields);

bool LogEnabled(LogLevel level);
void LogLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields,
             const std::source_location& where = std::source_location::current());

inline void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {},
                     const std::source_location& where = std::source_location::current()) {
  if (LogEnabled(LogLevel::kDebug)) {
    LogLine(LogLevel::kDebug, message, fields, where);
  }
}

inline void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {},
                    const std::source_location& where = std::source_location::current()) {
  LogLine(LogLevel::kInfo, message, fields, where);
}

inline void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {},
                       const std::source_location& where = std::source_location::current()) {
  LogLine(LogLevel::kWarning, message, fields, where);
}

inline void LogError(std::string_view message, std::initializer_list<LogField> fields = {},
                     const std::source_location& where = std::source_location::current()) {
  LogLine(LogLevel::kError, message, fields, where);
}

}  // namespace socle

#endif  // SOCLE_KV_BASE_LOG_H_
