// PrefixQuotas: how many bytes the live keys of some prefixes may take, and how many they take.
//
// What counts is key and value of the newest revision of each live key; history, leases and files are not counted. A prefix may
// lie within another: both are kept.
//
// Laws     1. They are part of the state: a change of them is an entry of the log (a system write of meta/kPrefixQuotaKey), and the counters
//             follow what is applied. So the same log gives the same refusals, whatever the flags say when it is replayed.
//          2. A write is refused when its puts would add bytes to a prefix and take it over its limit. One that adds none, and every
//             delete, passes however full it is. What a transaction deletes does not make room for what it puts.
//          3. Judged and counted by the write loop, in the order of writes: nobody slips past.
// Threads  the write loop's; Usage is thread-safe.
// Source   mvcc/DESIGN.md (2026-11-27).
#ifndef SOCLE_MVCC_PREFIX_QUOTA_H_
#define SOCLE_MVCC_PREFIX_QUOTA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mvcc/range.h"

namespace socle::mvcc {

struct PrefixQuota {
  std::string prefix;
  int64_t limit_bytes = 0;

  friend auto operator<=>(const PrefixQuota&, const PrefixQuota&) = default;
};

struct PrefixUsage {
  std::string prefix;
  int64_t limit_bytes = 0;
  int64_t used_bytes = 0;
  int64_t keys = 0;
  int64_t refused = 0;  // writes, since the start
};

// As stored; empty for none, and equal for equal sets.
std::string EncodeQuotas(std::vector<PrefixQuota> quotas);
absl::StatusOr<std::vector<PrefixQuota>> DecodeQuotas(std::string_view bytes);

// Every key that begins with `prefix`. `end` is where the upper bound is kept.
KeyInterval IntervalOfPrefix(std::string_view prefix, std::string* end);

class PrefixQuotas {
 public:
  explicit PrefixQuotas(std::vector<PrefixQuota> quotas);

  const std::vector<PrefixQuota>& quotas() const { return quotas_; }

  bool Covers(std::string_view key) const;

  // A key that is put changes its size by `bytes`; `keys`: 1 when it is new, -1 when it goes.
  void Count(std::string_view key, int64_t bytes, int64_t keys);

  // What the puts of one write would change, by quota.
  class Addition {
   public:
    explicit Addition(const PrefixQuotas* quotas)
        : quotas_(quotas), bytes_(quotas->quotas_.size()) {}

    void Add(std::string_view key, int64_t bytes);

   private:
    friend class PrefixQuotas;
    const PrefixQuotas* const quotas_;
    std::vector<int64_t> bytes_;
  };

  // kPrefixQuota, and what is full, by law 2.
  absl::Status Judge(const Addition& addition);

  std::vector<PrefixUsage> Usage() const;

 private:
  // Written by the write loop, read by whoever asks.
  struct Counters {
    std::atomic<int64_t> used{0};
    std::atomic<int64_t> keys{0};
    std::atomic<int64_t> refused{0};
  };

  const std::vector<PrefixQuota> quotas_;
  const std::unique_ptr<Counters[]> counters_;  // of each
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_PREFIX_QUOTA_H_
