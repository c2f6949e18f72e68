// SetIndex: which SidecarSets select a pod, found through the labels of the pod, not by asking each set.
//
//   matchLabels app=web, In tier (a,b)   ──►  filed under the one of these terms that has the fewest sets
//   a pod with app=web                   ──►  looks under each of its labels, its keys, its namespace
//
// Laws     1. A lookup costs the labels of the pod and the sets filed under them. Only sets that have no
//             term that a label can answer (NotIn, DoesNotExist alone) are asked for every pod.
//          2. Looking for rivals costs the sets that share a claim and may share a pod, as far as one term of each
//             tells.
//          3. Matches come by name, canaries last, and a base that is replaced by its canary not at all.
// Threads  thread-compatible.
// Source   spec controllers 4.4, 4.11.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_SET_INDEX_H_
#define SOCLE_CONTROLLERS_SIDECARSET_SET_INDEX_H_

#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/api/label_selector.h"
#include "controllers/sidecarset/sidecar_set.h"
#include "kv/base/bytes.h"

namespace socle::sidecarset {

// What decides which sets a pod gets.
struct PodLabels {
  std::string_view ns;
  const api::SortedLabels* ns_labels = nullptr;
  const api::JsonObject* labels = nullptr;  // nullptr: none
};

class SetIndex {
 public:
  // In the place of the set of this name.
  void Put(SidecarSetRef set);
  void Remove(std::string_view name);

  // nullptr when there is none.
  SidecarSetRef Get(std::string_view name) const;

  // Sets that go into the pod: their selectors match, and they are neither paused nor going.
  std::vector<SidecarSetRef> Match(const PodLabels& pod) const;

  // Sets that share a claim with this one and whose selectors may overlap with its own (not all do); by name.
  std::vector<SidecarSetRef> Rivals(const SidecarSet& set) const;

  size_t size() const { return sets_.size(); }

 private:
  using Sets = std::vector<SidecarSetRef>;

  using Shelf = StringMap<Sets>;  // by place

  // Where a set is: places of one kind, that of the term it is filed under.
  struct Filing {
    std::string shelf;
    std::vector<std::string> places;
  };

  struct Filed {
    SidecarSetRef set;
    Filing filing;
  };

  static std::vector<Filing> Choices(const SidecarSet& set);
  Filing FilingFor(const SidecarSet& set) const;
  size_t Crowd(const std::vector<std::string>& places) const;
  void Collect(const std::string& place, const PodLabels& pod, Sets* matches) const;

  StringMap<Filed> sets_;
  Shelf filed_;
  StringMap<StringMap<Shelf>> by_claim_;  // claim, shelf, place
};

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_SET_INDEX_H_
