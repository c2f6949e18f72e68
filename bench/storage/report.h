// StorageReport: what the workloads measured, and what it is to the bars of the benchmark.
//
// Laws     1. Peers are measured by turns; a ratio is taken round by round, and its median counts.
//          2. Whatever was measured is printed with its spread, met or not.
// Threads  thread-compatible.
#ifndef SOCLE_BENCH_STORAGE_REPORT_H_
#define SOCLE_BENCH_STORAGE_REPORT_H_

#include <string>
#include <vector>

namespace socle::bench {

// One number per round.
using Rounds = std::vector<double>;

double MedianOf(Rounds rounds);
// a[i] / b[i]. Requires as many of both.
Rounds RatiosOf(const Rounds& a, const Rounds& b);

struct Bound {
  enum class Side { kAtLeast, kAtMost };
  Side side;
  double value;
};

class StorageReport {
 public:
  // `unit` names what `rounds` count.
  void Add(const std::string& work, const std::string& peer, const std::string& unit,
           Rounds rounds);
  // `against` is what the numbers are ratios to, or their unit.
  void Require(const std::string& work, const std::string& against, Bound bound, Rounds reached);

  // Bars first, then all measurements.
  std::string Text() const;
  int missed() const;

 private:
  struct Measurement {
    std::string work;
    std::string peer;
    std::string unit;
    Rounds rounds;
  };

  struct Bar {
    std::string work;
    std::string against;
    Bound bound;
    Rounds reached;

    bool is_met() const;
  };

  std::vector<Measurement> measurements_;
  std::vector<Bar> bars_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_STORAGE_REPORT_H_
