#include "server/service/watch_encoder.h"

#include <utility>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"

namespace socle::server {
namespace {

constexpr uint64_t Tag(uint64_t field, uint64_t wire_type) {
  return field * 8 + wire_type;
}

void AppendNumber(uint64_t field, uint64_t number, std::string* out) {
  if (number != 0) {
    AppendVarint(Tag(field, 0), out);
    AppendVarint(number, out);
  }
}

void AppendSigned(uint64_t field, int64_t number, std::string* out) {
  AppendNumber(field, static_cast<uint64_t>(number), out);
}

size_t VarintBytes(uint64_t number) {
  size_t bytes = 1;
  for (; number >= 0x80; number >>= 7U) {
    ++bytes;
  }
  return bytes;
}

}  // namespace

WatchEncoder::WatchEncoder(const etcdserverpb::ResponseHeader& header, size_t bytes_max)
    : bytes_max_(bytes_max) {
  AppendNumber(1, header.cluster_id(), &ids_);
  AppendNumber(2, header.member_id(), &ids_);
  AppendNumber(4, header.raft_term(), &raft_term_);
}

void WatchEncoder::Start(mvcc::SharedWatchResponse shared) {
  response_ = std::move(shared.response);
  watch_ids_ = std::move(shared.watch_ids);
  next_ = 0;
  at_ = response_.events.begin();
  is_cut_ = false;
  if (response_.fragment && response_.events.size() > 1) {
    std::string head;
    AppendHead(false, &head);
    is_cut_ = head.size() + response_.events.encoded_bytes() >= bytes_max_;
  }
}

bool WatchEncoder::AppendNext(std::string* out) {
  if (next_ == watch_ids_.size()) {
    return false;
  }
  response_.watch_id = watch_ids_[next_];
  bool is_last = true;
  if (is_cut_) {
    is_last = AppendPart(out);
  } else {
    AppendHead(false, out);
    for (const mvcc::EventList::Run& run : response_.events.runs()) {
      out->append(run.encoded());
    }
  }
  if (is_last && ++next_ == watch_ids_.size()) {
    response_ = {};  // Lets go of the events.
  }
  return true;
}

bool WatchEncoder::AppendPart(std::string* out) {
  PROBE("watch: response cut into fragments");
  std::string head;
  AppendHead(true, &head);
  size_t bytes = head.size();
  auto end = at_;
  while (end != response_.events.end() &&
         (end == at_ || bytes + end->encoded.size() < bytes_max_)) {
    bytes += end->encoded.size();
    ++end;
  }
  const bool is_last = end == response_.events.end();
  AppendHead(!is_last, out);
  for (; at_ != end; ++at_) {
    out->append(at_->encoded);
  }
  if (is_last) {
    at_ = response_.events.begin();
  }
  return is_last;
}

void WatchEncoder::AppendHead(bool is_fragment, std::string* out) const {
  const mvcc::WatchResponse& response = response_;
  const auto revision = static_cast<uint64_t>(response.revision);
  // Not FillHeader's: the cancel of a compacted watch keeps revision 0 (trap 15).
  const size_t revision_bytes = revision == 0 ? 0 : 1 + VarintBytes(revision);
  AppendVarint(Tag(1, 2), out);
  AppendVarint(ids_.size() + revision_bytes + raft_term_.size(), out);
  out->append(ids_);
  AppendNumber(3, revision, out);
  out->append(raft_term_);

  AppendSigned(2, response.watch_id, out);
  AppendNumber(3, response.created ? 1 : 0, out);
  AppendNumber(4, response.canceled ? 1 : 0, out);
  AppendSigned(5, response.compact_revision, out);
  if (!response.cancel_reason.empty()) {
    AppendVarint(Tag(6, 2), out);
    AppendLengthPrefixed(response.cancel_reason, out);
  }
  AppendNumber(7, is_fragment ? 1 : 0, out);
}

}  // namespace socle::server
