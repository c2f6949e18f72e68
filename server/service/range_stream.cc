#include "server/service/range_stream.h"

#include <algorithm>
#include <span>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/validate.h"
#include "server/service/convert.h"
#include "server/service/error_table.h"
#include "server/service/range_encoder.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

bool HasOrder(const pb::RangeRequest& request) {
  return request.sort_order() != pb::RangeRequest::NONE &&
         (request.sort_order() != pb::RangeRequest::ASCEND ||
          request.sort_target() != pb::RangeRequest::KEY);
}

bool HasFilters(const pb::RangeRequest& request) {
  return request.min_mod_revision() != 0 || request.max_mod_revision() != 0 ||
         request.min_create_revision() != 0 || request.max_create_revision() != 0;
}

mvcc::RangeRequest FirstOf(const pb::RangeRequest& request) {
  mvcc::RangeRequest first = ToStore(request);
  // Without an order the target says nothing here; Range would sort by it.
  first.sort_order = mvcc::SortOrder::kNone;
  first.sort_target = mvcc::SortTarget::kKey;
  first.without_count = !request.count_only();
  return first;
}

}  // namespace

absl::Status RangeStream::Check(const pb::RangeRequest& request) {
  RETURN_IF_ERROR(WireStatus(mvcc::Validate(ToStore(request))));
  if (HasOrder(request)) {
    return absl::UnimplementedError("RangeStream does not support custom sort orders");
  }
  if (HasFilters(request)) {
    return absl::UnimplementedError("RangeStream does not support revision filters");
  }
  return absl::OkStatus();
}

RangeStream::RangeStream(const Node* node, const pb::RangeRequest& request)
    : node_(node),
      bytes_aimed_at_(static_cast<size_t>(node->request_bytes_max())),
      next_(FirstOf(request)),
      limit_(std::max<int64_t>(request.limit(), 0)) {}

absl::StatusOr<bool> RangeStream::AppendNext(std::string* out) {
  const int64_t left = limit_ - sent_;
  next_.limit = limit_ == 0 ? keys_of_a_piece_ : std::min(keys_of_a_piece_, left);
  const absl::StatusOr<mvcc::RangeResult> result = node_->store().Range(next_);
  if (!result.ok()) {
    return WireStatus(result.status());
  }
  if (start_revision_ == 0) {
    start_revision_ = result->revision;
    next_.revision = next_.revision > 0 ? next_.revision : result->revision;
  }
  // As many as fit; their sizes are read, not their bytes.
  size_t bytes = 0;
  size_t keys = 0;
  for (const mvcc::KeyValueView& kv : result->kvs) {
    bytes += FieldBytes(kv);
    if (keys > 0 && bytes > 2 * bytes_aimed_at_) {
      PROBE("range stream: a piece is cut by its bytes");
      break;
    }
    ++keys;
  }
  sent_ += static_cast<int64_t>(keys);
  const bool has_all = keys == result->kvs.size();
  if (has_all && (!result->more || sent_ == limit_)) {
    RETURN_IF_ERROR(AppendLast(*result, out));
    return false;
  }
  const std::span kvs = std::span(result->kvs).first(keys);
  AppendRangeStreamResponse({.kvs = kvs}, out);
  next_.key.assign(kvs.back().key);
  next_.key.push_back('\0');
  if (bytes < bytes_aimed_at_ / 2) {
    keys_of_a_piece_ *= 2;
  } else if (bytes > 2 * bytes_aimed_at_) {
    keys_of_a_piece_ = std::max<int64_t>(keys_of_a_piece_ / 2, 1);
  }
  return true;
}

absl::Status RangeStream::AppendLast(const mvcc::RangeResult& result, std::string* out) {
  int64_t count = next_.count_only ? result.count : sent_;
  if (result.more) {
    mvcc::RangeRequest rest = next_;
    rest.key.assign(result.kvs.back().key);
    rest.key.push_back('\0');
    rest.count_only = true;
    const absl::StatusOr<mvcc::RangeResult> beyond = node_->store().Range(rest);
    if (!beyond.ok()) {
      return WireStatus(beyond.status());
    }
    count += beyond->count;
  }
  pb::ResponseHeader header;
  header.set_revision(start_revision_);
  node_->FillIds(&header);
  AppendRangeStreamResponse(
      {.header = &header, .kvs = result.kvs, .more = result.more, .count = count}, out);
  return absl::OkStatus();
}

}  // namespace socle::server
