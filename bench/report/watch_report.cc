#include "bench/report/watch_report.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "bench/report/table.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

constexpr double kPercents[] = {50, 99, 99.9};

double PerDelivery(int64_t cpu_nanos, const WatchLoadResult& result) {
  return static_cast<double>(cpu_nanos) / kNanosPerMicro /
         static_cast<double>(std::max<uint64_t>(result.deliveries, 1));
}

std::string LatencyRow(std::string_view name, const Histogram& histogram) {
  std::string row = fmt::format("  {:<14}{:>11}", name, FormatDuration(histogram.mean()));
  for (const double percent : kPercents) {
    row +=
        fmt::format("{:>11}", FormatDuration(static_cast<double>(histogram.Percentile(percent))));
  }
  return row + fmt::format("{:>11}\n", FormatDuration(static_cast<double>(histogram.max())));
}

std::string CpuRow(std::string_view name, int64_t cpu_nanos, const WatchLoadResult& result) {
  return fmt::format("  {:<14}{:.3f} µs per delivery (user+sys), {:.2f} cores\n", name,
                     PerDelivery(cpu_nanos, result),
                     static_cast<double>(cpu_nanos) /
                         static_cast<double>(std::max<int64_t>(result.elapsed_nanos, 1)));
}

boost::json::object LatencyObject(const Histogram& histogram) {
  boost::json::object out;
  out["average_us"] = histogram.mean() / kNanosPerMicro;
  for (const double percent : kPercents) {
    out[fmt::format("p{}_us", percent)] =
        static_cast<double>(histogram.Percentile(percent)) / kNanosPerMicro;
  }
  out["max_us"] = static_cast<double>(histogram.max()) / kNanosPerMicro;
  return out;
}

}  // namespace

std::string RenderWatchLoad(const WatchLoadOptions& options, const WatchLoadResult& result) {
  std::string out = fmt::format(
      "socle-bench watch: {} watchers of {} {}, on {} streams of {} connections to {}\n",
      options.watchers, options.keys, options.prefixes ? "prefixes" : "keys", options.streams,
      options.conns, fmt::join(options.endpoints, ", "));
  out +=
      options.rate > 0
          ? fmt::format(
                "  {} puts of {} bytes, open loop at {} puts/s: latency counts from the intended "
                "send time\n\n",
                options.total, options.val_size, options.rate)
          : fmt::format(
                "  {} puts of {} bytes, closed loop: {} under way, each until it has reached all "
                "its watchers\n\n",
                options.total, options.val_size, options.in_flight);
  if (!result.error.empty()) {
    out += fmt::format("  STOPPED EARLY  {}\n", result.error);
  }
  const double seconds = static_cast<double>(result.elapsed_nanos) / kNanosPerSecond;
  out += fmt::format("  {:<14}{:.2f} s\n", "created in",
                     static_cast<double>(result.create_nanos) / kNanosPerSecond);
  out += fmt::format("  {:<14}{:.2f} s", "total time", seconds);
  out += result.warmup_nanos == 0
             ? "\n"
             : fmt::format(" after {:.1f} s of warm-up\n",
                           static_cast<double>(result.warmup_nanos) / kNanosPerSecond);
  out += fmt::format("  {:<14}{} in {} messages, {:.0f} per second, {:.1f} MB/s\n", "deliveries",
                     result.deliveries, result.responses, result.deliveries_per_second(),
                     static_cast<double>(result.response_bytes) * 1e3 /
                         static_cast<double>(std::max<int64_t>(result.elapsed_nanos, 1)));
  out += fmt::format("  {:<14}{} acknowledged, {:.1f} per second\n", "puts", result.puts,
                     seconds > 0 ? static_cast<double>(result.put_latency.count()) / seconds : 0);
  out +=
      fmt::format("  {:<14}{} missing, {} repeated\n", "errors", result.missing, result.repeated);
  out += CpuRow("client CPU", result.client_cpu_nanos, result);
  if (result.server_cpu_nanos >= 0) {
    out += CpuRow("server CPU", result.server_cpu_nanos, result);
  }
  out += RenderUsage(result.usage, result.why_no_usage);
  out += fmt::format("\n  {:<14}{:>11}{:>11}{:>11}{:>11}{:>11}\n", "latency", "average", "p50",
                     "p99", "p99.9", "max");
  out += LatencyRow("deliveries", result.latency);
  out += LatencyRow("last of a put", result.last_latency);
  out += LatencyRow("acknowledged", result.put_latency);
  return out;
}

RunReport WatchRunReport(const std::string& command, const WatchLoadOptions& options,
                         const WatchLoadResult& result, std::string command_line) {
  RunReport report;
  report.command = command;
  report.command_line = std::move(command_line);
  report.description =
      fmt::format("deliveries of {} puts of {} bytes to {} watchers of {} {} on {} streams",
                  options.total, options.val_size, options.watchers, options.keys,
                  options.prefixes ? "prefixes" : "keys", options.streams);
  report.drive.endpoints = options.endpoints;
  report.drive.engine = options.engine;
  report.drive.clients = options.watchers;
  report.drive.conns = options.conns;
  report.drive.total = options.total;
  report.drive.rate = options.rate;
  report.result.client_cpu_nanos = result.client_cpu_nanos;
  report.result.server_cpu_nanos = result.server_cpu_nanos;
  report.result.usage = result.usage;
  report.result.why_no_usage = result.why_no_usage;
  LoadResult& load = report.result.load;
  load.latency = result.latency;
  load.service_time = result.latency;
  load.parts = {{"last of a put", result.last_latency}, {"acknowledged", result.put_latency}};
  load.slots = result.slots;
  load.issued = load.issued_measured = load.succeeded = result.deliveries;
  load.response_bytes = result.response_bytes;
  load.elapsed_nanos = result.elapsed_nanos;
  load.warmup_nanos = result.warmup_nanos;
  load.stop_reason = result.error;
  load.counters = {{"puts", result.puts}, {"messages", result.responses}};
  if (result.missing > 0) {
    load.errors["deliveries missing"] = result.missing;
  }
  if (result.repeated > 0) {
    load.errors["deliveries repeated"] = result.repeated;
  }
  return report;
}

std::string WatchLoadJson(const WatchLoadOptions& options, const WatchLoadResult& result) {
  boost::json::object out{
      {"command", "watch"},
      {"watchers", options.watchers},
      {"streams", options.streams},
      {"conns", options.conns},
      {"keys", options.keys},
      {"prefixes", options.prefixes},
      {"total", options.total},
      {"rate", options.rate},
      {"in_flight", options.in_flight},
      {"val_size", options.val_size},
      {"puts", result.puts},
      {"deliveries", result.deliveries},
      {"responses", result.responses},
      {"missing", result.missing},
      {"repeated", result.repeated},
      {"elapsed_ns", result.elapsed_nanos},
      {"deliveries_per_second", result.deliveries_per_second()},
      {"client_cpu_us_per_delivery", PerDelivery(result.client_cpu_nanos, result)},
      {"latency", LatencyObject(result.latency)},
      {"last_latency", LatencyObject(result.last_latency)}};
  if (result.server_cpu_nanos >= 0) {
    out["server_cpu_us_per_delivery"] = PerDelivery(result.server_cpu_nanos, result);
  }
  return boost::json::serialize(out) + "\n";
}

}  // namespace socle::bench
