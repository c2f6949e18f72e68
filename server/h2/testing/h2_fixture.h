// H2Fixture: an H2Site for each test, and what its clients wait for.
#ifndef SOCLE_SERVER_H2_TESTING_H2_FIXTURE_H_
#define SOCLE_SERVER_H2_TESTING_H2_FIXTURE_H_

#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "server/h2/testing/h2_site.h"

namespace socle::server {

// Watch responses, for a test thread to wait for.
class Inbox {
 public:
  void Add(const pb::WatchResponse& response) {
    MutexLock lock(&mu_);
    events_ += response.events_size();
    responses_.push_back(response);
    added_.SignalAll();
  }

  // False after ten seconds.
  bool AwaitEvents(int count) {
    MutexLock lock(&mu_);
    while (events_ < count) {
      if (!added_.WaitFor(&mu_, std::chrono::seconds(10))) {
        return false;
      }
    }
    return true;
  }

  std::vector<pb::WatchResponse> Take() {
    MutexLock lock(&mu_);
    return {responses_.begin(), responses_.end()};
  }

  bool AwaitResponses(size_t count) {
    MutexLock lock(&mu_);
    while (responses_.size() < count) {
      if (!added_.WaitFor(&mu_, std::chrono::seconds(10))) {
        return false;
      }
    }
    return true;
  }

 private:
  Mutex mu_;
  CondVar added_;
  int events_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<pb::WatchResponse> responses_ ABSL_GUARDED_BY(mu_);
};

class H2ServerTest : public ::testing::Test, protected H2Site {
 protected:
  using H2Site::H2Site;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_H2_TESTING_H2_FIXTURE_H_
