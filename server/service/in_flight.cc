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
  if (!next.empty()) {
    StartAll(std::move(next));
  }
}

void InFlight::StartAll(std::vector<Waiting> granted) {
  // Of this thread. One that starts may be done at once, as when its client has gone, and so give room to the next: they
  // start one after the other, not one inside the other.
  static thread_local std::deque<std::pair<InFlight*, Waiting>>* starting = nullptr;
  std::deque<std::pair<InFlight*, Waiting>> mine;
  const bool is_outermost = starting == nullptr;
  if (is_outermost) {
    starting = &mine;
  }
  for (Waiting& one : granted) {
    starting->emplace_back(this, std::move(one));
  }
  if (!is_outermost) {
    PROBE("in flight: room is given back by one that has just started");
    return;
  }
  while (!mine.empty()) {
    auto [owner, one] = std::move(mine.front());
    mine.pop_front();
    one.start(Share(owner, one.bytes));
  }
  starting = nullptr;
}

}  // namespace socle::server
