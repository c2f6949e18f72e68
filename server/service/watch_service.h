// WatchService: etcdserverpb.Watch without transport: one WatchSession per client stream.
//
// Laws     1. The transport pulls: it calls AppendNext only when it can write, so a slow client holds
//             back only its own store stream, whose queue is bounded.
//          2. The transport stops reading requests while TakesRequests says no, so a client that does
//             not read its answers, refusals among them, can't make them pile up; it looks again after
//             on_ready and after what it took.
//          3. Permission is asked for at the creation of a watcher, and not again.
// Threads  Receive, TakesRequests and AppendNext may run at the same time; AppendNext is not to be
//          called twice at once.
// Source   spec etcd 1.5, 7.1 traps 14 to 19.
#ifndef SOCLE_SERVER_SERVICE_WATCH_SERVICE_H_
#define SOCLE_SERVER_SERVICE_WATCH_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "etcd/rpc.pb.h"

#include "kv/base/mutex.h"
#include "mvcc/watch.h"
#include "server/service/node.h"
#include "server/service/watch_encoder.h"

namespace socle::server {

class WatchSession {
 public:
  // `on_ready` is called on the store's watch thread when AppendNext has something again, or when
  // TakesRequests may say yes again.
  WatchSession(Node* node, Caller caller, std::function<void()> on_ready);

  // Why a creation was refused, which is answered, too; else OK.
  absl::Status Receive(const etcdserverpb::WatchRequest& request);

  bool TakesRequests() const;

  // Appends the serialised WatchResponse that is to be sent next; false when there is none now.
  bool AppendNext(std::string* out);

 private:
  void Sample(const mvcc::SharedWatchResponse& next) const;
  // Answers a creation that the caller may not make.
  void Refuse(const absl::Status& why);

  Node* const node_;
  const Caller caller_;
  const std::function<void()> on_ready_;
  Mutex mu_;
  std::deque<etcdserverpb::WatchResponse> refused_ ABSL_GUARDED_BY(mu_);  // oldest first
  std::atomic<int64_t> refused_count_{0};                                 // size of refused_
  WatchEncoder encoder_;                                                  // confined to AppendNext
  const std::unique_ptr<mvcc::WatchStream> stream_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_WATCH_SERVICE_H_
