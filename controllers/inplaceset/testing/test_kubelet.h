// TestKubelet: binds pods and runs them the way the test wants, in one page: what a pod needs of scheduler
// and node for the tests of its set.
//
// Laws     1. Containers start `start_nanos` after they are bound or get a new image.
//          2. An image with "bad" in its name never starts: ImagePullBackOff.
//          3. Ready is True exactly when all containers are ready and all readiness gates are open.
// Threads  thread-safe.
#ifndef SOCLE_CONTROLLERS_INPLACESET_TESTING_TEST_KUBELET_H_
#define SOCLE_CONTROLLERS_INPLACESET_TESTING_TEST_KUBELET_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/api/json.h"
#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::inplaceset {

class TestKubelet final : public runtime::Controller, public runtime::Reconciler {
 public:
  // What the test sets outlives restarts of the plane.
  struct Wishes {
    StringSet unready;     // names of pods whose containers never become ready
    StringSet failing;     // names of pods that fail
    StringSet lingering;   // names of pods that stay when they are deleted
    StringSet dead_nodes;  // nothing starts or ends there
    std::vector<std::string> nodes = {"node-1", "node-2", "node-3"};
    int64_t start_nanos = 0;
    bool reports_hashes = true;
  };

  struct WishBook {
    Mutex mu;
    Wishes wishes ABSL_GUARDED_BY(mu);
  };

  TestKubelet(runtime::Runtime* runtime, WishBook* book);

  std::string_view name() const override { return "test-kubelet"; }

  absl::StatusOr<runtime::ReconcileResult> Reconcile(const std::string& key) override;

  // Looks at all pods again: a wish has changed.
  void Nudge();

 private:
  // False while it is too early.
  bool MayStart(const api::Json& pod, const api::Json& container, int64_t* again_after);
  std::string ChooseNode(const api::Json& pod);
  void Run(api::Json* pod, int64_t* again_after);
  bool RunContainer(const api::Json& spec, api::Json* pod, int64_t* again_after);

  runtime::Runtime* const runtime_;
  WishBook* const book_;
  Mutex mu_;
  StringMap<int64_t> starts_ ABSL_GUARDED_BY(mu_);  // uid/container/image → when
  int64_t next_container_ ABSL_GUARDED_BY(mu_) = 1;
  std::unique_ptr<runtime::ControllerLoop> loop_;
};

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_TESTING_TEST_KUBELET_H_
