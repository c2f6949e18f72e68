// Content: what a SidecarSet (or one of its revisions) puts into pods, prepared so that a pod costs copies.
//
// Laws     1. Containers are as they stand in pods: defaulted, IS_INJECTED in their env, without the members
//             that only a SidecarSet has.
//          2. Hashes depend on the values of spec.containers alone (and of spec.initContainers when one of
//             them is a native sidecar), not on the order of JSON members, and are the same after a restart.
//          3. hash_without_image does not change when only images do.
// Threads  immutable after Parse.
// Memory   about three times the bytes of the spec.
// Errors   none: sets are validated where they are written; what is malformed is left out.
// Source   spec controllers 4.2, 4.5.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_CONTENT_H_
#define SOCLE_CONTROLLERS_SIDECARSET_CONTENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/sidecarset/resources_policy.h"
#include "kv/base/bytes.h"

namespace socle::sidecarset {

// Variables that are copied from a container of the pod.
struct EnvTransfer {
  std::string container;
  // metadata.labels['x'] or metadata.annotations['x'] of the pod names the container; empty: as above.
  std::string container_from;
  std::vector<std::string> names;
};

struct Sidecar {
  std::string name;
  api::Json container;
  std::string image;
  bool is_before_app = true;
  bool is_native = false;  // an init container that stays
  bool is_hot = false;     // two of it are in the pod, one of them empty
  std::string empty_image;
  bool shares_volumes = false;
  bool shares_devices = false;
  std::vector<EnvTransfer> transfers;
  std::shared_ptr<const ResourcesPolicy> resources;  // nullptr: none
};

enum class PatchPolicy : uint8_t { kRetain, kOverwrite, kMergePatchJson };

struct MetadataPatch {
  PatchPolicy policy = PatchPolicy::kRetain;
  std::vector<std::pair<std::string, std::string>> annotations;
};

struct Content {
  std::vector<Sidecar> init_sidecars;  // sorted by name
  std::vector<Sidecar> sidecars;       // in the order of the set
  std::vector<std::pair<std::string, api::Json>> volumes;
  std::vector<api::Json> pull_secrets;
  std::vector<MetadataPatch> patches;
  std::string hash;
  std::string hash_without_image;
  // As sidecarList has it: names in the pod, both of a hot one.
  std::vector<std::string> container_names;
  bool has_hot = false;

  const Sidecar* Find(std::string_view name) const;
};

using ContentRef = std::shared_ptr<const Content>;

// `spec` is that of a set, or the data of a revision.
ContentRef ParseContent(const api::Json& spec);

// The members of the spec that a revision keeps.
api::Json RevisionData(const api::Json& spec);

// The two names of a hot sidecar in the pod.
std::string FirstHotName(std::string_view name);
std::string SecondHotName(std::string_view name);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_CONTENT_H_
