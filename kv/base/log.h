// Log: one line per event; a constant message, then key/value pairs.
//
//   LogInfo("commit finished", {{"pages", pages}, {"took", "3ms"}});
//
// Laws     1. error = someone must act, warning = degraded and self-healing, info = lifecycle,
//             debug = per request.
//          2. No secrets, no user values.
// Threads  thread-safe. Before InitLog everything of level warning and above goes to stderr as
//          text.
#ifndef SOCLE_KV_BASE_LOG_H_
#define SOCLE_KV_BASE_LOG_H_

#include <initializer_list>
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

bool LogEnabled(LogLevel level);
void LogLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

inline void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {}) {
  if (LogEnabled(LogLevel::kDebug)) {
    LogLine(LogLevel::kDebug, message, fields);
  }
}

inline void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {}) {
  LogLine(LogLevel::kInfo, message, fields);
}

inline void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  LogLine(LogLevel::kWarning, message, fields);
}

inline void LogError(std::string_view message, std::initializer_list<LogField> fields = {}) {
  LogLine(LogLevel::kError, message, fields);
}

}  // namespace socle

#endif  // SOCLE_KV_BASE_LOG_H_
