// PodControl: the writes of one pass of a workload controller on its pods: many under way together, each
// with its event.
//
//   PodControl control(runtime, "inplaceset-controller", owner);
//   control.Create(pod); control.Change(pod, edit); control.Delete(pod);
//   PodControl::Outcome outcome = control.Wait();
//
// Laws     1. A write is guarded by the uid of the pod it was decided for.
//          2. A pod that is gone already counts as deleted; a creation that finds the name taken is a
//             failure (the next pass sees who has it).
//          3. Creations that fail stop those that would follow (slow start), changes and deletions don't.
// Threads  confined to the worker that made it.
// Source   spec controllers 1.10, 1.4 (adopt, release).
#ifndef SOCLE_CONTROLLERS_WORKLOAD_POD_CONTROL_H_
#define SOCLE_CONTROLLERS_WORKLOAD_POD_CONTROL_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/api/label_selector.h"
#include "controllers/registry/object.h"
#include "controllers/registry/registry.h"
#include "controllers/runtime/runtime.h"
#include "controllers/runtime/write_batch.h"

namespace socle::workload {

// Changes the whole object, status included. As ChangeRequest::change.
using PodEdit = std::function<absl::Status(api::Json* pod)>;

// What a change is called in events; empty reasons: no event.
struct ChangeEvents {
  std::string success = "SuccessfulUpdate";
  std::string failure = "FailedUpdate";
};

struct DeleteOptions {
  std::optional<int64_t> grace_period_seconds = {};
  std::string extra_event = {};  // a further reason to record on success: PodRetriedOnOtherNode
};

class PodControl {
 public:
  // `source`: the component, as events name it. All outlive it.
  PodControl(runtime::Runtime* runtime, std::string source, registry::ObjectRef owner);
  ~PodControl();
  PodControl(const PodControl&) = delete;
  PodControl& operator=(const PodControl&) = delete;

  // A whole pod, with its owner reference (AddController). Written by Wait, in slow start.
  void Create(api::Json pod);
  // Under way at once.
  void Change(const registry::Object& pod, PodEdit edit, ChangeEvents events = {});
  void Delete(const registry::Object& pod, DeleteOptions options = {});

  struct Outcome {
    absl::Status creation = absl::OkStatus();  // the first failure of each kind
    absl::Status change = absl::OkStatus();
    absl::Status deletion = absl::OkStatus();
    int64_t created = 0;
    int64_t changed = 0;  // without those that changed nothing
    int64_t deleted = 0;

    absl::Status FirstError() const;
  };

  // Waits for all, records events.
  Outcome Wait();

 private:
  enum class Act : uint8_t { kCreate, kChange, kDelete };

  struct Pending {
    Act act = Act::kChange;
    std::string pod;
    ChangeEvents events;
    std::string extra_event;
  };

  registry::Target TargetOf(std::string_view ns, std::string_view name) const;
  void CreateInBatches(Outcome* outcome);
  void Note(const Pending& write, const absl::StatusOr<registry::Written>& result,
            Outcome* outcome);
  void Record(bool is_warning, std::string_view reason, std::string_view message);

  runtime::Runtime* const runtime_;
  const std::string source_;
  const registry::ObjectRef owner_;
  std::vector<api::Json> creations_;
  std::vector<Pending> pending_;
  runtime::WriteBatch batch_;
};

// Makes `owner` the controller of the document.
void AddController(const registry::Object& owner, api::Json* object);
// {apiVersion, kind, name, uid}, with controller and blockOwnerDeletion when it is one.
api::Json OwnerReferenceTo(const registry::Object& owner, bool is_controller);

// Which of the candidates belong to the owner, which to adopt and which to release (1.4). A pod belongs
// when it is controlled by the owner, the selector matches and `is_member` agrees; it is adopted when it
// has no controller, is not going and the owner isn't either.
struct Claimed {
  std::vector<registry::ObjectRef> members;
  std::vector<registry::ObjectRef> adopt;
  std::vector<registry::ObjectRef> release;
};

Claimed ClaimPods(const registry::Object& owner, const api::LabelSelector& selector,
                  const std::vector<registry::ObjectRef>& candidates,
                  const std::function<bool(const registry::Object&)>& is_member);
// Edits for PodControl::Change; Cancelled when the pod is not any more what it was claimed as.
PodEdit AdoptEdit(const registry::ObjectRef& owner);
PodEdit ReleaseEdit(const registry::ObjectRef& owner);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_POD_CONTROL_H_
