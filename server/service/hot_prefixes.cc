#include "server/service/hot_prefixes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <boost/json.hpp>

#include "kv/base/probe.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

// Weights grow by half-lives; long before a double can't hold them they begin anew.
constexpr int64_t kRescaleNanos = 100 * HotPrefixes::kHalfLifeNanos;

double HalfLives(int64_t nanos) {
  return static_cast<double>(nanos) / static_cast<double>(HotPrefixes::kHalfLifeNanos);
}

}  // namespace

std::string_view PrefixOf(std::string_view key, int64_t depth) {
  size_t end = 0;
  int64_t parts = 0;
  for (size_t i = 0; i < key.size() && parts < depth; ++i) {
    if (key[i] == '/') {
      parts += i > 0 && key[i - 1] != '/' ? 1 : 0;  // "/a//b" has the parts a and b
      end = i + 1;
    }
  }
  return key.substr(0, std::min(end, HotPrefixes::kPrefixBytesMax));
}

HotPrefixes::HotPrefixes(Options options)
    : options_(options),
      clock_(options.clock != nullptr ? options.clock : Clock::Real()),
      started_(clock_->MonotonicNanos()),
      counts_max_(4 * std::max<size_t>(options.top, 1)),
      scaled_at_(started_) {}

uint32_t HotPrefixes::NextGap() const {
  if (options_.sample <= 1) {
    return 0;
  }
  // Each gap from 0 to 2 × (sample - 1) is as likely as another, so that no rhythm of a client hides from it.
  thread_local uint32_t state =
      0x9E3779B9U ^ static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&state) >> 4U);
  state ^= state << 13U;
  state ^= state >> 17U;
  state ^= state << 5U;
  return state % (2 * options_.sample - 1);
}

double HotPrefixes::WeightAt(int64_t now) const {
  return std::exp2(HalfLives(now - scaled_at_));
}

void HotPrefixes::Rescale(int64_t now) {
  PROBE("hot prefixes: counts begin anew");
  const double factor = 1 / WeightAt(now);
  for (auto& [prefix, count] : counts_) {
    for (double* const part :
         {&count.reads, &count.writes, &count.events, &count.bytes, &count.error}) {
      *part *= factor;
    }
  }
  scaled_at_ = now;
}

HotPrefixes::Count* HotPrefixes::Find(std::string_view prefix) {
  if (const auto found = counts_.find(prefix); found != counts_.end()) {
    return &found->second;
  }
  Count fresh;
  if (counts_.size() >= counts_max_) {
    const auto least =
        std::min_element(counts_.begin(), counts_.end(), [](const auto& a, const auto& b) {
          return a.second.all() + a.second.error < b.second.all() + b.second.error;
        });
    fresh.error = least->second.all() + least->second.error;
    counts_.erase(least);
  }
  return &counts_.emplace(std::string(prefix), fresh).first->second;
}

void HotPrefixes::Add(Kind kind, std::string_view key, size_t bytes, uint64_t operations) {
  const int64_t now = clock_->MonotonicNanos();
  const std::string_view prefix = PrefixOf(key, options_.depth);
  MutexLock lock(&mu_);
  if (now - scaled_at_ > kRescaleNanos) {
    Rescale(now);
  }
  const double weight = WeightAt(now) * std::max<uint32_t>(options_.sample, 1);
  Count* const count = Find(prefix);
  const double added = weight * static_cast<double>(operations);
  (kind == Kind::kRead    ? count->reads
   : kind == Kind::kWrite ? count->writes
                          : count->events) += added;
  count->bytes += weight * static_cast<double>(bytes);
}

std::vector<HotPrefixes::Row> HotPrefixes::Top(size_t top) const {
  const int64_t now = clock_->MonotonicNanos();
  std::vector<Row> rows;
  {
    MutexLock lock(&mu_);
    // A steady rate r makes a decayed count of r × half-life / ln 2, when it has gone on long enough.
    const double seconds = static_cast<double>(kHalfLifeNanos) / kNanosPerSecond / std::log(2.0);
    const double filled = 1 - std::exp2(-HalfLives(std::max<int64_t>(now - started_, 1)));
    const double factor = 1 / (WeightAt(now) * seconds * filled);
    rows.reserve(counts_.size());
    for (const auto& [prefix, count] : counts_) {
      rows.push_back({.prefix = prefix,
                      .reads = count.reads * factor,
                      .writes = count.writes * factor,
                      .events = count.events * factor,
                      .bytes = count.bytes * factor,
                      .error = count.error * factor});
    }
  }
  // By what is certain and what may be, as the rule keeps them.
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    const double rate_a = a.reads + a.writes + a.events;
    const double rate_b = b.reads + b.writes + b.events;
    return rate_a != rate_b ? rate_a > rate_b : a.prefix < b.prefix;
  });
  rows.resize(std::min(rows.size(), top == 0 ? options_.top : top));
  return rows;
}

std::string HotPrefixes::ToJson(size_t top) const {
  boost::json::array rows;
  for (const Row& row : Top(top)) {
    rows.push_back(boost::json::object{{"prefix", PrintableKey(row.prefix, kPrefixBytesMax)},
                                       {"reads_per_second", row.reads},
                                       {"writes_per_second", row.writes},
                                       {"events_per_second", row.events},
                                       {"bytes_per_second", row.bytes},
                                       {"error_per_second", row.error}});
  }
  const boost::json::object page{
      {"half_life_seconds", kHalfLifeNanos / kNanosPerSecond},
      {"sampled_one_in", options_.sample},
      {"depth", options_.depth},
      {"prefixes", std::move(rows)},
  };
  return boost::json::serialize(page);
}

}  // namespace socle::server
