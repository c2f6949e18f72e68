// RegistryImpl: how the verbs are made; one file per verb (create.cc, change.cc, update.cc, delete.cc,
// list.cc, bind.cc, evict.cc), all on the one loop of a guarded write here.
//
//   Start ─► lane of the key ─► read ─► Step: decide(object) ─► submit, guarded ─┬─► Finish: done, next
//                                        ▲       parse, change, check           │ conflict: the newest
//                                        └──────────────────────────────────────┘ object comes with it
//
// Laws     1. decide is called on one object at a time and sees nothing of the call before.
//          2. Documents of a decision live in its own memory; only the encoded result leaves it.
//          3. Each verb's done is called exactly once, and counted.
//          4. Where reads do not wait, changes of one object take turns: a guard fails only against
//             writers outside. Elsewhere a change is tried kTriesMax times on the store's thread.
// Threads  as Registry.
#ifndef SOCLE_CONTROLLERS_REGISTRY_REGISTRY_IMPL_H_
#define SOCLE_CONTROLLERS_REGISTRY_REGISTRY_IMPL_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/registry/key_lanes.h"
#include "controllers/registry/metadata.h"
#include "controllers/registry/registry.h"
#include "kv/base/mutex.h"

namespace socle::registry {

inline constexpr int kTriesMax = 100;

// What a look at the stored object leads to.
struct Decision {
  enum class Act : uint8_t { kNothing, kReplace, kRemove } act = Act::kNothing;
  std::string document;  // kReplace: the new one; kRemove: the last one, for the answer
};

// A write of an object that is there, tried until its guard holds.
struct GuardedWrite {
  WriteContext context;
  Target target;
  std::vector<std::string> warnings;
  // Called again after a conflict.
  absl::AnyInvocable<absl::StatusOr<Decision>(const storage::ObjectView& current)> decide;
  // Not null: the object as it was last seen, taken for the newest instead of a read.
  ObjectRef known;
  // When the first look finds nothing; null: NotFound.
  absl::AnyInvocable<void(Done)> when_missing;
  Done done;

  // Of the loop.
  std::string key;
  int tries = 0;
  bool is_in_lane = false;
};

// How a changed object is looked at.
struct ChangeKind {
  ChangeRequest::Part part = ChangeRequest::Part::kMain;
  std::string_view subresource;
  bool is_checked = true;  // false: what was changed has been validated already
};

// The object that a decision is about, parsed; all documents of the decision live in its memory.
class Present {
 public:
  explicit Present(const storage::ObjectView& view)
      : view_(view), memory_(view.document.size() * 8 + 1024) {}

  Present(const Present&) = delete;
  Present& operator=(const Present&) = delete;

  // DataLoss when the document can't be read.
  absl::Status Parse(const api::ServedKind& served);

  const storage::ObjectView& view() const { return view_; }

  // As it is stored, and as it is served: without resourceVersion.
  const api::Json& stored() const { return *stored_; }

  const api::Json& old() const { return shown_.has_value() ? *shown_ : *stored_; }

  // A copy in the memory of the decision.
  api::Json Copy(const api::Json& value) { return api::Json(value, &memory_); }

  // A copy of old() with its resourceVersion: what is changed and patched.
  api::Json Draft();

 private:
  const storage::ObjectView view_;
  boost::json::monotonic_resource memory_;
  std::optional<api::Json> stored_;
  std::optional<api::Json> shown_;  // nullopt: as stored_
};

class RegistryImpl final : public Registry {
 public:
  explicit RegistryImpl(RegistryOptions options);
  ~RegistryImpl() override;

  absl::StatusOr<ObjectRef> Get(const Target& target) override;
  void List(ListRequest request, ListDone done) override;
  void Create(WriteContext context, CreateRequest request, Done done) override;
  void Update(WriteContext context, UpdateRequest request, Done done) override;
  void Patch(WriteContext context, PatchRequest request, Done done) override;
  void Change(WriteContext context, ChangeRequest request, Done done) override;
  void Delete(WriteContext context, DeleteRequest request, Done done) override;
  void Bind(WriteContext context, const Target& pod, const api::Json& binding, Done done) override;
  void Evict(WriteContext context, const Target& pod, const api::Json& eviction,
             Done done) override;
  int64_t writes_under_way() const override;

  ObjectCache* cache() override { return options_.cache; }

  const api::KindRegistry& kinds() const override { return *options_.kinds; }

  Clock* clock() override { return options_.clock; }

 private:
  Done Counted(Done done);
  // guarded_write.cc: the loop.
  void Start(std::unique_ptr<GuardedWrite> write);
  void Begin(std::unique_ptr<GuardedWrite> write);
  void Finish(std::unique_ptr<GuardedWrite> write, absl::StatusOr<Written> result);
  void Step(std::unique_ptr<GuardedWrite> write, const std::optional<storage::ObjectView>& current);
  void Replace(std::unique_ptr<GuardedWrite> write, Decision decision,
               const storage::ObjectView& current);
  int64_t TtlOf(const api::Kind& kind) const;
  absl::Status Admit(const AdmissionRequest& request, api::Json* object);
  absl::Status Check(const AdmissionRequest& request, const api::Json& object);
  void TellStored(const Written& written);

  // create.cc
  struct Creation;
  absl::Status Prepare(Creation* creation);
  void SubmitCreation(std::unique_ptr<Creation> creation);

  // change.cc: from the present object and the wanted one, as served, to what is written.
  absl::StatusOr<Decision> Conclude(const WriteContext& context, const Target& target,
                                    const ChangeKind& change, const Present& present,
                                    api::Json* object);
  absl::StatusOr<Decision> DecideChange(const WriteContext& context, const ChangeRequest& request,
                                        const storage::ObjectView& current);
  // update.cc: `object` is a whole object that a client wants in the place of `present`.
  absl::StatusOr<Decision> Accept(const WriteContext& context, const Target& target,
                                  std::string_view subresource, Present* present,
                                  api::Json* object);
  absl::StatusOr<Decision> AcceptScale(const WriteContext& context, const Target& target,
                                       Present* present, const api::Json& scale);
  absl::StatusOr<Decision> DecideUpdate(const WriteContext& context, const UpdateRequest& request,
                                        const storage::ObjectView& current);
  absl::StatusOr<Decision> DecidePatch(const WriteContext& context, const PatchRequest& request,
                                       const storage::ObjectView& current,
                                       std::vector<std::string>* warnings);
  absl::StatusOr<Decision> DecideDelete(const WriteContext& context, const DeleteRequest& request,
                                        const storage::ObjectView& current);
  absl::StatusOr<Decision> DecideBinding(const WriteContext& context, const Target& pod,
                                         const api::Json& binding,
                                         const storage::ObjectView& current);
  absl::StatusOr<Decision> DecideCharge(const WriteContext& context, const Target& budget,
                                        const Object& pod, const storage::ObjectView& current);
  // Of the object, when it is known already, else of what the store has.
  void StartDelete(WriteContext context, DeleteRequest request, const ObjectRef& object, Done done);
  void EvictFresh(const WriteContext& context, DeleteRequest request, const ObjectRef& pod,
                  Done done);

  // list.cc
  absl::StatusOr<ListResult> ListStored(const ListRequest& request, int64_t revision);
  absl::StatusOr<ListResult> ListCached(const ListRequest& request);
  absl::StatusOr<ListResult> ListFiltered(const ListRequest& request, int64_t revision);
  absl::Status CheckNotAhead(int64_t revision);

  RegistryOptions options_;
  Identities identities_;
  KeyLanes lanes_;
  std::vector<std::unique_ptr<AdmissionPlugin>> plugins_;
  mutable Mutex mu_;
  CondVar all_done_;
  int64_t under_way_ ABSL_GUARDED_BY(mu_) = 0;
};

// The Status with an ApiError in it, made up where there is none.
absl::Status AsApiStatus(const absl::Status& status);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_REGISTRY_IMPL_H_
