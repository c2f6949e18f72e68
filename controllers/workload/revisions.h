// Revisions: the past and present forms of a workload, as ControllerRevisions.
//
// Laws     1. One form is one revision: going back to an earlier form uses its revision again, with the
//             highest number.
//          2. Names come from a hash of the form; a name that is taken by another form is tried again with
//             a raised collision count.
//          3. What a living pod, the current or the wanted form refers to is never dropped.
// Threads  Sync and Drop wait for the store: for workers. The rest is pure.
// Errors   ApiError of the registry.
// Source   spec controllers 4.8, 6.1.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_REVISIONS_H_
#define SOCLE_CONTROLLERS_WORKLOAD_REVISIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "controllers/registry/object.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/bytes.h"

namespace socle::workload {

inline constexpr std::string_view kRevisionHashLabel = "controller.kubernetes.io/hash";

struct Revision {
  registry::ObjectRef object;
  std::string name;
  int64_t number = 0;  // .revision
  api::Json data;
  std::string canonical;  // of data
  // metadata.annotations of what made it.
  api::JsonObject annotations;
};

// A form that wants a revision.
struct RevisionForm {
  const registry::Object* owner = nullptr;
  std::string ns;  // where its revisions are kept: not the owner's for a cluster-scoped one
  std::vector<std::pair<std::string, std::string>> labels;
  api::JsonObject annotations;
  api::Json data;
};

Revision ReadRevision(const registry::ObjectRef& object);
// The revisions that the owner controls, by number, then age, then name.
std::vector<Revision> RevisionsOf(const runtime::Runtime& runtime, const registry::Object& owner);

// The form of a pod template: {"spec":{"template":{…,"$patch":"replace"}}}, and back ({metadata, spec}).
api::Json TemplateForm(const api::Json& pod_template);
api::Json TemplateOf(const api::Json& data);

// `<owner>-<hash>`, at most 63 bytes, and the hash; stable for ever.
std::string RevisionHash(std::string_view canonical, int64_t collision_count);
std::string RevisionName(std::string_view owner, std::string_view hash);

// Finds the revision of the form or makes one, and sees that its number is the highest. `history` (of
// RevisionsOf) gets it, at its end; `collision_count` is raised by law 2.
absl::StatusOr<Revision> SyncRevision(runtime::Runtime* runtime, const RevisionForm& form,
                                      std::vector<Revision>* history, int64_t* collision_count);

// Names of those that `limit` leaves no place for, oldest first.
std::vector<std::string> RevisionsToDrop(const std::vector<Revision>& history,
                                         const StringSet& in_use, int64_t limit);
absl::Status DropRevisions(runtime::Runtime* runtime, const std::vector<Revision>& history,
                           const std::vector<std::string>& names);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_REVISIONS_H_
