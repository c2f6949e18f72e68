#include "controllers/runtime/runtime.h"

#include <algorithm>
#include <utility>

#include "kv/base/check.h"

namespace socle::runtime {

const api::ServedKind* Runtime::Served(std::string_view group, std::string_view resource) const {
  const api::ServedKind* preferred = kinds().Preferred(group, resource);
  CHECK(preferred != nullptr);
  const api::ServedKind* stored =
      kinds().ByResource({group, preferred->kind->storage_version, resource});
  CHECK(stored != nullptr);
  return stored;
}

uint64_t Runtime::RegisterBusy(BusyCheck is_busy) {
  MutexLock lock(&mu_);
  parts_.push_back({next_id_, std::move(is_busy)});
  return next_id_++;
}

void Runtime::UnregisterBusy(uint64_t id) {
  MutexLock lock(&mu_);
  std::erase_if(parts_, [id](const Part& part) { return part.id == id; });
}

bool Runtime::is_idle() const {
  // In the order in which work moves on: timers fill queues, reconciles write, writes become changes of
  // the cache, which fill queues again once the cache has settled.
  if (timers_->is_busy()) {
    return false;
  }
  {
    MutexLock lock(&mu_);
    for (const Part& part : parts_) {
      if (part.is_busy()) {
        return false;
      }
    }
  }
  return events_->is_idle() && registry_->writes_under_way() == 0;
}

}  // namespace socle::runtime
