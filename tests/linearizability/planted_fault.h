// PlantedFault: ways for a store to be wrong on purpose, to see whether the checks find them.
//
// Threads  as Store and LeaseHook.
#ifndef SOCLE_TESTS_LINEARIZABILITY_PLANTED_FAULT_H_
#define SOCLE_TESTS_LINEARIZABILITY_PLANTED_FAULT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mvcc/store.h"

namespace socle::linearizability {

enum class PlantedFault {
  kNone,
  kLostWrite,     // one put in eight takes its revision and stores nothing under its key
  kStaleRead,     // a read has the newest revision in its header and the pairs of the one before
  kOldView,       // a read is answered, whole, from the revision before
  kSameRevision,  // a put is answered the revision of the write before it
  kSwappedRevisions,  // two puts under way at once are answered each other's revision
  kSurvivor,          // revoking a lease leaves its last key
  kDirtyRead,         // a read shows a put that is not in the log yet, and may never be
  kCompactedTooFar,   // reads at exactly the compacted revision are refused
  kLostEvent,         // a watcher misses one event in eight
  kLyingDisk,         // a sync does nothing: a power cut takes what was answered
};

struct PlantedFaultRow {
  PlantedFault fault;
  std::string_view name;  // on the command line
};

inline constexpr PlantedFaultRow kPlantedFaults[] = {
    {PlantedFault::kLostWrite, "lost-write"},
    {PlantedFault::kStaleRead, "stale-read"},
    {PlantedFault::kOldView, "old-view"},
    {PlantedFault::kSameRevision, "same-revision"},
    {PlantedFault::kSwappedRevisions, "swapped-revisions"},
    {PlantedFault::kSurvivor, "survivor"},
    {PlantedFault::kDirtyRead, "dirty-read"},
    {PlantedFault::kCompactedTooFar, "compacted-too-far"},
    {PlantedFault::kLostEvent, "lost-event"},
    {PlantedFault::kLyingDisk, "lying-disk"},
};

// The store with the fault; the store itself when the fault is not one of a store.
std::unique_ptr<mvcc::Store> WithFault(PlantedFault fault, std::unique_ptr<mvcc::Store> store);

// The hook with the fault, which must not outlive `hook`; null when the fault is not one of leases.
std::unique_ptr<mvcc::LeaseHook> WithFault(PlantedFault fault, mvcc::LeaseHook* hook);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_PLANTED_FAULT_H_
