// Identity: which ordinals a set occupies, what its pods and claims are called, and what they look like.
//
// Laws     1. The pod of an ordinal is <set>-<ordinal>, its claims are <claim>-<set>-<ordinal>; a pod is a
//             member only by its name.
//          2. Ordinals walk upward from the start, past reserved ones, until there are as many as replicas.
// Threads  pure functions.
// Source   spec controllers 1.4, 1.5, 1.8, 1.9.
#ifndef SOCLE_CONTROLLERS_INPLACESET_IDENTITY_H_
#define SOCLE_CONTROLLERS_INPLACESET_IDENTITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/inplaceset/set_spec.h"
#include "controllers/registry/object.h"
#include "controllers/workload/pod_facts.h"

namespace socle::inplaceset {

inline constexpr std::string_view kPodNameLabel = "statefulset.kubernetes.io/pod-name";
inline constexpr std::string_view kPodIndexLabel = "apps.kubernetes.io/pod-index";
inline constexpr std::string_view kFailedNodesKey = "apps.kruise.io/failed-nodes";

// Ascending.
std::vector<int64_t> SlotOrdinals(const SetSpec& set);

std::string PodName(std::string_view set, int64_t ordinal);
// nullopt: it is not the name of a pod of this set.
std::optional<int64_t> OrdinalOf(std::string_view set, std::string_view pod);

// Of the claim template.
std::string ClaimTemplateName(const api::Json& claim_template);
std::string ClaimName(const api::Json& claim_template, std::string_view set, int64_t ordinal);

struct NewPodRequest {
  int64_t ordinal = 0;
  std::string_view revision;
  const api::Json* pod_template = nullptr;  // of the revision
  std::vector<std::string> failed_nodes;    // to be kept off
  int64_t now_nanos = 0;
};

api::Json NewPod(const SetSpec& set, const NewPodRequest& request);
// Without owners.
api::Json NewClaim(const SetSpec& set, const api::Json& claim_template, int64_t ordinal);

// Whether labels of identity or volumes of claims are not as they should be; and the cure.
bool HasDrifted(const SetSpec& set, const workload::PodFacts& pod, int64_t ordinal);
void RepairPod(const SetSpec& set, int64_t ordinal, api::Json* pod);

// Who should own a claim of this pod (1.8), besides owners that are none of the controller's business.
enum class ClaimOwner : uint8_t { kNobody, kSet, kPod };
ClaimOwner WantedClaimOwner(const SetSpec& set, bool is_condemned);
// True when the owners of the claim are not as wanted.
bool HasWrongOwners(const SetSpec& set, const registry::Object& claim,
                    const workload::PodFacts& pod, ClaimOwner wanted);
void RepairClaimOwners(const SetSpec& set, const workload::PodFacts& pod, ClaimOwner wanted,
                       api::Json* claim);
// Owned by an earlier pod of the name: it goes with that one and is of no use to the next.
bool IsStaleClaim(const registry::Object& claim, std::string_view pod_name,
                  std::string_view living_pod_uid);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_IDENTITY_H_
