#include "controllers/registry/key_lanes.h"

#include <utility>

#include "kv/base/check.h"

namespace socle::registry {

void KeyLanes::Enter(const std::string& key, Turn turn) {
  {
    MutexLock lock(&mu_);
    const auto [lane, is_free] = waiting_.try_emplace(key);
    if (!is_free) {
      lane->second.push_back(std::move(turn));
      return;
    }
  }
  turn();
}

Turn KeyLanes::Leave(const std::string& key) {
  MutexLock lock(&mu_);
  const auto lane = waiting_.find(key);
  CHECK(lane != waiting_.end());
  if (lane->second.empty()) {
    waiting_.erase(lane);
    return nullptr;
  }
  Turn next = std::move(lane->second.front());
  lane->second.pop_front();
  return next;
}

void KeyLanes::RunTurn(Turn turn) {
  // Turns that come up while one runs on this thread.
  thread_local std::deque<Turn>* coming = nullptr;
  if (coming != nullptr) {
    coming->push_back(std::move(turn));
    return;
  }
  std::deque<Turn> own;
  coming = &own;
  turn();
  while (!own.empty()) {
    turn = std::move(own.front());
    own.pop_front();
    turn();
  }
  coming = nullptr;
}

}  // namespace socle::registry
