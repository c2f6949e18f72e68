#include "server/gateway/range_json.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "server/gateway/json_text.h"
#include "server/gateway/json_writer.h"

namespace socle::server::gateway {
namespace {

constexpr size_t kValueStepBytes = 24 * 1024;  // of a value; base64 takes three at a time
static_assert(kValueStepBytes % 3 == 0);

}  // namespace

RangeJson::RangeJson(RangeAnswer answer, InFlight* room) : answer_(std::move(answer)), room_(room) {
  piece_ = "{\"header\":";
  AppendJson(answer_.header, &piece_);
  MakePiece();
}

void RangeJson::Take(size_t bytes, std::string* out) {
  while (bytes > 0) {
    const size_t size = std::min(bytes, bytes_left());
    CHECK(size > 0);
    out->append(piece_, taken_, size);
    taken_ += size;
    bytes -= size;
    if (bytes_left() == 0 && has_more()) {
      piece_.clear();
      taken_ = 0;
      MakePiece();
    }
  }
}

void RangeJson::MakePiece() {
  while (piece_.size() < kPieceBytes && !is_over_) {
    Step();
  }
}

void RangeJson::Step() {
  if (is_in_value_) {
    AppendSomeValue();
  } else if (next_ < answer_.entries()) {
    BeginEntry();
  } else {
    AppendEnd();
  }
}

void RangeJson::BeginEntry() {
  const auto kv = answer_.EntryAt(next_);
  piece_ += next_ == 0 ? ",\"kvs\":[{" : ",{";
  is_in_entry_ = false;
  if (!kv.key.empty()) {
    AppendName("key");
    piece_ += '"';
    AppendBase64(kv.key, &piece_);
    piece_ += '"';
  }
  AppendNumber("create_revision", kv.create_revision);
  AppendNumber("mod_revision", kv.mod_revision);
  AppendNumber("version", kv.version);
  if (kv.value.empty()) {
    EndEntry();
    return;
  }
  AppendName("value");
  piece_ += '"';
  is_in_value_ = true;
  value_done_ = 0;
}

void RangeJson::AppendSomeValue() {
  const auto kv = answer_.EntryAt(next_);
  const std::string_view some = kv.value.substr(value_done_, kValueStepBytes);
  AppendBase64(some, &piece_);
  value_done_ += some.size();
  if (value_done_ == kv.value.size()) {
    piece_ += '"';
    is_in_value_ = false;
    EndEntry();
  }
}

void RangeJson::EndEntry() {
  AppendNumber("lease", static_cast<int64_t>(answer_.EntryAt(next_).lease));
  piece_ += '}';
  ++next_;
}

void RangeJson::AppendEnd() {
  if (answer_.entries() > 0) {
    piece_ += ']';
  }
  is_in_entry_ = true;  // of the whole, which has a header
  if (answer_.result.more) {
    AppendName("more");
    piece_ += "true";
  }
  AppendNumber("count", answer_.result.count);
  piece_ += '}';
  is_over_ = true;
}

void RangeJson::AppendName(std::string_view name) {
  piece_ += std::exchange(is_in_entry_, true) ? ",\"" : "\"";
  piece_ += name;
  piece_ += "\":";
}

// Left out when it is zero.
void RangeJson::AppendNumber(std::string_view name, int64_t number) {
  if (number != 0) {
    AppendName(name);
    fmt::format_to(std::back_inserter(piece_), "\"{}\"", number);
  }
}

std::unique_ptr<http::BodySource> MakeRangeJson(RangeAnswer&& answer, InFlight* room) {
  return std::make_unique<RangeJson>(std::move(answer), room);
}

}  // namespace socle::server::gateway
