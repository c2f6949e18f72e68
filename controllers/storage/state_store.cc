#include "controllers/storage/state_store.h"

#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "controllers/storage/answer.h"

namespace socle::storage {
namespace {

// The results of several writes on their way back; each slot is written by one callback.
struct Gathering {
  std::atomic<size_t> missing;  // whoever brings it to 0 has seen all slots written
  std::vector<WriteResult> results;
  WritesDone done;
};

}  // namespace

void StateStore::SubmitAll(std::vector<Write> writes, WritesDone done) {
  if (writes.empty()) {
    done({});
    return;
  }
  auto gathering = std::make_shared<Gathering>();
  gathering->missing = writes.size();
  gathering->results.resize(writes.size());
  gathering->done = std::move(done);
  for (size_t i = 0; i < writes.size(); ++i) {
    Submit(std::move(writes[i]), [gathering, i](WriteResult result) {
      gathering->results[i] = std::move(result);
      if (gathering->missing.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        gathering->done(std::move(gathering->results));
      }
    });
  }
}

WriteResult StateStore::Run(Write write) {
  Answer<WriteResult> answer;
  Submit(std::move(write), [&answer](WriteResult result) { answer.Give(std::move(result)); });
  return answer.Take();
}

std::vector<WriteResult> StateStore::RunAll(std::vector<Write> writes) {
  Answer<std::vector<WriteResult>> answer;
  SubmitAll(std::move(writes),
            [&answer](std::vector<WriteResult> results) { answer.Give(std::move(results)); });
  return answer.Take();
}

absl::Status Validate(const GetRequest& request) {
  if (request.key.empty()) {
    return absl::InvalidArgumentError("get: the key is empty");
  }
  if (request.revision < 0) {
    return absl::InvalidArgumentError(
        fmt::format("get: revision {} is negative", request.revision));
  }
  return absl::OkStatus();
}

absl::Status Validate(const Write& write) {
  if (write.key.empty()) {
    return absl::InvalidArgumentError("write: the key is empty");
  }
  const bool is_guarded = write.kind != WriteKind::kCreate;
  if (is_guarded ? write.expected_revision <= 0 : write.expected_revision != 0) {
    return absl::InvalidArgumentError(
        fmt::format("write: {} can't expect revision {}",
                    is_guarded ? "an update or deletion" : "a creation", write.expected_revision));
  }
  if (write.kind == WriteKind::kDelete && (!write.document.empty() || write.ttl_seconds != 0)) {
    return absl::InvalidArgumentError("write: a deletion has no document and no TTL");
  }
  if (write.ttl_seconds < 0 || write.ttl_seconds > kTtlMaxSeconds) {
    return absl::InvalidArgumentError(fmt::format("write: a TTL of {} s is not between 0 and {} s",
                                                  write.ttl_seconds, kTtlMaxSeconds));
  }
  return absl::OkStatus();
}

absl::Status Validate(const WatchRequest& request) {
  if (request.after_revision < 0) {
    return absl::InvalidArgumentError(
        fmt::format("watch: revision {} is negative", request.after_revision));
  }
  return absl::OkStatus();
}

}  // namespace socle::storage
