#include "server/service/range_answer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "mvcc/record.h"

namespace socle::server {
namespace {

// What is left of an answer is copied on the loop, at once: some milliseconds at most.
constexpr size_t kCopyBytesMax = size_t{16} << 20U;

template <typename Visit>
void VisitViews(size_t first, mvcc::RangeResult* result, const Visit& visit) {
  for (size_t i = first; i < result->records.size(); ++i) {
    visit(&result->records[i]);
  }
  for (size_t i = first; i < result->kvs.size(); ++i) {
    visit(&result->kvs[i].key);
    visit(&result->kvs[i].value);
  }
}

}  // namespace

mvcc::KeyValueView RangeAnswer::EntryAt(size_t index) const {
  if (result.records.empty()) {
    return result.kvs[index];
  }
  const std::optional<mvcc::KeyValueView> kv = mvcc::DecodeRecord(result.records[index]);
  CHECK(kv.has_value());  // the store has read it before
  return *kv;
}

void RangeAnswer::Detach(size_t first, InFlight* room) {
  if (result.pin == nullptr) {
    return;
  }
  share = {};  // whoever waits for room does not wait for a slow client
  size_t left = 0;
  VisitViews(first, &result, [&left](std::string_view* view) { left += view->size(); });
  InFlight::Share mine =
      left <= kCopyBytesMax ? room->TryEnter(left + held_bytes()) : InFlight::Share();
  if (mine.bytes() == 0) {
    PROBE("range answer: no room for a copy");
    return;
  }
  PROBE("range answer: what is left is copied");
  copied.reserve(left);
  VisitViews(first, &result, [this](std::string_view* view) {
    copied.append(*view);
    *view = std::string_view(copied).substr(copied.size() - view->size());
  });
  result.pin = {};
  share = std::move(mine);
}

RangeBytes::RangeBytes(std::string prefix, RangeAnswer answer, size_t response_bytes)
    : answer_(std::move(answer)), left_(prefix.size() + response_bytes), made_(std::move(prefix)) {}

void RangeBytes::Take(size_t bytes, std::string* out) {
  CHECK(bytes <= left_);
  left_ -= bytes;
  while (bytes > 0) {
    if (made_taken_ < made_.size()) {
      const size_t size = std::min(bytes, made_.size() - made_taken_);
      out->append(made_, made_taken_, size);
      made_taken_ += size;
      bytes -= size;
    } else if (!record_.empty()) {
      const size_t size = std::min(bytes, record_.size());
      out->append(record_.substr(0, size));
      record_.remove_prefix(size);
      bytes -= size;
    } else {
      Refill();
    }
  }
}

void RangeBytes::Refill() {
  made_.clear();
  made_taken_ = 0;
  if (!has_begun_) {
    has_begun_ = true;
    AppendRangeResponse({.header = &answer_.header}, &made_);
  } else if (next_ < answer_.result.records.size()) {
    record_ = answer_.result.records[next_++];
    AppendRecordHead(record_.size(), &made_);
  } else if (next_ < entries()) {
    AppendRangeResponse({.kvs = {&answer_.result.kvs[next_++], 1}}, &made_);
  } else {
    CHECK(next_++ == entries());
    AppendRangeResponse({.more = answer_.result.more, .count = answer_.result.count}, &made_);
  }
}

void RangeBytes::Detach(InFlight* room) {
  if (answer_.result.pin == nullptr) {
    return;
  }
  answer_.share = {};  // whoever waits for room does not wait for a slow client
  InFlight::Share share = left_ <= kCopyBytesMax ? room->TryEnter(left_) : InFlight::Share();
  if (share.bytes() < left_) {
    PROBE("range bytes: no room for a copy");
    return;
  }
  PROBE("range bytes: what is left is copied");
  std::string rest;
  rest.reserve(left_);
  const size_t left = left_;
  Take(left, &rest);
  left_ = left;
  made_ = std::move(rest);
  made_taken_ = 0;
  answer_ = {};
  answer_.share = std::move(share);
}

}  // namespace socle::server
