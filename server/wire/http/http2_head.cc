#include "server/wire/http/http2_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <nghttp2/nghttp2.h>

#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

constexpr size_t kFieldOverheadBytes = 32;  // RFC 9113 6.5.2
constexpr std::array<std::string_view, 4> kPseudo = {":method", ":path", ":scheme", ":authority"};
constexpr unsigned kNeeded = 0b111;
constexpr std::array<std::string_view, 5> kOfConnection = {
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// A path, or the server as a whole.
bool IsTarget(std::string_view target) {
  return (target.starts_with('/') || target == "*") &&
         nghttp2_check_path(Bytes(target), target.size()) != 0;
}

}  // namespace

void RequestHead::Begin() {
  request_.Clear(Version::kHttp2);
  bytes_ = 0;
  body_bytes_ = -1;
  pseudo_seen_ = 0;
  has_fields_ = false;
  is_malformed_ = false;
}

void RequestHead::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (bytes_ > limits_->header_bytes_max || is_malformed_) {
    return;
  }
  if (nghttp2_check_header_name(Bytes(name), name.size()) == 0 ||
      nghttp2_check_header_value(Bytes(value), value.size()) == 0) {
    is_malformed_ = true;
  } else if (name.starts_with(':')) {
    AddPseudo(name, value);
  } else {
    AddField(name, value);
  }
}

void RequestHead::AddPseudo(std::string_view name, std::string_view value) {
  const auto* const place = std::find(kPseudo.begin(), kPseudo.end(), name);
  const unsigned bit = 1U << static_cast<unsigned>(place - kPseudo.begin());
  if (has_fields_ || place == kPseudo.end() || (pseudo_seen_ & bit) != 0) {
    is_malformed_ = true;
    return;
  }
  pseudo_seen_ |= bit;
  if (name == ":path") {
    is_malformed_ = !IsTarget(value);
    request_.SetTarget(value);
  } else if (name == ":method") {
    is_malformed_ = nghttp2_check_method(Bytes(value), value.size()) == 0;
    request_.SetMethod(value);
  } else if (name == ":authority") {
    // Any text: gRPC's clients send what names their target (a URL, a path, "#initially=[host:port]"), and etcd takes it.
    request_.SetAuthority(value);
  }
}

void RequestHead::AddField(std::string_view name, std::string_view value) {
  has_fields_ = true;
  if (name == "content-length") {
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), body_bytes_);
    is_malformed_ = body_bytes_ < 0 || parsed.ec != std::errc() ||
                    parsed.ptr != value.data() + value.size() || !request_.Find(name).empty();
  } else if (name == "te") {
    is_malformed_ = value != "trailers";
  } else {
    is_malformed_ =
        std::find(kOfConnection.begin(), kOfConnection.end(), name) != kOfConnection.end();
  }
  request_.Add(name, value);
}

RequestHead::Verdict RequestHead::End() const {
  if (bytes_ > limits_->header_bytes_max) {
    PROBE("http2: request head too large");
    return Verdict::kTooLarge;
  }
  if (is_malformed_ || (pseudo_seen_ & kNeeded) != kNeeded) {
    PROBE("http2: a malformed request head");
    return Verdict::kMalformed;
  }
  return Verdict::kGood;
}

}  // namespace socle::server::http
