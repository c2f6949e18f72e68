#include "mvcc/record.h"

#include "kv/base/bytes.h"

namespace socle::mvcc {
namespace {

// Protobuf tags: field number * 8 + wire type.
constexpr uint64_t kKeyTag = 1 * 8 + 2;
constexpr uint64_t kCreateTag = 2 * 8 + 0;
constexpr uint64_t kModTag = 3 * 8 + 0;
constexpr uint64_t kVersionTag = 4 * 8 + 0;
constexpr uint64_t kValueTag = 5 * 8 + 2;
constexpr uint64_t kLeaseTag = 6 * 8 + 0;

void AppendBytesField(uint64_t tag, std::string_view bytes, std::string* out) {
  if (!bytes.empty()) {
    AppendVarint(tag, out);
    AppendLengthPrefixed(bytes, out);
  }
}

void AppendNumberField(uint64_t tag, int64_t number, std::string* out) {
  if (number != 0) {
    AppendVarint(tag, out);
    AppendVarint(static_cast<uint64_t>(number), out);
  }
}

bool SkipField(uint64_t wire_type, std::string_view* in) {
  uint64_t number = 0;
  std::string_view bytes;
  switch (wire_type) {
    case 0:
      return ConsumeVarint(in, &number);
    case 1:
      if (in->size() < 8) {
        return false;
      }
      in->remove_prefix(8);
      return true;
    case 2:
      return ConsumeLengthPrefixed(in, &bytes);
    case 5:
      if (in->size() < 4) {
        return false;
      }
      in->remove_prefix(4);
      return true;
    default:
      return false;
  }
}

bool ConsumeNumber(std::string_view* in, int64_t* number) {
  uint64_t raw = 0;
  if (!ConsumeVarint(in, &raw)) {
    return false;
  }
  *number = static_cast<int64_t>(raw);
  return true;
}

bool ConsumeField(uint64_t tag, std::string_view* in, KeyValueView* kv) {
  int64_t number = 0;
  switch (tag) {
    case kKeyTag:
      return ConsumeLengthPrefixed(in, &kv->key);
    case kCreateTag:
      return ConsumeNumber(in, &kv->create_revision);
    case kModTag:
      return ConsumeNumber(in, &kv->mod_revision);
    case kVersionTag:
      return ConsumeNumber(in, &kv->version);
    case kValueTag:
      return ConsumeLengthPrefixed(in, &kv->value);
    case kLeaseTag:
      if (!ConsumeNumber(in, &number)) {
        return false;
      }
      kv->lease = LeaseId{number};
      return true;
    default:
      return SkipField(tag & 7U, in);
  }
}

}  // namespace

void AppendRecord(const KeyValueView& kv, std::string* out) {
  AppendBytesField(kKeyTag, kv.key, out);
  AppendNumberField(kCreateTag, kv.create_revision, out);
  AppendNumberField(kModTag, kv.mod_revision, out);
  AppendNumberField(kVersionTag, kv.version, out);
  AppendBytesField(kValueTag, kv.value, out);
  AppendNumberField(kLeaseTag, Raw(kv.lease), out);
}

std::optional<KeyValueView> DecodeRecord(std::string_view bytes) {
  KeyValueView kv;
  while (!bytes.empty()) {
    uint64_t tag = 0;
    if (!ConsumeVarint(&bytes, &tag) || !ConsumeField(tag, &bytes, &kv)) {
      return std::nullopt;
    }
  }
  return kv;
}

}  // namespace socle::mvcc
