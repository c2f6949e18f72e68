// WatchService: etcdserverpb.Watch without transport: one WatchSession per client stream.
//
// Laws     1. The transport pulls: it calls Next only when it can write, so a slow client holds
//             back only its own store stream, whose queue is bounded.
//          2. A response that asked for it is cut on event boundaries at max-request-bytes + 512
//             KiB; every part but the last says fragment, and a part holds at least one event.
//          3. Permission is asked for at the creation of a watcher, and not again.
// Threads  Receive and Next may run at the same time; Next is not to be called twice at once.
// Source   spec etcd 1.5, 7.1 traps 14 to 19.
#ifndef SOCLE_SERVER_SERVICE_WATCH_SERVICE_H_
#define SOCLE_SERVER_SERVICE_WATCH_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "etcd/rpc.pb.h"

#include "kv/base/mutex.h"
#include "mvcc/watch.h"
#include "server/service/node.h"

namespace socle::server {

class WatchSession {
 public:
  // `on_ready` is called on the store's watch thread when Next has something again.
  WatchSession(Node* node, Caller caller, std::function<void()> on_ready);

  void Receive(const etcdserverpb::WatchRequest& request);
  // Fills the cleared `response` with what is to be sent next; false when there is nothing now.
  bool Next(etcdserverpb::WatchResponse* response);

 private:
  // Answers a creation that the caller may not make.
  void Refuse(const absl::Status& why);

  Node* const node_;
  const Caller caller_;
  const std::function<void()> on_ready_;
  Mutex mu_;
  std::vector<etcdserverpb::WatchResponse> refused_ ABSL_GUARDED_BY(mu_);  // oldest first
  std::atomic<bool> has_refused_{false};                                   // refused_ is not empty
  std::deque<etcdserverpb::WatchResponse> parts_;  // of a response that was cut; confined to Next
  const std::unique_ptr<mvcc::WatchStream> stream_;
};

// Cuts `whole` into messages below `bytes_max` where events allow it (law 2).
std::vector<etcdserverpb::WatchResponse> CutResponse(etcdserverpb::WatchResponse whole,
                                                     size_t bytes_max);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_WATCH_SERVICE_H_
