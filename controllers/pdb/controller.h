// The disruption controller: keeps the status of PodDisruptionBudgets, which evictions are granted by.
//
// Laws     1. A status is written only over the budget it was computed from: an eviction that was granted
//             meanwhile is never overwritten.
// Threads  thread-safe.
// Source   spec controllers 9.3 (eviction).
#ifndef SOCLE_CONTROLLERS_PDB_CONTROLLER_H_
#define SOCLE_CONTROLLERS_PDB_CONTROLLER_H_

#include <memory>

#include "controllers/runtime/controller_loop.h"

namespace socle::pdb {

struct PdbOptions {
  int workers = 1;
};

std::unique_ptr<runtime::Controller> StartPdb(runtime::Runtime* runtime, PdbOptions options = {});

}  // namespace socle::pdb

#endif  // SOCLE_CONTROLLERS_PDB_CONTROLLER_H_
