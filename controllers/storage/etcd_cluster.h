// EtcdCluster: the connections to the members of an etcd cluster, one of which is used at a time.
//
// Laws     1. A member that answers Unavailable is left for the next one; whoever lost a call by it
//             is told, except calls that may be repeated: those are, once per member and at least
//             once.
//          2. Callbacks run once, on the loop thread.
// Threads  Unary, Post: any thread. The rest: the loop thread.
// Memory   callbacks that were not called when the cluster goes get Cancelled.
#ifndef SOCLE_CONTROLLERS_STORAGE_ETCD_CLUSTER_H_
#define SOCLE_CONTROLLERS_STORAGE_ETCD_CLUSTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <google/protobuf/message_lite.h>

#include "server/wire/client/channel.h"
#include "server/wire/client/client_loop.h"

namespace socle::storage {

class EtcdCluster {
 public:
  // Resolves the endpoints; does not connect.
  static absl::StatusOr<std::unique_ptr<EtcdCluster>> Open(
      const std::vector<std::string>& endpoints, int64_t timeout_nanos);

  struct CallKind {
    bool is_repeatable = false;
  };

  void Unary(std::string_view path, const google::protobuf::MessageLite& request, CallKind kind,
             server::UnaryDone done);

  // A call to one member, not repeated. Requires: member < size().
  void UnaryAt(size_t member, std::string_view path, const google::protobuf::MessageLite& request,
               server::UnaryDone done);

  size_t size() const { return channels_.size(); }

  void Post(server::ClientLoop::Task task) { loop_->Post(std::move(task)); }

  server::ClientLoop* loop() { return loop_.get(); }

  // The member in use now.
  size_t current() const { return current_; }

  server::Channel* channel(size_t member) { return channels_[member]; }

  // Goes on to the next member unless somebody did.
  void Leave(size_t member);

 private:
  struct PendingCall {
    std::string path;
    std::string request;
    size_t repeats_left = 0;
    server::UnaryDone done;
  };

  EtcdCluster(std::unique_ptr<server::ClientLoop> loop, int64_t timeout_nanos)
      : timeout_nanos_(timeout_nanos), loop_(std::move(loop)) {}

  void Start(std::unique_ptr<PendingCall> call);

  const int64_t timeout_nanos_;
  std::vector<server::Channel*> channels_;  // set before the first call
  size_t current_ = 0;                      // the loop thread's

  const std::unique_ptr<server::ClientLoop> loop_;  // goes first: its callbacks use the rest
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_ETCD_CLUSTER_H_
