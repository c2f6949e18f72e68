#include "server/service/in_flight.h"

#include <vector>

#include "kv/base/probe.h"
#include "server/service/error_table.h"

namespace socle::server {

void InFlight::Enter(size_t bytes, Start start) {
  bool is_refused = false;
  {
    MutexLock lock(&mu_);
    if (waiting_.empty() && HasRoom(bytes)) {
      used_ += bytes;
    } else if (waiting_.size() < waiting_max_) {
      PROBE("in flight: an answer waits for room");
      waiting_.push_back({.bytes = bytes, .start = std::move(start)});
      return;
    } else {
      PROBE("in flight: too many wait");
      is_refused = true;
    }
  }
  if (is_refused) {
    start(WireStatus(EtcdError::kTooManyRequests));
  } else {
    start(Share(this, bytes));
  }
}

InFlight::Share InFlight::TryEnter(size_t bytes) {
  MutexLock lock(&mu_);
  if (!waiting_.empty() || !HasRoom(bytes)) {
    return {};
  }
  used_ += bytes;
  return {this, bytes};
}

void InFlight::Leave(size_t bytes) {
  std::vector<Waiting> next;
  {
    MutexLock lock(&mu_);
    used_ -= bytes;
    while (!waiting_.empty() && HasRoom(waiting_.front().bytes)) {
      used_ += waiting_.front().bytes;
      next.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  for (Waiting& one : next) {
    one.start(Share(this, one.bytes));
  }
}

}  // namespace socle::server
