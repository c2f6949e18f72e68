// WatchCollector: a consumer that waits for the responses of a stream.
//
// Threads  Next, TryNext: one thread. The stream's calls: any.
#ifndef SOCLE_MVCC_TESTING_WATCH_COLLECTOR_H_
#define SOCLE_MVCC_TESTING_WATCH_COLLECTOR_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "mvcc/watch.h"

namespace socle::mvcc {

class WatchCollector {
 public:
  using NewStream = std::function<std::unique_ptr<WatchStream>(std::function<void()>)>;

  explicit WatchCollector(const NewStream& new_stream)
      : stream_(new_stream([this] {
          MutexLock lock(&mu_);
          is_ready_ = true;
          changed_.Signal();
        })) {}

  WatchStream* stream() { return stream_.get(); }

  std::optional<WatchResponse> TryNext() { return stream_->Next(); }

  // Waits; a failure and an empty response when none comes in ten seconds.
  WatchResponse Next() {
    for (int round = 0; round < 100; ++round) {
      if (std::optional<WatchResponse> response = stream_->Next()) {
        return *std::move(response);
      }
      MutexLock lock(&mu_);
      if (!is_ready_) {
        changed_.WaitFor(&mu_, std::chrono::milliseconds(100));
      }
      is_ready_ = false;
    }
    ADD_FAILURE() << "no watch response";
    return {};
  }

  // Creates a watch and takes its answer, which must be the next response.
  WatchResponse Create(WatchRequest request) {
    stream_->Create(std::move(request));
    WatchResponse response = Next();
    EXPECT_TRUE(response.created);
    return response;
  }

  // Everything given before is in the queue when this returns, and the stream's watchers are
  // synced; collects it. Requires that no watch starts in the future.
  std::vector<WatchResponse> Drain(int64_t revision) {
    std::vector<WatchResponse> responses;
    for (int round = 0; round < 1000; ++round) {
      stream_->RequestProgress();
      WaitALittle();
      while (std::optional<WatchResponse> response = stream_->Next()) {
        if (response->watch_id != -1 || response->created) {
          responses.push_back(*std::move(response));
        } else if (response->revision >= revision) {
          return responses;
        }
      }
    }
    ADD_FAILURE() << "the stream never caught up";
    return responses;
  }

  void WaitALittle() {
    MutexLock lock(&mu_);
    if (!is_ready_) {
      changed_.WaitFor(&mu_, std::chrono::milliseconds(10));
    }
    is_ready_ = false;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool is_ready_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<WatchStream> stream_;  // last: gone before what its callback uses
};

// "put a=1@2" or "delete a@3", with " was ..." for a previous pair.
inline std::string Describe(const WatchEvent& event) {
  std::string text =
      event.is_delete
          ? fmt::format("delete {}@{}", event.kv.key, event.kv.mod_revision)
          : fmt::format("put {}={}@{}", event.kv.key, event.kv.value, event.kv.mod_revision);
  if (event.prev_kv) {
    text += fmt::format(" was {}@{}", event.prev_kv->value, event.prev_kv->mod_revision);
  }
  return text;
}

inline std::vector<std::string> DescribeEvents(const WatchResponse& response) {
  std::vector<std::string> texts;
  for (const WatchEvent& event : response.events) {
    texts.push_back(Describe(event));
  }
  return texts;
}

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_WATCH_COLLECTOR_H_
