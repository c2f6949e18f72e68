// The namespace controller: empties a namespace that is being deleted, then lets it go.
//
// Laws     1. The finalizer `kubernetes` goes when the cache, as new as the store, shows nothing in the
//             namespace any more.
//          2. Objects of every namespaced kind are deleted, whoever made them.
// Threads  thread-safe.
// Source   spec controllers 9.3 (namespace deletion).
#ifndef SOCLE_CONTROLLERS_NAMESPACE_CONTROLLER_H_
#define SOCLE_CONTROLLERS_NAMESPACE_CONTROLLER_H_

#include <memory>

#include "controllers/runtime/controller_loop.h"

namespace socle::namespaces {

struct NamespaceOptions {
  int workers = 2;
};

std::unique_ptr<runtime::Controller> StartNamespace(runtime::Runtime* runtime,
                                                    NamespaceOptions options = {});

}  // namespace socle::namespaces

#endif  // SOCLE_CONTROLLERS_NAMESPACE_CONTROLLER_H_
