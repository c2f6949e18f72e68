// Record: the stored form of a key-value pair, mvccpb.KeyValue in canonical protobuf bytes.
//
// Laws     1. Fields in number order, zero fields left out: equal histories give equal bytes
//             (HashKV, trap 26).
//          2. Decoding never reads beyond the bytes and tolerates unknown fields.
// Memory   a KeyValueView points into the bytes it was decoded from.
// Threads  pure functions.
// Source   spec etcd 1.1 (field numbers), 2.2, 2.3.
#ifndef SOCLE_MVCC_RECORD_H_
#define SOCLE_MVCC_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace socle::mvcc {

enum class LeaseId : int64_t {};

inline constexpr LeaseId kNoLease{0};

constexpr int64_t Raw(LeaseId id) {
  return static_cast<int64_t>(id);
}

struct KeyValueView {
  std::string_view key;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  std::string_view value;
  LeaseId lease = kNoLease;
};

// Appends the canonical bytes.
void AppendRecord(const KeyValueView& kv, std::string* out);

// nullopt when the bytes are not a KeyValue.
std::optional<KeyValueView> DecodeRecord(std::string_view bytes);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_RECORD_H_
