// The controller of SidecarSets: upgrades the sidecars of running pods, counts them, keeps revisions, and takes
// the containers of sets that go away with deletePolicy Remove. Injection is injection_plugin.h.
//
//   change of a set, a pod of it, a namespace ──► queue ──► read ─► revision ─► plan ─► status ─► writes
//
// Laws     1. Only pods that the set has injected are touched.
//          2. What is not stored is only memory of what was read: a restart goes on where it stopped.
// Threads  workers of its own.
// Source   spec controllers 4.3 - 4.10, 11 T15, T17.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_CONTROLLER_H_
#define SOCLE_CONTROLLERS_SIDECARSET_CONTROLLER_H_

#include <memory>
#include <string>

#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"

namespace socle::sidecarset {

struct SidecarSetOptions {
  int workers = 2;
  // Where ControllerRevisions of sets are kept.
  std::string revision_namespace = "kube-system";
};

std::unique_ptr<runtime::Controller> StartSidecarSet(runtime::Runtime* runtime,
                                                     SidecarSetOptions options = {});

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_CONTROLLER_H_
