#include "mvcc/range.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <absl/status/status.h>

#include "kv/base/status_macros.h"
#include "mvcc/errors.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

constexpr std::string_view kZeroByte("\0", 1);

bool HasFilters(const RangeRequest& request) {
  return request.min_mod_revision != 0 || request.max_mod_revision != 0 ||
         request.min_create_revision != 0 || request.max_create_revision != 0;
}

bool PassesFilters(const RangeRequest& request, const KeyValueView& kv) {
  return (request.min_mod_revision == 0 || kv.mod_revision >= request.min_mod_revision) &&
         (request.max_mod_revision == 0 || kv.mod_revision <= request.max_mod_revision) &&
         (request.min_create_revision == 0 || kv.create_revision >= request.min_create_revision) &&
         (request.max_create_revision == 0 || kv.create_revision <= request.max_create_revision);
}

// Key order is what the walk gives. A target with order NONE counts as such when the limit is
// pushed down, and is sorted afterwards all the same (trap 4).
bool IsLimitPushedDown(const RangeRequest& request) {
  const bool is_key_order =
      request.sort_order == SortOrder::kNone ||
      (request.sort_order == SortOrder::kAscend && request.sort_target == SortTarget::kKey);
  return is_key_order && !HasFilters(request);
}

int CompareBy(SortTarget target, const KeyValueView& a, const KeyValueView& b) {
  const auto three_way = [](int64_t x, int64_t y) { return x < y ? -1 : (x > y ? 1 : 0); };
  switch (target) {
    case SortTarget::kKey:
      return a.key.compare(b.key);
    case SortTarget::kVersion:
      return three_way(a.version, b.version);
    case SortTarget::kCreate:
      return three_way(a.create_revision, b.create_revision);
    case SortTarget::kMod:
      return three_way(a.mod_revision, b.mod_revision);
    case SortTarget::kValue:
      return a.value.compare(b.value);
  }
  return 0;
}

void Sort(const RangeRequest& request, std::vector<KeyValueView>* kvs) {
  const SortTarget target = request.sort_target;
  if (request.sort_order == SortOrder::kDescend) {
    std::stable_sort(kvs->begin(), kvs->end(),
                     [target](const KeyValueView& a, const KeyValueView& b) {
                       return CompareBy(target, a, b) > 0;
                     });
  } else if (target != SortTarget::kKey) {
    std::stable_sort(kvs->begin(), kvs->end(),
                     [target](const KeyValueView& a, const KeyValueView& b) {
                       return CompareBy(target, a, b) < 0;
                     });
  }
}

int64_t CountLive(const ReadState& state, const KeyInterval& interval, int64_t revision) {
  if (!interval.is_single && revision >= state.revision) {
    if (!interval.is_open && interval.end <= interval.begin) {
      return 0;
    }
    const uint64_t above =
        interval.is_open ? state.index.live : state.index.LiveBelow(interval.end);
    return static_cast<int64_t>(above - state.index.LiveBelow(interval.begin));
  }
  int64_t count = 0;
  VisitLive(state.index, interval, revision, [&count](const KeyEntry&, const HistoryItem&) {
    ++count;
    return true;
  });
  return count;
}

// `read(revision)` gives what is pushed to `found`, or why not.
template <typename Found, typename Read>
absl::Status Fetch(const ReadState& state, const KeyInterval& interval, int64_t revision,
                   int64_t fetch_max, const Read& read, std::vector<Found>* found) {
  absl::Status status;
  VisitLive(state.index, interval, revision, [&](const KeyEntry&, const HistoryItem& item) {
    absl::StatusOr<Found> one = read(item.revision());
    if (!one.ok()) {
      status = std::move(one).status();
      return false;
    }
    found->push_back(*one);
    return fetch_max == 0 || static_cast<int64_t>(found->size()) < fetch_max;
  });
  return status;
}

absl::Status NoRecord(Revision at) {
  return absl::DataLossError(
      fmt::format("revision {}/{} does not hold a key-value record", at.main, at.sub));
}

absl::StatusOr<std::string_view> Stored(const ReadState& state, Revision at) {
  const RevisionKey key(at);
  ASSIGN_OR_RETURN(const auto bytes, state.storage->Get(kKeyBucket, key.view(), state.seq));
  if (!bytes) {
    return absl::DataLossError(
        fmt::format("revision {}/{} is in the index but not in the store", at.main, at.sub));
  }
  return *bytes;
}

// As it was written, but no other bytes than those of a record.
absl::StatusOr<std::string_view> StoredRecord(const ReadState& state, Revision at) {
  ASSIGN_OR_RETURN(const std::string_view bytes, Stored(state, at));
  if (!DecodeRecord(bytes)) {
    return NoRecord(at);
  }
  return bytes;
}

// Cuts at the limit.
template <typename Found>
bool Limit(int64_t limit, std::vector<Found>* found) {
  if (limit <= 0 || static_cast<int64_t>(found->size()) <= limit) {
    return false;
  }
  found->resize(static_cast<size_t>(limit));
  return true;
}

}  // namespace

absl::StatusOr<KeyValueView> ReadState::Record(Revision at) const {
  ASSIGN_OR_RETURN(const std::string_view bytes, Stored(*this, at));
  const auto kv = DecodeRecord(bytes);
  if (!kv) {
    return NoRecord(at);
  }
  return *kv;
}

KeyInterval IntervalOf(std::string_view key, std::string_view range_end) {
  if (range_end.empty()) {
    return {.begin = key, .end = {}, .is_open = false, .is_single = true};
  }
  if (range_end == kZeroByte) {
    return {.begin = key == kZeroByte ? std::string_view() : key, .end = {}, .is_open = true};
  }
  return {.begin = key, .end = range_end};
}

bool AreRecordsGiven(const RangeRequest& request) {
  return request.as_records && IsLimitPushedDown(request) &&
         request.sort_target == SortTarget::kKey && !request.keys_only && !request.count_only;
}

absl::StatusOr<RangeResult> ReadRange(const ReadState& state, const RangeRequest& request) {
  const int64_t revision = request.revision <= 0 ? state.revision : request.revision;
  if (revision > state.revision) {
    return MakeError(StoreError::kFutureRevision);
  }
  if (revision < state.compact_revision) {
    return MakeError(StoreError::kCompacted);
  }
  const KeyInterval interval = IntervalOf(request.key, request.range_end);
  RangeResult result;
  result.revision = state.revision;
  if (request.count_only) {
    result.count = CountLive(state, interval, revision);
    return result;
  }
  const bool is_limited = request.limit > 0;
  const int64_t fetch_max =
      is_limited && IsLimitPushedDown(request) && request.limit < INT64_MAX ? request.limit + 1 : 0;
  const bool as_records = AreRecordsGiven(request);
  if (as_records) {
    const auto read = [&state](Revision at) { return StoredRecord(state, at); };
    RETURN_IF_ERROR(Fetch(state, interval, revision, fetch_max, read, &result.records));
  } else {
    const auto read = [&state](Revision at) { return state.Record(at); };
    RETURN_IF_ERROR(Fetch(state, interval, revision, fetch_max, read, &result.kvs));
  }
  // Everything was fetched, or the count has to come from the index.
  const auto fetched = static_cast<int64_t>(as_records ? result.records.size() : result.kvs.size());
  if (fetch_max == 0 || fetched < fetch_max) {
    result.count = fetched;
  } else if (!request.without_count) {
    result.count = CountLive(state, interval, revision);
  }
  if (as_records) {
    result.more = Limit(request.limit, &result.records);
    return result;
  }
  if (HasFilters(request)) {
    std::erase_if(result.kvs,
                  [&request](const KeyValueView& kv) { return !PassesFilters(request, kv); });
  }
  Sort(request, &result.kvs);
  result.more = Limit(request.limit, &result.kvs);
  if (request.keys_only) {
    for (KeyValueView& kv : result.kvs) {
      kv.value = {};
    }
  }
  return result;
}

}  // namespace socle::mvcc
