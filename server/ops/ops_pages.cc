#include "server/ops/ops_pages.h"

#include <algorithm>
#include <array>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/ops/debug_vars.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

constexpr std::string_view kJson = "application/json";

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// As Go's http.Error: a line end follows.
HttpResponse Error(int status, std::string_view text) {
  return {.status = status, .body = fmt::format("{}\n", text)};
}

HttpResponse NotFound() {
  return Error(404, "404 page not found");
}

}  // namespace

HttpResponse OpsPages::Answer(const HttpRequest& request) const {
  static constexpr std::array kLive = {
      Check{"serializable_read", &OpsPages::ReadFailure},
  };
  static constexpr std::array kReady = {
      Check{"data_corruption", &OpsPages::CorruptionFailure},
      Check{"serializable_read", &OpsPages::ReadFailure},
      Check{"linearizable_read", &OpsPages::ReadFailure},
      Check{"non_learner", &OpsPages::LearnerFailure},
  };
  const std::string_view path = request.path;
  const auto more = more_.find(path);
  const bool is_known = more != more_.end() || path == "/health" || path == "/version" ||
                        path == "/metrics" || path == "/debug/vars" || path == "/livez" ||
                        path.starts_with("/livez/") || path == "/readyz" ||
                        path.starts_with("/readyz/");
  if (!is_known) {
    return NotFound();
  }
  if (request.method != "GET" && (request.method != "HEAD" || path == "/health")) {
    return {.status = 405, .body = "Method Not Allowed\n", .allow = "GET"};
  }
  if (more != more_.end()) {
    return more->second(request);
  }
  if (path == "/health") {
    return Health(request);
  }
  if (path == "/version") {
    return {.content_type = std::string(kJson),
            .body = fmt::format(R"({{"etcdserver":"{}","etcdcluster":"{}","storage":"{}"}})",
                                kServerVersion, kClusterVersion, kStorageVersion)};
  }
  if (path == "/debug/vars") {
    return {.content_type = "application/json; charset=utf-8",
            .body = RenderDebugVars(*node_, command_line_)};
  }
  if (path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = metrics_->Render(*node_, *lessor_)};
  }
  return path.starts_with("/livez") ? RunChecks("livez", kLive, request)
                                    : RunChecks("readyz", kReady, request);
}

HttpResponse OpsPages::Health(const HttpRequest& request) const {
  const std::vector<std::string> excluded = QueryValues(request.query, "exclude");
  std::string reason;
  for (const Alarm& alarm : node_->alarms().List(etcdserverpb::NONE)) {
    const std::string& name = etcdserverpb::AlarmType_Name(alarm.type);
    if (!Contains(excluded, name)) {
      reason = fmt::format("ALARM {}", name);
      break;
    }
  }
  if (reason.empty()) {
    if (const std::string failure = ReadFailure(); !failure.empty()) {
      reason = fmt::format("RANGE ERROR:{}", failure);
    }
  }
  metrics_->NoteHealthCheck(reason.empty());
  // As in etcd it is plain text, whatever it looks like.
  std::string body = fmt::format(R"({{"health":"{}","reason":{}}})", reason.empty(),
                                 boost::json::serialize(boost::json::string(reason)));
  return reason.empty() ? HttpResponse{.body = std::move(body)} : Error(503, body);
}

HttpResponse OpsPages::RunChecks(std::string_view name, std::span<const Check> checks,
                                 const HttpRequest& request) const {
  const std::vector<std::string> excluded = QueryValues(request.query, "exclude");
  const bool is_verbose = !QueryValues(request.query, "verbose").empty();
  const std::string root = fmt::format("/{}", name);
  const std::string_view only = request.path.size() > root.size()
                                    ? std::string_view(request.path).substr(root.size() + 1)
                                    : std::string_view();
  std::string lines;
  bool has_failed = false;
  bool has_run = false;
  for (const Check& check : checks) {
    if (!only.empty() && check.name != only) {
      continue;
    }
    has_run = true;
    if (only.empty() && Contains(excluded, check.name)) {
      continue;
    }
    const std::string failure = (this->*check.failure)();
    has_failed = has_failed || !failure.empty();
    metrics_->NoteCheck(name, check.name, failure.empty());
    lines += failure.empty() ? fmt::format("[+]{} ok\n", check.name)
                             : fmt::format("[-]{} failed: {}\n", check.name, failure);
  }
  if (!has_run) {
    return NotFound();
  }
  if (has_failed) {
    return Error(503, lines);
  }
  return {.body = is_verbose ? lines + "ok\n" : "ok\n"};
}

std::string OpsPages::ReadFailure() const {
  const absl::Status read = node_->store().Range({.key = "health", .range_end = {}}).status();
  const absl::Status first = read.ok() ? node_->store().Health() : read;
  return first.ok() ? std::string() : std::string(MessageOf(first));
}

std::string OpsPages::CorruptionFailure() const {
  return node_->alarms().IsActive(etcdserverpb::CORRUPT) ? "alarm activated: CORRUPT" : "";
}

}  // namespace socle::server
