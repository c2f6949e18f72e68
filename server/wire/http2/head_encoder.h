// HeadEncoder: writes header blocks of one direction of a connection.
//
// Laws     1. Blocks are encoded in the order in which they are sent.
//          2. Only fields that live for ever go into the table, as long as it has room; then a field is one byte. All others
//             are written out, and nothing is ever evicted.
//          3. A table that the other end wants smaller than the default is no longer used.
// Threads  thread-compatible.
// Memory   views of constant fields; nothing of others.
// Source   RFC 7541.
#ifndef SOCLE_SERVER_WIRE_HTTP2_HEAD_ENCODER_H_
#define SOCLE_SERVER_WIRE_HTTP2_HEAD_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace socle::server::http2 {

// Places in the table that everybody has (RFC 7541 appendix A), of those that are sent whole.
enum class StaticField : uint8_t {
  kMethodPost = 3,
  kSchemeHttp = 6,
  kSchemeHttps = 7,
  kStatus200 = 8
};

class HeadEncoder {
 public:
  // Before the first field of a block.
  void Begin(std::string* out);
  void Add(StaticField field, std::string* out);
  // `name` is in lower case. `is_constant`: both views live for ever.
  void Add(std::string_view name, std::string_view value, bool is_constant, std::string* out);

  // The other end's SETTINGS_HEADER_TABLE_SIZE.
  void LimitTable(uint32_t bytes);

 private:
  struct Entry {
    std::string_view name;
    std::string_view value;
  };

  std::vector<Entry> table_;
  size_t table_bytes_ = 0;
  bool uses_table_ = true;
  bool must_say_limit_ = false;
};

}  // namespace socle::server::http2

#endif  // SOCLE_SERVER_WIRE_HTTP2_HEAD_ENCODER_H_
