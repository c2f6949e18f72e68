// LockService: v3lockpb.Lock without transport.
//
// Laws     1. Lock answers when its key is the oldest of the name; a client that goes before takes its key
//             along.
//          2. Without a lease it takes one of 60 seconds that nobody keeps alive, as etcd does.
//          3. Unlock deletes the key, whether it is there or not.
// Threads  thread-safe; `done` runs on a worker or the store's write loop.
// Source   spec etcd 1.10.
#ifndef SOCLE_SERVER_SERVICE_LOCK_SERVICE_H_
#define SOCLE_SERVER_SERVICE_LOCK_SERVICE_H_

#include "etcd/lock.pb.h"

#include "server/service/node.h"
#include "server/service/withdrawal.h"

namespace socle::server {

class LockService {
 public:
  explicit LockService(Node* node) : node_(node) {}

  Withdrawal Lock(const Caller& caller, const v3lockpb::LockRequest& request,
                  v3lockpb::LockResponse* response, Done done);
  void Unlock(const Caller& caller, const v3lockpb::UnlockRequest& request,
              v3lockpb::UnlockResponse* response, Done done);

 private:
  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_LOCK_SERVICE_H_
