// WireField: one field of a protobuf message, taken off the front of its bytes without a generated class.
//
// Laws     1. Any bytes end in success or false; nothing is read beyond them.
// Threads  pure functions.
#ifndef SOCLE_SERVER_MIGRATE_WIRE_FIELD_H_
#define SOCLE_SERVER_MIGRATE_WIRE_FIELD_H_

#include <cstdint>
#include <string_view>

#include "kv/base/bytes.h"

namespace socle::server {

struct WireField {
  uint64_t number = 0;
  bool is_bytes = false;   // else a varint; other wire types are not known here
  uint64_t varint = 0;     // when it is one
  std::string_view bytes;  // when it is bytes
};

// False when the front of `in` is no such field.
inline bool ConsumeField(std::string_view* in, WireField* field) {
  uint64_t tag = 0;
  if (!ConsumeVarint(in, &tag) || (tag >> 3U) == 0) {
    return false;
  }
  *field = {.number = tag >> 3U, .is_bytes = (tag & 7U) == 2};
  if (field->is_bytes) {
    return ConsumeLengthPrefixed(in, &field->bytes);
  }
  return (tag & 7U) == 0 && ConsumeVarint(in, &field->varint);
}

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_WIRE_FIELD_H_
