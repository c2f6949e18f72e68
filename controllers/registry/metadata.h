// Metadata: what the registry itself writes into and demands of apiVersion, kind and metadata.
//
// Laws     1. Clients can't set uid, creationTimestamp, generation and the marks of a deletion.
//          2. An object that is being deleted gets no new finalizers.
// Threads  pure functions; Identities is thread-safe.
// Errors   ApiError, or causes.
// Source   spec controllers 9.3 (system fields, finalizers).
#ifndef SOCLE_CONTROLLERS_REGISTRY_METADATA_H_
#define SOCLE_CONTROLLERS_REGISTRY_METADATA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "controllers/api/causes.h"
#include "controllers/api/json.h"
#include "controllers/api/kind.h"
#include "controllers/registry/registry.h"
#include "kv/base/mutex.h"
#include "kv/base/random.h"

namespace socle::registry {

// Uids and generated names.
class Identities {
 public:
  explicit Identities(uint64_t seed) : random_(seed) {}

  // In the form of a random UUID (RFC 4122, version 4).
  std::string NewUid();
  std::string NewName(std::string_view prefix);

 private:
  Mutex mu_;
  Random random_ ABSL_GUARDED_BY(mu_);
};

// The object is one, of this kind and version or of none said; sets both.
absl::Status CheckType(const api::ServedKind& served, api::Json* object);
// metadata.namespace is that of the request, or none; sets it.
absl::Status CheckNamespace(const api::ServedKind& served, std::string_view ns, api::Json* object);
// BadRequest, or warnings, for fields that the kind does not know and fields that came twice.
absl::Status CheckStrictness(const api::ServedKind& served, const api::Json& object,
                             const std::vector<std::string>& duplicates, Strictness strictness,
                             std::vector<std::string>* warnings);

// 0 when there is none. BadRequest when it is no number.
absl::StatusOr<int64_t> RevisionIn(const api::Json& object);

// What a new object gets from nobody but the registry.
void StampNew(const api::Kind& kind, std::string_view uid, int64_t wall_nanos, api::Json* object);
// What an update can't change, as it was.
void KeepSystemFields(const api::Json& old, api::Json* object);
// Whether more than metadata and status differ.
bool SpecDiffers(const api::Json& old, const api::Json& object);
void BumpGeneration(const api::Json& old, api::Json* object);

// Law 2.
void CheckFinalizers(const api::Json& old, const api::Json& object, api::Causes* causes);
// The object was to be deleted, and nothing holds it any more.
bool IsReleased(const api::Json& object);

// The fitting Invalid; OK without causes.
absl::Status AsInvalid(const api::Kind& kind, std::string_view name, const api::Causes& causes);
// The uid or the revision is not what a precondition says: Conflict in words of Kubernetes.
absl::Status CheckPreconditions(const api::Kind& kind, std::string_view name,
                                const api::Json& object, int64_t mod_revision, std::string_view uid,
                                int64_t expected_revision);

bool IsPod(const api::Kind& kind);
bool IsNamespace(const api::Kind& kind);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_METADATA_H_
