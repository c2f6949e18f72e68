#include "server/wire/http2/head_decoder.h"

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kv/base/check.h"

namespace socle::server::http2 {
namespace {

constexpr size_t kRememberedBytes = 64;

// Only fields that one byte takes from the table; 0xff begins a longer number.
bool OnlyPoints(std::string_view block) {
  return std::all_of(block.begin(), block.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte > 0x80 && byte < 0xff;
  });
}

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

HeadDecoder::HeadDecoder() {
  nghttp2_hd_inflater* inflater = nullptr;
  CHECK_EQ(nghttp2_hd_inflate_new(&inflater), 0);
  inflater_.reset(inflater);
}

bool HeadDecoder::Decode(std::string_view block, OnField on_field) {
  if (!OnlyPoints(block)) {
    last_ = {};
  }
  const auto* in = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  while (true) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_.get(), &field, &flags, in, left, 1);
    if (used < 0) {
      return false;
    }
    in += used;
    left -= static_cast<size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      on_field(View(field.name, field.namelen), View(field.value, field.valuelen));
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_.get());
      return true;
    }
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) {
      return false;
    }
  }
}

void HeadDecoder::Remember(size_t slot, std::string_view block) {
  last_[slot].assign(block.size() <= kRememberedBytes && OnlyPoints(block) ? block
                                                                           : std::string_view());
}

}  // namespace socle::server::http2
