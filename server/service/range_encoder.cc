#include "server/service/range_encoder.h"

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "mvcc/record.h"

namespace socle::server {
namespace {

constexpr char kHeaderTag = 1 * 8 + 2;
constexpr char kKvTag = 2 * 8 + 2;
constexpr char kMoreTag = 3 * 8 + 0;
constexpr char kCountTag = 4 * 8 + 0;
constexpr char kRangeResponseTag = 1 * 8 + 2;

size_t VarintBytes(uint64_t number) {
  size_t bytes = 1;
  for (; number >= 0x80; number >>= 7U) {
    ++bytes;
  }
  return bytes;
}

size_t RecordBytes(const mvcc::KeyValueView& kv) {
  return (kv.key.empty() ? 0 : LengthPrefixedBytes(kv.key.size())) +
         NumberBytes(kv.create_revision) + NumberBytes(kv.mod_revision) + NumberBytes(kv.version) +
         (kv.value.empty() ? 0 : LengthPrefixedBytes(kv.value.size())) +
         NumberBytes(mvcc::Raw(kv.lease));
}

}  // namespace

// Fields of numbers below 16 have tags of one byte.
size_t LengthPrefixedBytes(size_t bytes) {
  return 1 + VarintBytes(bytes) + bytes;
}

size_t NumberBytes(int64_t number) {
  return number == 0 ? 0 : 1 + VarintBytes(static_cast<uint64_t>(number));
}

size_t FieldBytes(const mvcc::KeyValueView& kv) {
  return LengthPrefixedBytes(RecordBytes(kv));
}

size_t RangeResponseBytes(const RangeParts& parts) {
  size_t bytes = parts.header == nullptr ? 0 : LengthPrefixedBytes(parts.header->ByteSizeLong());
  for (const mvcc::KeyValueView& kv : parts.kvs) {
    bytes += FieldBytes(kv);
  }
  for (const std::string_view record : parts.records) {
    bytes += LengthPrefixedBytes(record.size());
  }
  return bytes + (parts.more ? 2 : 0) + NumberBytes(parts.count);
}

absl::Status CheckMessageBytes(size_t bytes, size_t bytes_max) {
  if (bytes <= bytes_max) [[likely]] {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      fmt::format("trying to send message larger than max ({} vs. {})", bytes, bytes_max));
}

void AppendRecordHead(size_t record_bytes, std::string* out) {
  out->push_back(kKvTag);
  AppendVarint(record_bytes, out);
}

void AppendRangeResponse(const RangeParts& parts, std::string* out) {
  if (parts.header != nullptr) {
    out->push_back(kHeaderTag);
    AppendVarint(parts.header->ByteSizeLong(), out);
    parts.header->AppendToString(out);
  }
  for (const mvcc::KeyValueView& kv : parts.kvs) {
    out->push_back(kKvTag);
    AppendVarint(RecordBytes(kv), out);
    mvcc::AppendRecord(kv, out);
  }
  for (const std::string_view record : parts.records) {
    AppendRecordHead(record.size(), out);
    out->append(record);
  }
  if (parts.more) {
    out->push_back(kMoreTag);
    out->push_back(1);
  }
  if (parts.count != 0) {
    out->push_back(kCountTag);
    AppendVarint(static_cast<uint64_t>(parts.count), out);
  }
}

void AppendRangeStreamResponse(const RangeParts& parts, std::string* out) {
  const size_t bytes = RangeResponseBytes(parts);
  out->reserve(out->size() + LengthPrefixedBytes(bytes));
  out->push_back(kRangeResponseTag);
  AppendVarint(bytes, out);
  AppendRangeResponse(parts, out);
}

}  // namespace socle::server
