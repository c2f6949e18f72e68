// RangeStream: the answer of a Range in pieces, each read when the one before has gone.
//
//   first 10 keys, then twice as many while a piece stays below half of max-request-bytes, half as many above
//   twice of it; the last piece alone has header, more and count.
//
// Laws     1. All pieces merged are the answer that Range gives at the revision of the first.
//          2. Between two pieces nothing of the store is held: a client that doesn't read pins no pages. What is
//             compacted meanwhile ends the stream with the compacted error.
//          3. A piece has at most twice max-request-bytes, or one key.
//          4. The keys of a piece cost the piece, whatever comes before and after; what is left beyond the limit is
//             counted once, at the end.
// Threads  thread-compatible.
// Errors   those of Range, for the wire; Unimplemented for orders and filters, as in etcd.
// Source   spec etcd 1.4 (RangeStream).
#ifndef SOCLE_SERVER_SERVICE_RANGE_STREAM_H_
#define SOCLE_SERVER_SERVICE_RANGE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "etcd/rpc.pb.h"
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mvcc/request.h"
#include "server/service/node.h"

namespace socle::server {

class RangeStream {
 public:
  // Requires: Check is OK.
  RangeStream(const Node* node, const etcdserverpb::RangeRequest& request);

  // What is wrong with the request, for the wire.
  static absl::Status Check(const etcdserverpb::RangeRequest& request);

  // Appends the next RangeStreamResponse; false when it was the last. Not to be called after that.
  absl::StatusOr<bool> AppendNext(std::string* out);

 private:
  absl::Status AppendLast(const mvcc::RangeResult& result, std::string* out);

  const Node* const node_;
  const size_t bytes_aimed_at_;
  mvcc::RangeRequest next_;     // its key goes on; its revision is fixed by the first piece
  const int64_t limit_;         // 0: none
  int64_t start_revision_ = 0;  // of the store at the first piece
  int64_t keys_of_a_piece_ = 10;
  int64_t sent_ = 0;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_RANGE_STREAM_H_
