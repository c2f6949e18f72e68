// Compare: one workload on several servers of this machine by turns, A B A B …, and what they are to the first.
//
// Laws     1. Every run of a round has a server of its own on a fresh directory; no two servers run at a time.
//          2. A ratio is taken within a round, and the median of the rounds' ratios is what counts: a shared
//             machine changes from minute to minute.
//          3. What was measured before something failed is kept.
// Threads  pure functions, block.
// Errors   InvalidArgument for options that make no sense; a run that fails is in the result.
#ifndef SOCLE_BENCH_PEER_COMPARE_H_
#define SOCLE_BENCH_PEER_COMPARE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/peer/local_server.h"

namespace socle::bench {

struct CompareOptions {
  std::vector<std::string> peers = {"etcd", "socle"};
  uint64_t rounds = 3;
  std::string dir = "/tmp";
  std::string before;     // a command line of socle-bench that fills the server; empty: none
  bool restarts = false;  // start the server again after that
  std::vector<std::string> workload;  // a command line of socle-bench, without endpoints
  std::function<void(std::string_view)> progress;
};

// A figure of the runs, found in their JSON.
struct Figure {
  std::string_view name;
  std::string_view place;  // "latency/p99_us"
  bool is_more_better;
};

// In the order in which they are shown.
const std::vector<Figure>& FiguresOfRuns();

struct PeerRuns {
  std::string name;
  std::vector<std::map<std::string, double>> rounds;  // by the figure's place
};

struct CompareResult {
  std::vector<PeerRuns> peers;
  std::string failure;  // empty: all rounds are there
};

absl::StatusOr<CompareResult> RunCompare(const CompareOptions& options);

// By how much `runs` is better than `base`, round by round; empty when one of them lacks the figure.
std::vector<double> RatiosOf(const Figure& figure, const PeerRuns& base, const PeerRuns& runs);

double MedianOf(std::vector<double> values);  // 0 when empty

std::string RenderCompare(const CompareOptions& options, const CompareResult& result);
std::string CompareJson(const CompareOptions& options, const CompareResult& result);

// The figures of a run's JSON.
absl::StatusOr<std::map<std::string, double>> FiguresIn(std::string_view json);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PEER_COMPARE_H_
