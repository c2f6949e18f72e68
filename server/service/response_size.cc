#include "server/service/response_size.h"

#include <memory>
#include <span>
#include <type_traits>
#include <variant>

#include "server/service/range_encoder.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

size_t HeaderBytes(const pb::ResponseHeader& header) {
  return LengthPrefixedBytes(header.ByteSizeLong());
}

// Of a response within a transaction: its header has nothing but the revision.
size_t HeaderBytes(int64_t revision) {
  return LengthPrefixedBytes(NumberBytes(revision));
}

size_t FieldsBytes(std::span<const mvcc::KeyValueView> kvs) {
  size_t bytes = 0;
  for (const mvcc::KeyValueView& kv : kvs) {
    bytes += FieldBytes(kv);
  }
  return bytes;
}

size_t BodyBytes(const mvcc::RangeResult& result) {
  return RangeResponseBytes({.kvs = result.kvs, .more = result.more, .count = result.count});
}

size_t BodyBytes(const mvcc::PutResult& result) {
  return result.prev_kv.has_value() ? FieldBytes(*result.prev_kv) : 0;
}

size_t BodyBytes(const mvcc::DeleteRangeResult& result) {
  return NumberBytes(result.deleted) + FieldsBytes(result.prev_kvs);
}

size_t BodyBytes(const mvcc::TxnResult& result);

size_t OpBytes(const mvcc::ResponseOp& op) {
  return std::visit(
      [](const auto& result) {
        if constexpr (std::is_same_v<std::decay_t<decltype(result)>,
                                     std::unique_ptr<mvcc::TxnResult>>) {
          return LengthPrefixedBytes(HeaderBytes(result->revision) + BodyBytes(*result));
        } else {
          return LengthPrefixedBytes(HeaderBytes(result.revision) + BodyBytes(result));
        }
      },
      op);
}

size_t BodyBytes(const mvcc::TxnResult& result) {
  size_t bytes = NumberBytes(result.succeeded ? 1 : 0);
  for (const mvcc::ResponseOp& op : result.responses) {
    bytes += LengthPrefixedBytes(OpBytes(op));
  }
  return bytes;
}

}  // namespace

size_t ResponseBytes(const pb::ResponseHeader& header, const mvcc::DeleteRangeResult& result) {
  return HeaderBytes(header) + BodyBytes(result);
}

size_t ResponseBytes(const pb::ResponseHeader& header, const mvcc::TxnResult& result) {
  return HeaderBytes(header) + BodyBytes(result);
}

}  // namespace socle::server
