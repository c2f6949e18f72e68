// StoreDriver: gives a store the same operations as a ModelStore, and compares what both hold.
//
// Threads  thread-compatible; answers come from the write loop.
#ifndef SOCLE_MVCC_TESTING_STORE_DRIVER_H_
#define SOCLE_MVCC_TESTING_STORE_DRIVER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "mvcc/log_entry.h"
#include "mvcc/store.h"
#include "mvcc/testing/map_lease_hook.h"
#include "mvcc/testing/model_store.h"

namespace socle::mvcc {

// What came back: the status, and the answer as ModelStore describes it.
struct DrivenAnswer {
  absl::Status status;
  std::string text;
};

// Submits the operation; `done` runs on the write loop or at once.
void Submit(Store* store, Operation operation, std::function<void(DrivenAnswer)> done);

// Submits and waits.
DrivenAnswer Run(Store* store, Operation operation);

// Empty when store and model hold the same at every readable revision, in the system buckets and in
// the leases; otherwise the first difference.
std::string Difference(const Store& store, ModelStore* model, const MapLeaseHook& hook);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_STORE_DRIVER_H_
