// WatchCrowd: watchers beside a load; they count what they get, and wait at the end for what they must get.
//
// Laws     1. Every watcher must get `expected_events` of the same number; fewer by the end of the patience, or
//             more, is an error of the run.
// Threads  as companion.h; on_event runs on the loop's thread.
// Memory   one number for each watcher. Must outlive the loop.
#ifndef SOCLE_BENCH_WORKLOAD_WATCH_CROWD_H_
#define SOCLE_BENCH_WORKLOAD_WATCH_CROWD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <etcd/rpc.pb.h>

#include "bench/workload/companion.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle::bench {

struct WatchCrowdOptions {
  std::string name = "watchers";
  uint64_t watchers = 1;
  uint64_t streams = 1;
  etcdserverpb::WatchCreateRequest create;
  // How many events each watcher must have got at the end; asked after the load. Null: any number.
  std::function<uint64_t()> expected_events;
  // Start waits until every watcher was created; not so where the catching up is what is measured.
  bool waits_for_creation = true;
  int64_t patience_nanos = 30 * kNanosPerSecond;  // without any event, at the start and at the end
  // Of the first watcher.
  std::function<void(const mvccpb::Event&)> on_event;
};

class WatchCrowd final : public Companion {
 public:
  explicit WatchCrowd(WatchCrowdOptions options);
  ~WatchCrowd() override;

  absl::Status Start(server::ClientLoop* loop, const std::vector<Caller*>& callers) override;
  void Stop() override;
  CompanionReport report() const override;

 private:
  struct State;

  bool AwaitEvents(uint64_t wanted);

  const WatchCrowdOptions options_;
  // The callbacks of the streams point to it: a companion outlives the loop.
  const std::unique_ptr<State> state_;
  server::ClientLoop* loop_ = nullptr;
  CompanionReport report_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_WATCH_CROWD_H_
