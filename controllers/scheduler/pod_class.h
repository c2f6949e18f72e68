// PodClass: pods that ask the same of a node; what is learnt for one of them holds for all.
//
// Laws     1. Two pods with equal requirements have one class: a set's pods are tried as one.
//          2. A verdict says what no pod on the node changes (taints, labels, cordon); it is forgotten when
//             the node's facts change.
// Threads  confined to the scheduling thread.
// Memory   eight bytes per node for classes that were tried lately, at most kVerdictClassesMax of them.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_POD_CLASS_H_
#define SOCLE_CONTROLLERS_SCHEDULER_POD_CLASS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/scheduler/affinity_index.h"
#include "controllers/workload/node_fit.h"
#include "kv/base/bytes.h"

namespace socle::scheduler {

inline constexpr size_t kVerdictClassesMax = 256;

// Reasons by number, so that counting them compares no text.
using ReasonId = uint16_t;
inline constexpr ReasonId kUnknown = 0;
inline constexpr ReasonId kFits = 1;
// Those that every search may count by the thousand.
inline constexpr ReasonId kTooManyPods = 2;
inline constexpr ReasonId kLacksCpu = 3;
inline constexpr ReasonId kLacksMemory = 4;
inline constexpr ReasonId kPortsTaken = 5;
inline constexpr ReasonId kOtherNode = 6;

class ReasonTable {
 public:
  ReasonTable();
  ReasonId Intern(std::string_view text);

  const std::string& Text(ReasonId id) const { return texts_[id]; }

  size_t size() const { return texts_.size(); }

 private:
  std::vector<std::string> texts_;
  StringMap<ReasonId> ids_;
};

struct Verdict {
  ReasonId reason = kUnknown;
  uint16_t avoided = 0;   // PreferNoSchedule taints that are not tolerated
  int32_t preferred = 0;  // weight of the preferred terms that match
};

struct PodClass {
  workload::PodRequirements needs;
  std::optional<std::vector<std::string>> only_nodes;
  std::vector<TermId> affinity_terms;
  std::vector<TermId> anti_terms;
  std::vector<Verdict> verdicts;   // by slot; empty: none known
  uint64_t failed_generation = 0;  // no node fitted then; 0: not known
  std::string failure;             // why
};

using PodClassRef = std::shared_ptr<PodClass>;

class PodClassTable {
 public:
  // `index` outlives the table; `count_placed` counts the placed pods in a term that is new to it.
  PodClassTable(AffinityIndex* index, std::function<void(TermId)> count_placed);

  PodClassRef Intern(const api::Json& pod_spec, std::string_view ns);
  // Makes room for verdicts of `slots` nodes; those of all other classes may go.
  void PrepareVerdicts(PodClass* wanted, size_t slots);
  // Law 2.
  void ForgetVerdicts(int32_t slot);

  size_t size() const { return classes_.size(); }

 private:
  void Sweep();

  AffinityIndex* const index_;
  const std::function<void(TermId)> count_placed_;
  StringMap<PodClassRef> classes_;
  std::vector<PodClass*> with_verdicts_;
  size_t sweep_at_ = 1024;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_POD_CLASS_H_
