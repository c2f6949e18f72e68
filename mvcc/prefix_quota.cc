#include "mvcc/prefix_quota.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "mvcc/errors.h"

namespace socle::mvcc {
namespace {

// A prefix may be any bytes.
std::string Printable(std::string_view prefix) {
  std::string text;
  for (const char c : prefix) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte >= 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text;
}

}  // namespace

std::string EncodeQuotas(std::vector<PrefixQuota> quotas) {
  std::sort(quotas.begin(), quotas.end());
  std::string bytes;
  for (const PrefixQuota& quota : quotas) {
    AppendLengthPrefixed(quota.prefix, &bytes);
    AppendVarint(static_cast<uint64_t>(quota.limit_bytes), &bytes);
  }
  return bytes;
}

absl::StatusOr<std::vector<PrefixQuota>> DecodeQuotas(std::string_view bytes) {
  std::vector<PrefixQuota> quotas;
  while (!bytes.empty()) {
    std::string_view prefix;
    uint64_t limit = 0;
    if (!ConsumeLengthPrefixed(&bytes, &prefix) || !ConsumeVarint(&bytes, &limit) ||
        static_cast<int64_t>(limit) < 0) {
      return absl::DataLossError("the stored prefix quotas do not decode");
    }
    quotas.push_back({.prefix = std::string(prefix), .limit_bytes = static_cast<int64_t>(limit)});
  }
  return quotas;
}

KeyInterval IntervalOfPrefix(std::string_view prefix, std::string* end) {
  *end = prefix;
  while (!end->empty() && end->back() == '\xff') {
    end->pop_back();
  }
  if (end->empty()) {
    return {.begin = prefix, .end = {}, .is_open = true};
  }
  end->back() = static_cast<char>(static_cast<unsigned char>(end->back()) + 1);
  return {.begin = prefix, .end = *end};
}

PrefixQuotas::PrefixQuotas(std::vector<PrefixQuota> quotas)
    : quotas_(std::move(quotas)), counters_(std::make_unique<Counters[]>(quotas_.size())) {}

bool PrefixQuotas::Covers(std::string_view key) const {
  return std::any_of(quotas_.begin(), quotas_.end(),
                     [key](const PrefixQuota& quota) { return key.starts_with(quota.prefix); });
}

void PrefixQuotas::Count(std::string_view key, int64_t bytes, int64_t keys) {
  for (size_t i = 0; i < quotas_.size(); ++i) {
    if (key.starts_with(quotas_[i].prefix)) {
      counters_[i].used.fetch_add(bytes, std::memory_order_relaxed);
      counters_[i].keys.fetch_add(keys, std::memory_order_relaxed);
    }
  }
}

void PrefixQuotas::Addition::Add(std::string_view key, int64_t bytes) {
  for (size_t i = 0; i < bytes_.size(); ++i) {
    bytes_[i] += key.starts_with(quotas_->quotas_[i].prefix) ? bytes : 0;
  }
}

absl::Status PrefixQuotas::Judge(const Addition& addition) {
  for (size_t i = 0; i < quotas_.size(); ++i) {
    const int64_t used = counters_[i].used.load(std::memory_order_relaxed);
    const int64_t added = addition.bytes_[i];
    if (added > 0 && used + added > quotas_[i].limit_bytes) {
      counters_[i].refused.fetch_add(1, std::memory_order_relaxed);
      return MakeError(
          StoreError::kPrefixQuota,
          fmt::format("socle: prefix quota exceeded: the keys of \"{}\" take {} of {} bytes, and "
                      "this write adds {}",
                      Printable(quotas_[i].prefix), used, quotas_[i].limit_bytes, added));
    }
  }
  return absl::OkStatus();
}

std::vector<PrefixUsage> PrefixQuotas::Usage() const {
  std::vector<PrefixUsage> usage;
  for (size_t i = 0; i < quotas_.size(); ++i) {
    usage.push_back({.prefix = quotas_[i].prefix,
                     .limit_bytes = quotas_[i].limit_bytes,
                     .used_bytes = counters_[i].used.load(std::memory_order_relaxed),
                     .keys = counters_[i].keys.load(std::memory_order_relaxed),
                     .refused = counters_[i].refused.load(std::memory_order_relaxed)});
  }
  return usage;
}

}  // namespace socle::mvcc
