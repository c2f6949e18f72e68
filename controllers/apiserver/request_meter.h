// RequestMeter: counts and times of requests by verb, resource and code, and how many are under way.
//
// Laws     1. Counting costs a few relaxed adds, without a lock.
//          2. The bounds of requests under way count reads and writes apart, and no watches.
// Threads  thread-safe.
// Memory   about 200 bytes for each verb of each served kind.
#ifndef SOCLE_CONTROLLERS_APISERVER_REQUEST_METER_H_
#define SOCLE_CONTROLLERS_APISERVER_REQUEST_METER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "controllers/api/kind_registry.h"
#include "controllers/apiserver/resource_request.h"

namespace socle::apiserver {

// A place among the requests under way, given back by its destructor.
class Permit {
 public:
  using Gauge = std::atomic<int64_t>;

  Permit() = default;

  explicit Permit(std::shared_ptr<Gauge> gauge) : gauge_(std::move(gauge)) {}

  ~Permit() { Release(); }

  Permit(Permit&&) = default;

  Permit& operator=(Permit&& other) noexcept {
    Release();
    gauge_ = std::move(other.gauge_);
    return *this;
  }

  bool is_given() const { return gauge_ != nullptr; }

 private:
  void Release() {
    if (gauge_ != nullptr) {
      gauge_->fetch_sub(1, std::memory_order_relaxed);
      gauge_ = nullptr;
    }
  }

  std::shared_ptr<Gauge> gauge_;  // may outlive the server: writes are answered late
};

class RequestMeter {
 public:
  RequestMeter(const api::KindRegistry& kinds, int reads_max, int writes_max);

  // Not given when there are too many. Watches always get one.
  Permit Admit(Verb verb);

  // A request was answered. `served` nullptr: no kind's.
  void Note(Verb verb, const api::ServedKind* served, std::string_view subresource, int code,
            int64_t nanos);

  // The Prometheus text format.
  void Render(std::string* out) const;

 private:
  static constexpr std::array kCodes = {200, 201, 400, 401, 403, 404, 405, 406, 409, 410,
                                        413, 415, 422, 429, 500, 501, 503, 504, 0};
  static constexpr std::array kBucketsMicros = {100,     250,     500,       1'000,     2'500,
                                                5'000,   10'000,  25'000,    50'000,    100'000,
                                                250'000, 500'000, 1'000'000, 5'000'000, 30'000'000};
  static constexpr std::array<std::string_view, 4> kParts = {"", "status", "scale", "other"};

  struct Cell {
    std::array<std::atomic<uint64_t>, kCodes.size()> codes{};
    std::array<std::atomic<uint64_t>, kBucketsMicros.size()> buckets{};
    std::atomic<uint64_t> nanos{0};
  };

  struct Labels {
    std::string_view group;
    std::string_view version;
    std::string_view resource;
    std::string_view subresource;
    std::string_view verb;
  };

  Cell* CellOf(Verb verb, size_t row, std::string_view subresource);
  Labels LabelsOf(size_t index) const;
  void RenderCell(const Cell& cell, const Labels& labels, std::string* counts,
                  std::string* times) const;

  const int reads_max_;
  const int writes_max_;
  const std::shared_ptr<Permit::Gauge> reads_;
  const std::shared_ptr<Permit::Gauge> writes_;
  const std::shared_ptr<Permit::Gauge> watches_;
  std::atomic<uint64_t> refused_{0};
  std::vector<const api::ServedKind*> rows_;  // the last is nullptr: no kind's
  absl::flat_hash_map<const api::ServedKind*, size_t> row_of_;
  std::unique_ptr<Cell[]> cells_;
  size_t cells_size_ = 0;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_REQUEST_METER_H_
