// WatchEncoder: the bytes of etcdserverpb.WatchResponse messages, around event bytes that are shared by all
// who get them.
//
//   0a len ResponseHeader   10 watch_id   18 created   20 canceled   28 compact_revision   32 cancel_reason
//   38 fragment   5a len Event …          (the events as mvcc/event_block.h holds them)
//
// Laws     1. The bytes are what protobuf would write for the same message.
//          2. A response that asked for it is cut on event boundaries at `bytes_max`; every part but the
//             last says fragment, and a part holds at least one event.
// Threads  thread-compatible.
// Source   spec etcd 1.1, 1.5, trap 19.
#ifndef SOCLE_SERVER_SERVICE_WATCH_ENCODER_H_
#define SOCLE_SERVER_SERVICE_WATCH_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "etcd/rpc.pb.h"

#include "mvcc/watch.h"

namespace socle::server {

class WatchEncoder {
 public:
  // `header`: its ids and raft term go into every message.
  WatchEncoder(const etcdserverpb::ResponseHeader& header, size_t bytes_max);

  // Forgets what is left of the response before.
  void Start(mvcc::SharedWatchResponse shared);
  // Appends the next message of the response, for each of its watches in turn; false when all were.
  bool AppendNext(std::string* out);

 private:
  void AppendHead(bool is_fragment, std::string* out) const;
  // True when it was the last.
  bool AppendPart(std::string* out);

  std::string ids_;        // fields 1 and 2 of the header
  std::string raft_term_;  // field 4 of the header
  const size_t bytes_max_;
  mvcc::WatchResponse response_;
  std::vector<int64_t> watch_ids_;
  size_t next_ = 0;               // of watch_ids_
  mvcc::EventList::Iterator at_;  // the first event not yet sent to it
  bool is_cut_ = false;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_WATCH_ENCODER_H_
