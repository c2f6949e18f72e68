#include "bench/storage/report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::bench {
namespace {

// Three significant digits, with k, M, G for thousands.
std::string Short(double number) {
  const char* suffix = "";
  for (const char* next : {"k", "M", "G"}) {
    if (std::abs(number) < 10'000) {
      break;
    }
    number /= 1000;
    suffix = next;
  }
  const double magnitude = std::abs(number);
  const int digits = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 0.1 ? 2 : 4;
  return fmt::format("{:.{}f}{}", number, digits, suffix);
}

std::string Range(const Rounds& rounds) {
  const auto [low, high] = std::minmax_element(rounds.begin(), rounds.end());
  return fmt::format("{} .. {}", Short(*low), Short(*high));
}

}  // namespace

double MedianOf(Rounds rounds) {
  CHECK(!rounds.empty());
  std::sort(rounds.begin(), rounds.end());
  const size_t middle = rounds.size() / 2;
  return rounds.size() % 2 == 1 ? rounds[middle] : (rounds[middle - 1] + rounds[middle]) / 2;
}

Rounds RatiosOf(const Rounds& a, const Rounds& b) {
  CHECK_EQ(a.size(), b.size());
  Rounds ratios;
  for (size_t i = 0; i < a.size(); ++i) {
    ratios.push_back(a[i] / b[i]);
  }
  return ratios;
}

bool StorageReport::Bar::is_met() const {
  const double median = MedianOf(reached);
  return bound.side == Bound::Side::kAtLeast ? median >= bound.value : median <= bound.value;
}

void StorageReport::Add(const std::string& work, const std::string& peer, const std::string& unit,
                        Rounds rounds) {
  measurements_.push_back({work, peer, unit, std::move(rounds)});
}

void StorageReport::Require(const std::string& work, const std::string& against, Bound bound,
                            Rounds reached) {
  bars_.push_back({work, against, bound, std::move(reached)});
}

std::string StorageReport::Text() const {
  std::string text = fmt::format("{:48} {:26} {:>8} {:>8}  {:18} {}\n", "work", "against", "bar",
                                 "reached", "in rounds", "verdict");
  for (const Bar& bar : bars_) {
    text += fmt::format("{:48} {:26} {:>8} {:>8}  {:18} {}\n", bar.work, bar.against,
                        fmt::format("{} {}", bar.bound.side == Bound::Side::kAtLeast ? "≥" : "≤",
                                    Short(bar.bound.value)),
                        Short(MedianOf(bar.reached)), Range(bar.reached),
                        bar.is_met() ? "met" : "MISSED");
  }
  text += fmt::format("\n{:48} {:34} {:>8}  {:18} {}\n", "measured", "peer", "median", "in rounds",
                      "unit");
  for (const Measurement& row : measurements_) {
    text += fmt::format("{:48} {:34} {:>8}  {:18} {}\n", row.work, row.peer,
                        Short(MedianOf(row.rounds)), Range(row.rounds), row.unit);
  }
  return text;
}

int StorageReport::missed() const {
  return static_cast<int>(
      std::count_if(bars_.begin(), bars_.end(), [](const Bar& bar) { return !bar.is_met(); }));
}

}  // namespace socle::bench
