#include <boost/json.hpp>
#include <fmt/format.h>

#include "bench/plane/plane_load.h"
#include "bench/report/table.h"

namespace socle::bench {
namespace {

// What kube-apiserver 1.20.2 over etcd 3.4.23 reached on a machine of this shape: 2 cores, 32 workers,
// TLS, 20,000 pods of 2 to 4 KB. It is not in Debian, so it is not in the run.
struct PeerFigure {
  std::string_view phase;
  double per_second;
  double cpu_micros;
};

constexpr PeerFigure kPeer[] = {
    {"create pod", 790, 1950},
    {"bind", 950, 1350},
    {"create to bound", 135, 4600},
    {"get pod", 2400, 650},
    {"patch status", 615, 3000},
    {"renew a lease", 960, 950},
    {"watch fan-out", 6500, 0},
    {"delete pod", 615, 2550},
    {"list all pods, consistent", 0.476, 0},
    {"list all pods, any version", 1.11, 0},
};

const PeerFigure* PeerOf(std::string_view phase) {
  for (const PeerFigure& figure : kPeer) {
    if (figure.phase == phase) {
      return &figure;
    }
  }
  return nullptr;
}

std::string Times(double ratio) {
  return ratio <= 0 ? "" : fmt::format("{:.1f}x", ratio);
}

std::string Row(const PhaseResult& phase) {
  const PeerFigure* peer = PeerOf(phase.name);
  const double cpu = phase.cpu_micros_per_unit();
  const bool has_latency = phase.latency.count() > 0;
  return fmt::format(
      "{:<28}{:>9}{:>11.1f}{:>10}{:>10}{:>11.1f}{:>10}{:>10}  {}\n", phase.name, phase.done,
      phase.per_second(),
      has_latency ? FormatDuration(static_cast<double>(phase.latency.Percentile(50))) : "",
      has_latency ? FormatDuration(static_cast<double>(phase.latency.Percentile(99))) : "", cpu,
      peer == nullptr ? "" : Times(phase.per_second() / peer->per_second),
      peer == nullptr || peer->cpu_micros == 0 || cpu == 0 ? "" : Times(peer->cpu_micros / cpu),
      phase.note);
}

}  // namespace

std::string RenderPlaneLoad(const PlaneLoadOptions& options, const PlaneLoadResult& result) {
  std::string text = fmt::format(
      "socle-bench plane: {} nodes, {} + {} pods, {} workers, closed loop\n\n"
      "{:<28}{:>9}{:>11}{:>10}{:>10}{:>11}{:>10}{:>10}\n",
      options.nodes, options.bound_pods, options.pods, options.workers, "", "done", "per second",
      "p50", "p99", "CPU us each", "rate", "CPU");
  for (const PhaseResult& phase : result.phases) {
    text += Row(phase);
    for (const auto& [what, times] : phase.errors) {
      text += fmt::format("    ERROR {} times: {}\n", times, what);
    }
  }
  if (result.rss_after_bytes > 0 && result.pods_at_rss > 0) {
    text += fmt::format(
        "\nresident memory of its own {:.1f} MB with the nodes, {:.1f} MB with {} pods running: "
        "{:.1f} "
        "KB per pod\n",
        static_cast<double>(result.rss_before_bytes) / 1e6,
        static_cast<double>(result.rss_after_bytes) / 1e6, result.pods_at_rss,
        static_cast<double>(result.rss_after_bytes - result.rss_before_bytes) / 1e3 /
            static_cast<double>(result.pods_at_rss));
  }
  text +=
      "\nThe last two columns: times the rate, and times less CPU per call, of kube-apiserver "
      "1.20.2 "
      "with etcd 3.4.23\nmeasured on a machine of this shape (not in this run; 20,000 pods, "
      "TLS).\n";
  return text;
}

std::string PlaneLoadJson(const PlaneLoadResult& result) {
  boost::json::array phases;
  for (const PhaseResult& phase : result.phases) {
    boost::json::object errors;
    for (const auto& [what, times] : phase.errors) {
      errors[what] = times;
    }
    phases.push_back({{"name", phase.name},
                      {"unit", phase.unit},
                      {"done", phase.done},
                      {"per_second", phase.per_second()},
                      {"p50_us", static_cast<double>(phase.latency.Percentile(50)) / 1e3},
                      {"p99_us", static_cast<double>(phase.latency.Percentile(99)) / 1e3},
                      {"server_cpu_us", phase.cpu_micros_per_unit()},
                      {"errors", std::move(errors)}});
  }
  return boost::json::serialize(boost::json::object{{"phases", std::move(phases)},
                                                    {"rss_before_bytes", result.rss_before_bytes},
                                                    {"rss_after_bytes", result.rss_after_bytes},
                                                    {"pods_at_rss", result.pods_at_rss}});
}

}  // namespace socle::bench
