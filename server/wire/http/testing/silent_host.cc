#include "server/wire/http/testing/silent_host.h"

#include <utility>

#include "kv/base/check.h"
#include "kv/base/mutex.h"

namespace socle::server::http {

SilentHost::SilentHost() {
  absl::StatusOr<std::shared_ptr<Loop>> loop = Loop::Start("silent host");
  CHECK_OK(loop.status());
  loop_ = *std::move(loop);
}

SilentHost::~SilentHost() {
  loop_->Stop([] {});
}

void SilentHost::Run(absl::FunctionRef<void()> task) {
  Mutex mu;
  CondVar changed;
  bool is_done = false;
  loop_->Post([&] {
    task();
    MutexLock lock(&mu);
    is_done = true;
    changed.SignalAll();
  });
  MutexLock lock(&mu);
  while (!is_done) {
    changed.Wait(&mu);
  }
}

}  // namespace socle::server::http
