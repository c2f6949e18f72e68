#include "kv/base/log.h"

#include <memory>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "kv/base/check.h"

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

Sink MakeSink(std::vector<spdlog::sink_ptr> sinks, LogLevel level, LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("socle", sinks.begin(), sinks.end());
  logger->set_level(LevelOf(level));
  logger->flush_on(spdlog::level::info);
  // etcd's JSON field names, so that readers of its logs keep working.
  logger->set_pattern(format == LogFormat::kJson
                          ? R"({"level":"%l","ts":"%Y-%m-%dT%H:%M:%S.%f%z",%v})"
                          : "%Y-%m-%dT%H:%M:%S.%f%z %l %v");
  return Sink{.logger = std::move(logger), .format = format};
}

Sink& Current() {
  static Sink* const sink = new Sink(MakeSink({std::make_shared<spdlog::sinks::stderr_sink_mt>()},
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

}  // namespace

absl::Status InitLog(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  for (const std::string& output : options.outputs) {
    if (output == "stderr" || output == "default") {
      sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    } else if (output == "stdout") {
      sinks.push_back(std::make_shared<spdlog::sinks::stdout_sink_mt>());
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

void LogLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  const Sink& sink = Current();
  if (!sink.logger->should_log(LevelOf(level))) {
    return;
  }
  std::string line;
  if (sink.format == LogFormat::kJson) {
    line.append("\"msg\":");
    AppendJsonString(message, &line);
    for (const LogField& field : fields) {
      line.push_back(',');
      AppendJsonString(field.key, &line);
      line.push_back(':');
      if (field.is_bare) {
        line.append(field.value);
      } else {
        AppendJsonString(field.value, &line);
      }
    }
  } else {
    line.append(message);
    for (const LogField& field : fields) {
      line.append(fmt::format(" {}=", field.key));
      if (field.is_bare || field.value.find_first_of(" \"\n=") == std::string::npos) {
        line.append(field.value);
      } else {
        AppendJsonString(field.value, &line);
      }
    }
  }
  // Passed as an argument and not as the format: braces in the text are text.
  sink.logger->log(LevelOf(level), "{}", line);
}

}  // namespace socle
