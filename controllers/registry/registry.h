// Registry: the verbs on objects, without HTTP: what the REST API, the controllers and the hollow nodes
// all write through.
//
//   create:  strict ─► defaults ─► system fields ─► Admit ─► validate ─► Check ─► store
//   change:  read ─► change ─► the same, guarded by the revision that was read ─► again on conflict
//
// Laws     1. Every write passes the admission chain, whoever makes it (DESIGN 4).
//          2. A change that changes nothing writes nothing and keeps the resourceVersion.
//          3. A change without a resourceVersion of the caller is tried again on the newest object when
//             another came first; with one it is answered Conflict.
//          4. The main resource never changes status, the status subresource nothing else; generation
//             counts changes of spec.
//          5. An object with finalizers, or a pod with a grace period, is marked and stays; what removes the
//             last finalizer removes it.
// Threads  thread-safe. `done` runs on the store's thread or in the call: quick, no waiting for the store.
//          The waiting forms are not for those threads.
// Errors   ApiError (errors.h), always.
// Source   spec controllers 9.3.
#ifndef SOCLE_CONTROLLERS_REGISTRY_REGISTRY_H_
#define SOCLE_CONTROLLERS_REGISTRY_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "controllers/api/kind_registry.h"
#include "controllers/registry/admission.h"
#include "controllers/registry/errors.h"
#include "controllers/registry/object.h"
#include "controllers/registry/object_cache.h"
#include "controllers/storage/state_store.h"
#include "kv/base/clock.h"

namespace socle::registry {

enum class Strictness : uint8_t { kIgnore, kWarn, kStrict };

// Common to all writes.
struct WriteContext {
  std::string user = "system:anonymous";
  bool is_plane = false;  // a controller of this process
  bool is_dry_run = false;
};

// The plane's own controllers: a name for the log and for events.
WriteContext PlaneContext(std::string_view controller);

struct Target {
  const api::ServedKind* served = nullptr;
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
};

// What a write left.
struct Written {
  const api::Kind* kind = nullptr;
  std::string document;  // stored form; of a removed object its last one
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  bool is_created = false;
  bool is_unchanged = false;
  bool is_removed = false;            // it is gone from the store
  std::vector<std::string> warnings;  // of kWarn

  // The document as Object::Parse gives it.
  api::Json Parse() const;
};

using Done = absl::AnyInvocable<void(absl::StatusOr<Written>)>;

struct CreateRequest {
  Target target;     // name may be empty: that of the object, or generated
  api::Json object;  // as the client sent it, apiVersion and kind of the target
  Strictness strictness = Strictness::kIgnore;
  std::vector<std::string>
      duplicate_fields;  // of the text it was parsed from (api::DuplicateFields)
};

struct UpdateRequest {
  Target target;
  api::Json object;
  std::string subresource;  // "", "status", "scale", "finalize" …
  Strictness strictness = Strictness::kIgnore;
  std::vector<std::string> duplicate_fields;
};

enum class PatchType : uint8_t { kJson, kMerge, kStrategic };

struct PatchRequest {
  Target target;
  api::Json patch;
  PatchType type = PatchType::kMerge;
  std::string subresource;
  Strictness strictness = Strictness::kIgnore;
};

// A change by code of the process: gets the object in the form of target.served and changes it.
struct ChangeRequest {
  Target target;
  // kMain: everything but status. kStatus: status only. kWhole: both, no immutability (bindings,
  // containers, finalizers of the plane); for controllers only.
  enum class Part : uint8_t { kMain, kStatus, kWhole } part = Part::kMain;
  std::string uid;                // not empty: the object must still be this one (else Conflict)
  int64_t expected_revision = 0;  // not 0: law 3
  // Called again after a conflict. A Status that is not OK ends it; Cancelled ends it without error: the
  // answer is is_unchanged. The document's memory goes with the call: copy what is kept, move nothing
  // out of it.
  std::function<absl::Status(api::Json* object)> change;
};

enum class Propagation : uint8_t { kDefault, kBackground, kForeground, kOrphan };

struct DeleteRequest {
  Target target;
  std::optional<int64_t> grace_period_seconds;
  Propagation propagation = Propagation::kDefault;
  std::string uid;  // preconditions
  int64_t expected_revision = 0;
};

struct ListRequest {
  const api::ServedKind* served = nullptr;
  std::string ns;  // empty: all
  api::LabelSelector labels = api::LabelSelector::Everything();
  api::FieldSelector fields;
  int64_t limit = 0;  // 0: all
  std::string continue_token;
  enum class Match : uint8_t { kUnset, kNotOlderThan, kExact } match = Match::kUnset;
  std::optional<int64_t> resource_version;  // nullopt: unset, consistent
};

// Documents in stored form; they live as long as the page.
struct ListItem {
  std::string_view document;
  int64_t mod_revision = 0;
};

struct ListResult {
  int64_t revision = 0;
  std::vector<ListItem> items;
  std::string continue_token;
  std::optional<int64_t> remaining;
  std::vector<std::shared_ptr<const void>> pins;
};

using ListDone = absl::AnyInvocable<void(absl::StatusOr<ListResult>)>;

struct RegistryOptions {
  storage::StateStore* store = nullptr;
  const api::KindRegistry* kinds = nullptr;
  ObjectCache* cache = nullptr;
  Clock* clock = nullptr;                                   // null: Clock::Real()
  std::vector<std::unique_ptr<AdmissionPlugin>> admission;  // in order
  uint64_t seed = 0;                                        // of uids and generated names; 0: fresh
  int64_t event_ttl_seconds = 3600;
};

class Registry {
 public:
  static std::unique_ptr<Registry> Make(RegistryOptions options);
  virtual ~Registry() = default;  // waits for writes under way

  // Consistent. `served` of the target decides nothing here.
  virtual absl::StatusOr<ObjectRef> Get(const Target& target) = 0;
  // `done` may run later, on the cache's feeder thread.
  virtual void List(ListRequest request, ListDone done) = 0;

  virtual void Create(WriteContext context, CreateRequest request, Done done) = 0;
  virtual void Update(WriteContext context, UpdateRequest request, Done done) = 0;
  virtual void Patch(WriteContext context, PatchRequest request, Done done) = 0;
  virtual void Change(WriteContext context, ChangeRequest request, Done done) = 0;
  virtual void Delete(WriteContext context, DeleteRequest request, Done done) = 0;
  // Binds the pod to the node (pods/binding): Conflict when it is bound or being deleted. `object` is the
  // Binding; annotations of it go to the pod.
  virtual void Bind(WriteContext context, const Target& pod, const api::Json& binding,
                    Done done) = 0;
  // pods/eviction: TooManyRequests with cause DisruptionBudget when a budget forbids it. `eviction` may
  // carry deleteOptions.
  virtual void Evict(WriteContext context, const Target& pod, const api::Json& eviction,
                     Done done) = 0;

  // The same, waiting.
  absl::StatusOr<Written> Create(WriteContext context, CreateRequest request);
  absl::StatusOr<Written> Update(WriteContext context, UpdateRequest request);
  absl::StatusOr<Written> Patch(WriteContext context, PatchRequest request);
  absl::StatusOr<Written> Change(WriteContext context, ChangeRequest request);
  absl::StatusOr<Written> Delete(WriteContext context, DeleteRequest request);
  absl::StatusOr<Written> Bind(WriteContext context, const Target& pod, const api::Json& binding);
  absl::StatusOr<Written> Evict(WriteContext context, const Target& pod, const api::Json& eviction);
  absl::StatusOr<ListResult> List(ListRequest request);

  // Answered or not: verbs that were called and whose done has not returned.
  virtual int64_t writes_under_way() const = 0;

  virtual ObjectCache* cache() = 0;
  virtual const api::KindRegistry& kinds() const = 0;
  virtual Clock* clock() = 0;
};

// autoscaling/v1 Scale of the object.
absl::StatusOr<api::Json> ScaleOf(const api::ServedKind& served, const Object& object);

// Namespaces that always exist: default, kube-system, kube-public, kube-node-lease. Idempotent.
absl::Status EnsureSystemNamespaces(Registry* registry);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_REGISTRY_H_
