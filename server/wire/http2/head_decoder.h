// HeadDecoder: header blocks of one direction of a connection, on nghttp2's HPACK.
//
// Laws     1. Every block that arrives is decoded, wanted or not: each may change the table that the next ones mean.
//          2. A block that only points into the table leaves the table alone, so the same bytes after it say the
//             same, while only such blocks come between: whoever remembered what they said may skip decoding (Repeats).
// Threads  thread-compatible.
// Errors   a block that can't be decoded is COMPRESSION_ERROR of the connection.
// Source   RFC 7541.
#ifndef SOCLE_SERVER_WIRE_HTTP2_HEAD_DECODER_H_
#define SOCLE_SERVER_WIRE_HTTP2_HEAD_DECODER_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <nghttp2/nghttp2.h>

namespace socle::server::http2 {

class HeadDecoder {
 public:
  // The views are valid during the call.
  using OnField = absl::FunctionRef<void(std::string_view name, std::string_view value)>;

  HeadDecoder();

  // False: it can't be decoded, and nothing after it can.
  bool Decode(std::string_view block, OnField on_field);

  // Blocks of different kinds that come in turn are remembered apart.
  static constexpr size_t kSlots = 2;

  // The block just decoded is worth remembering; an empty one: nothing is.
  void Remember(size_t slot, std::string_view block);

  // `block` says what the one last remembered said, and need not be decoded.
  bool Repeats(size_t slot, std::string_view block) const {
    return !last_[slot].empty() && block == last_[slot];
  }

 private:
  struct Delete {
    void operator()(nghttp2_hd_inflater* inflater) const { nghttp2_hd_inflate_del(inflater); }
  };

  std::unique_ptr<nghttp2_hd_inflater, Delete> inflater_;
  std::array<std::string, kSlots> last_;  // empty: none
};

}  // namespace socle::server::http2

#endif  // SOCLE_SERVER_WIRE_HTTP2_HEAD_DECODER_H_
