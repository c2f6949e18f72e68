// Cache: nodes with what their pods take, as the scheduler sees it: what is stored, and the pods that it
// has placed itself and whose bindings are under way.
//
// Laws     1. A slot's free amounts are the node's allocatable less the requests of the pods counted there.
//          2. A placed pod is counted once, in one slot, until Unplace; assumed pods like bound ones.
//          3. generation() grows with every change that may let a pod fit that did not.
//          4. A node's heartbeat changes nothing here.
// Threads  confined to the scheduling thread.
// Memory   64 bytes a node that the search reads, about 1 KB with labels and taints; 8 bytes a placed pod.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_CACHE_H_
#define SOCLE_CONTROLLERS_SCHEDULER_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "controllers/scheduler/affinity_index.h"
#include "controllers/scheduler/pod_class.h"
#include "controllers/scheduler/pod_record.h"
#include "controllers/workload/node_fit.h"
#include "kv/base/bytes.h"

namespace socle::scheduler {

// What the search reads of each node: one cache line.
struct alignas(64) NodeSlot {
  bool is_present = false;
  bool has_avoided = false;  // PreferNoSchedule taints
  int64_t free_milli_cpu = 0;
  int64_t free_memory_bytes = 0;
  int64_t free_pods = 0;
  int64_t scored_milli_cpu = 0;  // in use, as scores count
  int64_t scored_memory_bytes = 0;
  double per_milli_cpu = 0;  // 1 / allocatable
  double per_memory_byte = 0;
};

// The rest of the node.
struct NodeRecord {
  workload::NodeFacts facts;
  workload::NodeUse use;
  std::vector<PodRecord*> pods;
};

// How many pods of one controller are where.
struct SpreadGroup {
  std::string owner_uid;
  absl::flat_hash_map<int32_t, int32_t> pods_at;  // by slot
  int64_t pods = 0;
};

class Cache {
 public:
  Cache();

  // True when a pod that found no node may find one now.
  bool SetNode(const registry::Object& node);
  void RemoveNode(std::string_view name);
  // -1: there is no such node.
  int32_t SlotOf(std::string_view name) const;

  // nullptr when unknown.
  PodRecord* Find(std::string_view uid);
  // A record without class, for an object that has none.
  PodRecord* Add(const registry::ObjectRef& object);
  // Unplaces. Requires that it waits nowhere.
  void Remove(PodRecord* pod);
  // Reads requirements, claims and priority from the object; false when schedulingGates hold it.
  bool ReadSpec(PodRecord* pod);

  // Counts the pod on the node, which may not be there (yet). Requires a class.
  void Place(PodRecord* pod, std::string_view node_name);
  void PlaceAt(PodRecord* pod, int32_t slot);
  void Unplace(PodRecord* pod);

  // nullptr: it has no controller, or nothing of it is placed.
  const SpreadGroup* GroupOf(const PodRecord& pod) const;

  size_t slots() const { return slots_.size(); }

  const NodeSlot& slot(int32_t at) const { return slots_[static_cast<size_t>(at)]; }

  const NodeRecord& node(int32_t at) const { return nodes_[static_cast<size_t>(at)]; }

  size_t nodes_present() const { return nodes_present_; }

  uint64_t generation() const { return generation_; }

  AffinityIndex* affinity() { return &affinity_; }

  PodClassTable* classes() { return &classes_; }

  size_t pods() const { return pods_.size(); }

  // Recounts everything; aborts when a law does not hold. For tests.
  void CheckInvariants() const;

 private:
  int32_t SlotFor(std::string_view name);
  void FreeIfUnused(int32_t slot);
  void RefreshSlot(int32_t slot);
  // Adds or takes away what the pod counts in its slot.
  void Count(PodRecord* pod, int32_t by);
  void CountPlaced(TermId term);

  std::vector<NodeSlot> slots_;
  std::vector<NodeRecord> nodes_;  // in step
  StringMap<int32_t> by_name_;
  std::vector<int32_t> free_;
  size_t nodes_present_ = 0;
  uint64_t generation_ = 1;
  AffinityIndex affinity_;
  PodClassTable classes_;
  StringMap<std::unique_ptr<PodRecord>> pods_;  // by uid
  StringMap<std::unique_ptr<SpreadGroup>> groups_;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_CACHE_H_
