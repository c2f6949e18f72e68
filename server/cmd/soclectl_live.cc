#include "server/cmd/soclectl_live.h"

#include <string>
#include <string_view>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/endpoint.h"
#include "server/wire/client/http_get.h"

namespace socle::server {
namespace {

// Home, and everything below away.
constexpr std::string_view kRedraw = "\x1b[H\x1b[J";

// A page that is a JSON object. `flag`: what the server lacks when it has no such page.
absl::StatusOr<boost::json::object> FetchObject(const std::string& endpoint,
                                                const ClientAccess& access, std::string_view path,
                                                std::string_view flag) {
  constexpr int64_t kFetchNanos = 10 * kNanosPerSecond;
  ASSIGN_OR_RETURN(const Endpoint resolved, ResolveEndpoint(endpoint, access));
  const absl::StatusOr<std::string> body = HttpGet(resolved, path, kFetchNanos);
  if (absl::IsNotFound(body.status())) {
    return absl::NotFoundError(
        fmt::format("{}: start socle-kv with {}", MessageOf(body.status()), flag));
  }
  RETURN_IF_ERROR(body.status());
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(*body, error);
  if (error || !value.is_object()) {
    return absl::InternalError(fmt::format("{} at {} is no JSON object", path, endpoint));
  }
  return std::move(value.as_object());
}

double Number(const boost::json::object& row, std::string_view name) {
  const boost::json::value* const value = row.if_contains({name.data(), name.size()});
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::string Text(const boost::json::object& row, std::string_view name) {
  const boost::json::value* const value = row.if_contains({name.data(), name.size()});
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

const boost::json::array& Rows(const boost::json::object& page) {
  static const auto* const none = new boost::json::array;
  const boost::json::value* const rows = page.if_contains("prefixes");
  return rows != nullptr && rows->is_array() ? rows->as_array() : *none;
}

std::string TopTable(const boost::json::object& page) {
  std::string table = TableLine(fmt::format("{:>10} {:>10} {:>10} {:>12} {:>8}  {}", "READS/S",
                                            "WRITES/S", "EVENTS/S", "BYTES/S", "+-", "PREFIX"));
  for (const boost::json::value& value : Rows(page)) {
    const boost::json::object* const row = value.if_object();
    if (row == nullptr) {
      continue;
    }
    const std::string prefix = Text(*row, "prefix");
    table += TableLine(fmt::format(
        "{:>10.1f} {:>10.1f} {:>10.1f} {:>12.0f} {:>8.1f}  {}", Number(*row, "reads_per_second"),
        Number(*row, "writes_per_second"), Number(*row, "events_per_second"),
        Number(*row, "bytes_per_second"), Number(*row, "error_per_second"),
        prefix.empty() ? "(keys without a slash)" : prefix));
  }
  return table;
}

}  // namespace

int Top(const TopCommand& command, const Console& console) {
  const std::string path = fmt::format("/debug/hot-prefixes?top={}", command.rows);
  const auto pause =
      static_cast<int64_t>(command.interval_seconds * static_cast<double>(kNanosPerSecond));
  for (bool is_first = true;; is_first = false) {
    const absl::StatusOr<boost::json::object> page =
        FetchObject(command.endpoint, command.access, path, "--hot-prefixes=N");
    if (!page.ok()) {
      return Fail(console, page.status());
    }
    if (console.out_is_terminal && !command.once) {
      console.out(kRedraw);
      console.out(fmt::format("{}: about the last {:.0f} s, one call in {:.0f} looked at\n\n",
                              command.endpoint, 2 * Number(*page, "half_life_seconds"),
                              Number(*page, "sampled_one_in")));
    } else if (!is_first) {
      console.out("\n");
    }
    console.out(TopTable(*page));
    if (command.once) {
      return kExitDone;
    }
    console.clock->SleepFor(pause);
  }
}

int ShowQuota(const QuotaCommand& command, const Console& console) {
  const absl::StatusOr<boost::json::object> page = FetchObject(
      command.endpoint, command.access, "/debug/prefix-quota", "--prefix-quota=PREFIX=BYTES");
  if (!page.ok()) {
    return Fail(console, page.status());
  }
  console.out(TableLine(fmt::format("{:>16} {:>16} {:>8} {:>10} {:>10}  {}", "USED", "LIMIT",
                                    "PART", "KEYS", "REFUSED", "PREFIX")));
  for (const boost::json::value& value : Rows(*page)) {
    const boost::json::object* const row = value.if_object();
    if (row == nullptr) {
      continue;
    }
    const auto used = static_cast<uint64_t>(Number(*row, "used_bytes"));
    const auto limit = static_cast<uint64_t>(Number(*row, "limit_bytes"));
    console.out(TableLine(fmt::format("{:>16} {:>16} {:>8} {:>10.0f} {:>10.0f}  {}", used, limit,
                                      Share(used, limit), Number(*row, "keys"),
                                      Number(*row, "refused"), Text(*row, "prefix"))));
  }
  return kExitDone;
}

}  // namespace socle::server
