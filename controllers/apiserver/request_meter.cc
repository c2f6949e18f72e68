#include "controllers/apiserver/request_meter.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::apiserver {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

RequestMeter::RequestMeter(const api::KindRegistry& kinds, int reads_max, int writes_max)
    : reads_max_(reads_max),
      writes_max_(writes_max),
      reads_(std::make_shared<Permit::Gauge>(0)),
      writes_(std::make_shared<Permit::Gauge>(0)),
      watches_(std::make_shared<Permit::Gauge>(0)) {
  for (const api::ServedKind& served : kinds.served()) {
    row_of_[&served] = rows_.size();
    rows_.push_back(&served);
  }
  row_of_[nullptr] = rows_.size();
  rows_.push_back(nullptr);
  cells_size_ = rows_.size() * kParts.size() * kVerbs;
  cells_ = std::make_unique<Cell[]>(cells_size_);
}

Permit RequestMeter::Admit(Verb verb) {
  const bool is_watch = verb == Verb::kWatch;
  const std::shared_ptr<Permit::Gauge>& gauge = is_watch       ? watches_
                                                : IsRead(verb) ? reads_
                                                               : writes_;
  Permit permit(gauge);
  const int64_t under_way = gauge->fetch_add(1, kRelaxed);
  if (!is_watch && under_way >= (IsRead(verb) ? reads_max_ : writes_max_)) {
    refused_.fetch_add(1, kRelaxed);
    return {};
  }
  return permit;
}

RequestMeter::Cell* RequestMeter::CellOf(Verb verb, size_t row, std::string_view subresource) {
  const auto found = std::find(kParts.begin(), kParts.end() - 1, subresource);
  const size_t part = static_cast<size_t>(found - kParts.begin());
  return &cells_[(row * kParts.size() + part) * kVerbs + static_cast<size_t>(verb)];
}

void RequestMeter::Note(Verb verb, const api::ServedKind* served, std::string_view subresource,
                        int code, int64_t nanos) {
  const auto row = row_of_.find(served);
  Cell* const cell =
      CellOf(verb, row == row_of_.end() ? rows_.size() - 1 : row->second, subresource);
  const auto known = std::find(kCodes.begin(), kCodes.end() - 1, code);
  cell->codes[static_cast<size_t>(known - kCodes.begin())].fetch_add(1, kRelaxed);
  cell->nanos.fetch_add(static_cast<uint64_t>(std::max<int64_t>(nanos, 0)), kRelaxed);
  const auto bucket =
      std::lower_bound(kBucketsMicros.begin(), kBucketsMicros.end(), nanos / kNanosPerMicro);
  if (bucket != kBucketsMicros.end()) {
    cell->buckets[static_cast<size_t>(bucket - kBucketsMicros.begin())].fetch_add(1, kRelaxed);
  }
}

RequestMeter::Labels RequestMeter::LabelsOf(size_t index) const {
  const api::ServedKind* const served = rows_[index / kVerbs / kParts.size()];
  Labels labels{.subresource = kParts[index / kVerbs % kParts.size()],
                .verb = VerbText(static_cast<Verb>(index % kVerbs))};
  if (served != nullptr) {
    labels.group = served->kind->group;
    labels.version = served->version;
    labels.resource = served->kind->resource;
  }
  return labels;
}

void RequestMeter::RenderCell(const Cell& cell, const Labels& labels, std::string* counts,
                              std::string* times) const {
  const std::string shared =
      fmt::format(R"(verb="{}",group="{}",version="{}",resource="{}",subresource="{}")",
                  labels.verb, labels.group, labels.version, labels.resource, labels.subresource);
  uint64_t all = 0;
  for (size_t i = 0; i < kCodes.size(); ++i) {
    const uint64_t count = cell.codes[i].load(kRelaxed);
    all += count;
    if (count > 0) {
      fmt::format_to(std::back_inserter(*counts), "apiserver_request_total{{{},code=\"{}\"}} {}\n",
                     shared, kCodes[i], count);
    }
  }
  if (all == 0) {
    return;
  }
  uint64_t below = 0;
  for (size_t i = 0; i < kBucketsMicros.size(); ++i) {
    below += cell.buckets[i].load(kRelaxed);
    fmt::format_to(std::back_inserter(*times),
                   "apiserver_request_duration_seconds_bucket{{{},le=\"{}\"}} {}\n", shared,
                   static_cast<double>(kBucketsMicros[i]) / 1e6, below);
  }
  fmt::format_to(std::back_inserter(*times),
                 "apiserver_request_duration_seconds_bucket{{{0},le=\"+Inf\"}} {1}\n"
                 "apiserver_request_duration_seconds_sum{{{0}}} {2}\n"
                 "apiserver_request_duration_seconds_count{{{0}}} {1}\n",
                 shared, all, static_cast<double>(cell.nanos.load(kRelaxed)) / 1e9);
}

void RequestMeter::Render(std::string* out) const {
  std::string counts;
  std::string times;
  for (size_t i = 0; i < cells_size_; ++i) {
    RenderCell(cells_[i], LabelsOf(i), &counts, &times);
  }
  *out +=
      "# HELP apiserver_request_total Requests answered, by what they asked and the code.\n"
      "# TYPE apiserver_request_total counter\n";
  *out += counts;
  *out +=
      "# HELP apiserver_request_duration_seconds From the head of the request to the end of the "
      "answer; watches until their head.\n"
      "# TYPE apiserver_request_duration_seconds histogram\n";
  *out += times;
  fmt::format_to(
      std::back_inserter(*out),
      "# HELP apiserver_current_inflight_requests Requests under way, without watches.\n"
      "# TYPE apiserver_current_inflight_requests gauge\n"
      "apiserver_current_inflight_requests{{request_kind=\"readOnly\"}} {}\n"
      "apiserver_current_inflight_requests{{request_kind=\"mutating\"}} {}\n"
      "# HELP apiserver_watches Watches that are open.\n"
      "# TYPE apiserver_watches gauge\n"
      "apiserver_watches {}\n"
      "# HELP apiserver_refused_requests_total Requests answered 429: too many under way.\n"
      "# TYPE apiserver_refused_requests_total counter\n"
      "apiserver_refused_requests_total {}\n",
      reads_->load(kRelaxed), writes_->load(kRelaxed), watches_->load(kRelaxed),
      refused_.load(kRelaxed));
}

}  // namespace socle::apiserver
