#include "kv/base/log.h"

#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "kv/base/clock.h"

namespace socle {
namespace {

struct Sink {
  std::shared_ptr<spdlog::logger> logger;
  LogFormat format = LogFormat::kText;
};

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::off;
}

// Standard output or error: a terminal, a pipe or the journal's socket, which somebody reads. Law 4.
class StreamSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  StreamSink(int fd, LogFormat format) : fd_(fd), format_(format) {}

 private:
  static constexpr int kPatienceMillis = 100;

  void sink_it_(const spdlog::details::log_msg& message) override {
    if (left_out_ > 0 && HasRoom(0)) {
      const std::string told =
          FormatLogLine(format_, LogLevel::kWarning, Clock::Real()->WallNanos(), "base/log.cc",
                        "lines of the log were left out: nobody read them", {{"lines", left_out_}});
      left_out_ = Write((is_cut_ ? "\n" : "") + told + "\n", 0) ? 0 : left_out_;
    }
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    // Who waited in vain once does not wait again before somebody reads.
    if (!Write({line.data(), line.size()}, left_out_ > 0 ? 0 : kPatienceMillis)) {
      ++left_out_;
    }
  }

  void flush_() override {}  // nothing is kept back

  bool HasRoom(int patience_millis) const {
    pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
    return ::poll(&room, 1, patience_millis) > 0;
  }

  // False: there was no room for all of it. What can't be written at all counts as written.
  bool Write(std::string_view text, int patience_millis) {
    for (bool has_begun = false; !text.empty(); has_begun = true) {
      if (!HasRoom(patience_millis)) {
        is_cut_ = is_cut_ || has_begun;
        return false;
      }
      // That much never waits once poll has said that there is room.
      const ssize_t written = ::write(fd_, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
      if (written < 0) {
        return errno != EAGAIN && errno != EINTR;
      }
      text.remove_prefix(static_cast<size_t>(written));
    }
    is_cut_ = false;
    return true;
  }

  const int fd_;
  const LogFormat format_;
  // Guarded by the base's mutex.
  uint64_t left_out_ = 0;
  bool is_cut_ = false;  // the last thing written is a part of a line
};

Sink MakeSink(std::vector<spdlog::sink_ptr> sinks, LogLevel level, LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("socle", sinks.begin(), sinks.end());
  logger->set_level(LevelOf(level));
  logger->flush_on(spdlog::level::info);
  logger->set_pattern("%v");
  return Sink{.logger = std::move(logger), .format = format};
}

Sink& Current() {
  static Sink* const sink =
      new Sink(MakeSink({std::make_shared<StreamSink>(STDERR_FILENO, LogFormat::kText)},
                        LogLevel::kWarning, LogFormat::kText));
  return *sink;
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte < 0x20 || byte == 0x7F) {
      out->append(fmt::format("\\u{:04x}", byte));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// In UTC.
std::string TimeOf(int64_t wall_nanos) {
  const time_t seconds = wall_nanos / kNanosPerSecond;
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     wall_nanos % kNanosPerSecond / kNanosPerMicro);
}

// The file with the folder it lies in, and the line.
std::string CallerOf(const std::source_location& where) {
  std::string_view file = where.file_name();
  if (const size_t slash = file.rfind('/'); slash != std::string_view::npos && slash > 0) {
    const size_t before = file.rfind('/', slash - 1);
    file = before == std::string_view::npos ? file : file.substr(before + 1);
  }
  return fmt::format("{}:{}", file, where.line());
}

void AppendJsonField(const LogField& field, std::string* line) {
  line->push_back(',');
  AppendJsonString(field.key, line);
  line->push_back(':');
  if (field.is_bare) {
    line->append(field.value);
  } else {
    AppendJsonString(field.value, line);
  }
}

void AppendTextField(const LogField& field, std::string* line) {
  line->append(fmt::format(" {}=", field.key));
  if (field.is_bare || field.value.find_first_of(" \"\n=") == std::string::npos) {
    line->append(field.value);
  } else {
    AppendJsonString(field.value, line);
  }
}

}  // namespace

absl::Status InitLog(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  for (const std::string& output : options.outputs) {
    if (output == "stderr" || output == "default") {
      sinks.push_back(std::make_shared<StreamSink>(STDERR_FILENO, options.format));
    } else if (output == "stdout") {
      sinks.push_back(std::make_shared<StreamSink>(STDOUT_FILENO, options.format));
    } else {
      try {
        sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(output));
      } catch (const spdlog::spdlog_ex& error) {
        return absl::InvalidArgumentError(
            fmt::format("log output '{}' can't be opened: {}", output, error.what()));
      }
    }
  }
  Current() = MakeSink(std::move(sinks), options.level, options.format);
  return absl::OkStatus();
}

bool LogEnabled(LogLevel level) {
  return Current().logger->should_log(LevelOf(level));
}

std::string FormatLogLine(LogFormat format, LogLevel level, int64_t wall_nanos,
                          std::string_view caller, std::string_view message,
                          std::initializer_list<LogField> fields) {
  const bool is_json = format == LogFormat::kJson;
  std::string line = is_json ? fmt::format(R"({{"level":"{}","ts":"{}","caller":)", NameOf(level),
                                           TimeOf(wall_nanos))
                             : fmt::format("{} {} {}", TimeOf(wall_nanos), NameOf(level), message);
  if (is_json) {
    AppendJsonString(caller, &line);
    line.append(",\"msg\":");
    AppendJsonString(message, &line);
  }
  for (const LogField& field : fields) {
    is_json ? AppendJsonField(field, &line) : AppendTextField(field, &line);
  }
  if (is_json) {
    line.push_back('}');
  }
  return line;
}

void LogLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields,
             const std::source_location& where) {
  const Sink& sink = Current();
  if (!sink.logger->should_log(LevelOf(level))) {
    return;
  }
  // Passed as an argument and not as the format: braces in the text are text.
  sink.logger->log(LevelOf(level), "{}",
                   FormatLogLine(sink.format, level, Clock::Real()->WallNanos(), CallerOf(where),
                                 message, fields));
}

}  // namespace socle
