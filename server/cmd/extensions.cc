#include "server/cmd/extensions.h"

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

constexpr size_t kPrefixBytesShown = 256;

absl::Status PrintToStdout(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
      std::fflush(stdout) != 0) {
    std::clearerr(stdout);
    return absl::UnavailableError("standard output could not be written");
  }
  return absl::OkStatus();
}

absl::StatusOr<AuditLog::Sink> SinkOf(const std::string& path) {
  if (path == "stdout") {
    return AuditLog::Sink(&PrintToStdout);
  }
  auto file = std::make_shared<AuditFile>(Env::Posix(), path);
  RETURN_IF_ERROR(Annotate(file->Append({}), "--audit-log"));
  return AuditLog::Sink([file](std::string_view bytes) { return file->Append(bytes); });
}

AuditLevel LevelOf(const std::string& name) {
  return name == "auth"  ? AuditLevel::kAuth
         : name == "all" ? AuditLevel::kAll
                         : AuditLevel::kWrites;
}

// "?top=N"; 0: not said.
size_t TopOf(const HttpRequest& request) {
  size_t top = 0;
  for (const std::string& value : QueryValues(request.query, "top")) {
    std::from_chars(value.data(), value.data() + value.size(), top);
  }
  return top;
}

std::string QuotaPage(const mvcc::Store& store) {
  std::string rows;
  for (const mvcc::PrefixUsage& usage : store.PrefixUsages()) {
    rows += fmt::format(
        R"({}{{"prefix":{},"limit_bytes":{},"used_bytes":{},"keys":{},"refused":{}}})",
        rows.empty() ? "" : ",", JsonText(PrintableKey(usage.prefix, kPrefixBytesShown)),
        usage.limit_bytes, usage.used_bytes, usage.keys, usage.refused);
  }
  return fmt::format("{{\"prefixes\":[{}]}}\n", rows);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Extensions>> Extensions::Open(const Settings& settings) {
  auto extensions = std::make_unique<Extensions>();
  const SlowLog::Thresholds slow{.phases_nanos = settings.slow_request_threshold_nanos,
                                 .warning_nanos = settings.warning_unary_request_nanos};
  if (slow.phases_nanos > 0 || slow.warning_nanos > 0) {
    extensions->slow_ = std::make_unique<SlowLog>(slow);
  }
  if (!settings.audit_log.empty()) {
    ASSIGN_OR_RETURN(AuditLog::Sink sink, SinkOf(settings.audit_log));
    extensions->audit_ = std::make_unique<AuditLog>(
        AuditLog::Options{.sink = std::move(sink),
                          .level = LevelOf(settings.audit_level),
                          .on_failure = settings.audit_failure == "refuse" ? AuditFailure::kRefuse
                                                                           : AuditFailure::kLog});
  }
  if (settings.hot_prefixes > 0) {
    extensions->hot_ = std::make_unique<HotPrefixes>(HotPrefixes::Options{
        .top = static_cast<size_t>(settings.hot_prefixes), .depth = settings.hot_prefix_depth});
  }
  return extensions;
}

void Extensions::Observe(const Node* node) {
  store_ = node->store().PrefixUsages().empty() ? nullptr : &node->store();
  if (slow_ != nullptr || audit_ != nullptr || hot_ != nullptr) {
    observer_.emplace(
        node, CallObserver::Parts{.slow = slow_.get(), .audit = audit_.get(), .hot = hot_.get()});
  }
}

std::vector<MoreMetric> Extensions::Metrics() const {
  std::vector<MoreMetric> metrics;
  if (audit_ != nullptr) {
    metrics.push_back({.name = "socle_audit_lines_total",
                       .help = "Lines written to the audit log.",
                       .is_counter = true,
                       .value = static_cast<double>(audit_->written())});
    metrics.push_back({.name = "socle_audit_dropped_total",
                       .help = "Lines of the audit log that were lost.",
                       .is_counter = true,
                       .value = static_cast<double>(audit_->dropped())});
  }
  if (store_ != nullptr) {
    const std::vector<mvcc::PrefixUsage> usages = store_->PrefixUsages();
    const auto add = [&](std::string_view name, std::string_view help, bool is_counter,
                         int64_t mvcc::PrefixUsage::*number) {
      for (const mvcc::PrefixUsage& usage : usages) {
        metrics.push_back({.name = std::string(name),
                           .help = std::string(help),
                           .is_counter = is_counter,
                           .value = static_cast<double>(usage.*number),
                           .labels = {{"prefix", PrintableKey(usage.prefix, kPrefixBytesShown)}}});
      }
    };
    add("socle_prefix_quota_used_bytes", "Bytes of the live keys of a prefix.", false,
        &mvcc::PrefixUsage::used_bytes);
    add("socle_prefix_quota_limit_bytes", "Quota of a prefix.", false,
        &mvcc::PrefixUsage::limit_bytes);
    add("socle_prefix_quota_refused_total", "Writes refused by the quota of a prefix.", true,
        &mvcc::PrefixUsage::refused);
  }
  return metrics;
}

StringMap<OpsPages::Page> Extensions::Pages() const {
  StringMap<OpsPages::Page> pages;
  if (hot_ != nullptr) {
    pages["/debug/hot-prefixes"] = [hot = hot_.get()](const HttpRequest& request) {
      return HttpResponse{.content_type = "application/json",
                          .body = hot->ToJson(TopOf(request)) + "\n"};
    };
  }
  if (store_ != nullptr) {
    pages["/debug/prefix-quota"] = [store = store_](const HttpRequest&) {
      return HttpResponse{.content_type = "application/json", .body = QuotaPage(*store)};
    };
  }
  return pages;
}

}  // namespace socle::server
