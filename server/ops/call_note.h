// CallNote: the times of one call, and who made it, for those who watch calls (ops/call_observer.h).
//
//   received ─► worker ─► queue of the write loop ─► log ─► apply ─► answered ─► encoded ─► sent
//                └ not every call passes there ┘
//
// Threads  a value; the call that has it sees to who writes when.
#ifndef SOCLE_SERVER_OPS_CALL_NOTE_H_
#define SOCLE_SERVER_OPS_CALL_NOTE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "mvcc/batch_times.h"
#include "server/ops/rpc_meter.h"

namespace socle::server {

// Monotonic nanoseconds; 0: it has not been there.
struct CallNote {
  RpcMethod method{};
  int64_t received = 0;  // the request was whole
  int64_t started = 0;   // on a worker
  mvcc::BatchTimes batch = {};
  int64_t answered = 0;  // by the service
  int64_t encoded = 0;
  int64_t received_wall = 0;
  size_t request_bytes = 0;
  size_t response_bytes = 0;
  std::string user = {};  // when it came: the call may end what made it somebody
  std::string certificate = {};
  std::string remote = {};  // address of the client
  bool is_gateway = false;
  bool is_sample = false;  // for the hot prefixes
  bool is_told = false;    // that it was answered
};

// Where the time went. They add up to what lies between `received` and `sent`.
struct CallPhases {
  int64_t worker_wait = 0;
  int64_t queue = 0;  // of the write loop
  int64_t log_sync = 0;
  int64_t apply = 0;
  int64_t work = 0;    // of the service, where none of the above
  int64_t answer = 0;  // back to the client's loop, and encoded
  int64_t send = 0;

  int64_t total() const { return worker_wait + queue + log_sync + apply + work + answer + send; }
};

CallPhases PhasesOf(const CallNote& note, int64_t sent);

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_CALL_NOTE_H_
