// Planner: the steps of MakePlan; each file of the folder named plan_*.cc has one of them.
//
// Threads  confined to one call of MakePlan.
#ifndef SOCLE_CONTROLLERS_INPLACESET_PLANNER_H_
#define SOCLE_CONTROLLERS_INPLACESET_PLANNER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/inplaceset/plan.h"
#include "kv/base/bytes.h"

namespace socle::inplaceset {

class Planner {
 public:
  explicit Planner(const PlanInput& input);

  Plan Make();

 private:
  struct Slot {
    int64_t ordinal = 0;
    workload::PodFactsRef pod;      // nullptr: there is none
    std::string creation_revision;  // not empty: this plan creates it
  };

  enum class Order : uint8_t { kGoOn, kStop };

  void Sort();
  // The pods that OrderedReady waits for: the lowest of the slots, else of the condemned.
  void FindFirstUnhealthy();

  // plan_refresh.cc: what pods do by themselves.
  void Refresh();
  void RefreshPod(const workload::PodFactsRef& pod, int64_t ordinal);
  void FollowRetries();
  void FollowRetry(const workload::PodFactsRef& pod, NodeRetry* retry);

  // plan_scale.cc: slots and condemned.
  void Scale();
  Order VisitSlot(Slot* slot);
  Order VisitPod(Slot* slot);
  Order Create(Slot* slot);
  bool WantsOldRevision(const Slot& slot) const;
  // False while a claim of the ordinal stands in the way.
  bool SecureClaims(const Slot& slot);
  void RepairOwners(const workload::PodFactsRef& pod, int64_t ordinal, bool is_condemned);
  Order VisitCondemned(const std::pair<int64_t, workload::PodFactsRef>& condemned);

  // plan_update.cc
  void Update();
  void RepairRollout();
  std::vector<const Slot*> Targets() const;
  void DeleteSpecified();
  // OrderedReady takes one pod at a time (law 2 of plan.h), however many are away.
  bool MayDeleteNoMore() const;
  // False when the loop over targets ends here.
  bool VisitTarget(const Slot& slot, bool* is_budget_gone);
  bool UpdatePod(const workload::PodFactsRef& pod, int64_t ordinal);
  bool UpdateInPlace(const workload::PodFactsRef& pod, int64_t ordinal,
                     const workload::InPlaceUpdate& update);

  // Through the preDelete hook.
  void DeletePod(const workload::PodFactsRef& pod, int64_t ordinal, DeletionCause cause,
                 bool is_forced = false);
  PodChange& ChangeOf(const workload::PodFactsRef& pod, int64_t ordinal);
  void Count();
  void WakeAt(int64_t nanos);
  bool IsAway(const Slot& slot) const;
  void NoteAway(std::string_view pod);

  const PlanInput& input_;
  const SetSpec& set_;
  Plan plan_;
  std::vector<Slot> slots_;                                           // ascending
  std::vector<std::pair<int64_t, workload::PodFactsRef>> condemned_;  // descending
  workload::PodFactsRef first_unhealthy_;
  bool is_stopped_ = false;  // OrderedReady waits
  const Slot* stopped_at_ = nullptr;
  bool begins_deletion_ = false;  // or asks the preDelete hook for one
  int64_t creation_budget_used_ = 0;
  int64_t old_count_ =
      0;                 // pods of slots that are, or will be, of another revision than the wanted
  StringSet away_;       // names of pods of slots that are unavailable, or become so by this plan
  StringSet deleted_;    // names: this plan deletes them
  StringSet refreshed_;  // names: they take a step of their own
  StringMap<size_t> change_of_;  // name → position in plan_.changes
};

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_PLANNER_H_
