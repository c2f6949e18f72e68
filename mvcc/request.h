// Requests and results of the store: etcd's operations as plain structs, without transport.
//
// Laws     1. Ranges: empty range_end = the single key; range_end of one zero byte = every key >=
//             key; both one zero byte = everything; else [key, range_end) by unsigned bytes.
//          2. Views in a result (keys, values) are valid as long as the result's `pin`s live.
//          3. A result's `revision` is the store's revision that the operation saw or made; in
//             operations inside a transaction as spec etcd 1.4 says (sub-response headers).
// Threads  values.
// Source   spec etcd 1.4.
#ifndef SOCLE_MVCC_REQUEST_H_
#define SOCLE_MVCC_REQUEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mvcc/record.h"

namespace socle::mvcc {

// Keeps alive the memory that views of a result point into.
using Pin = std::shared_ptr<const void>;

enum class SortOrder : int { kNone = 0, kAscend = 1, kDescend = 2 };

enum class SortTarget : int { kKey = 0, kVersion = 1, kCreate = 2, kMod = 3, kValue = 4 };

struct RangeRequest {
  std::string key;
  std::string range_end;
  int64_t limit = 0;     // <= 0: unlimited
  int64_t revision = 0;  // <= 0: newest
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  bool keys_only = false;
  bool count_only = false;
  bool without_count =
      false;  // the result's count is 0 where a limit left keys out that would have to be counted
  bool as_records = false;  // where keys come whole, in their order and unfiltered: in `records`
  int64_t min_mod_revision = 0;  // 0: no bound; inclusive, as the next three
  int64_t max_mod_revision = 0;
  int64_t min_create_revision = 0;
  int64_t max_create_revision = 0;
};

struct RangeResult {
  int64_t revision = 0;
  std::vector<KeyValueView> kvs;
  std::vector<std::string_view> records;  // instead of kvs: as stored (mvcc/record.h)
  bool more = false;
  int64_t count = 0;  // live keys in the range at the read revision, whatever limit and filters say
  Pin pin;
};

// Of any lease.
inline constexpr int64_t kLeaseTtlMax = 9'000'000'000;

struct PutRequest {
  std::string key;
  std::string value;
  LeaseId lease = kNoLease;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
  // > 0: `lease` is the id of a new lease of this TTL, which the put grants for its key alone: it goes when the key is
  // put or deleted otherwise. The id is made by whoever asks, before the entry is logged.
  int64_t ttl_seconds = 0;
};

struct PutResult {
  int64_t revision = 0;
  std::optional<KeyValueView> prev_kv;
  Pin pin;
};

struct DeleteRangeRequest {
  std::string key;
  std::string range_end;
  bool prev_kv = false;
};

struct DeleteRangeResult {
  int64_t revision = 0;
  int64_t deleted = 0;
  std::vector<KeyValueView> prev_kvs;
  Pin pin;
};

enum class CompareOp : int { kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3 };

enum class CompareTarget : int { kVersion = 0, kCreate = 1, kMod = 2, kValue = 3, kLease = 4 };

struct Compare {
  CompareOp op = CompareOp::kEqual;
  CompareTarget target = CompareTarget::kVersion;
  std::string key;
  std::string range_end;
  int64_t number = 0;  // for version, create, mod, lease
  std::string value;   // for value
};

struct TxnRequest;
// monostate: an operation whose kind was not set (an error: key not found).
using RequestOp = std::variant<std::monostate, RangeRequest, PutRequest, DeleteRangeRequest,
                               std::unique_ptr<TxnRequest>>;

// Levels of transactions below the outermost: bounds the recursion of everything that walks one.
inline constexpr int kTxnDepthMax = 200;

struct TxnRequest {
  std::vector<Compare> compares;
  std::vector<RequestOp> success;
  std::vector<RequestOp> failure;
};

struct TxnResult;
using ResponseOp =
    std::variant<RangeResult, PutResult, DeleteRangeResult, std::unique_ptr<TxnResult>>;

struct TxnResult {
  int64_t revision = 0;  // 0 in a nested one
  bool succeeded = false;
  std::vector<ResponseOp> responses;
};

struct CompactResult {
  int64_t revision = 0;
};

struct LeaseGrantResult {
  int64_t revision = 0;
};

struct LeaseRevokeResult {
  int64_t revision = 0;
};

struct KvHash {
  uint32_t hash = 0;
  int64_t current_revision = 1;
  int64_t compact_revision = -1;
  int64_t hash_revision = 0;  // the revision that was hashed
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_REQUEST_H_
