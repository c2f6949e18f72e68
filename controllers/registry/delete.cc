// Delete: marks what must stay a while, removes what may go.
//
//   grace > 0, or finalizers ─► deletionTimestamp, deletionGracePeriodSeconds; the object stays
//   neither                  ─► removed
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "controllers/registry/registry_impl.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Find;
using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::StringAt;

namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

// Sets the finalizer that the propagation asks for and drops that of another one.
void SetPropagation(Propagation propagation, Json* object) {
  if (propagation == Propagation::kDefault) {
    return;  // Background, unless the object itself asks for another.
  }
  const std::string_view wanted = propagation == Propagation::kOrphan       ? kOrphan
                                  : propagation == Propagation::kForeground ? kForeground
                                                                            : std::string_view();
  const JsonArray* had = api::FindArray(*object, {"metadata", "finalizers"});
  JsonArray kept;
  for (size_t i = 0; had != nullptr && i < had->size(); ++i) {
    const Json& one = (*had)[i];
    const std::string_view name = one.is_string() ? api::View(one.get_string()) : "";
    if ((name != kOrphan && name != kForeground) || name == wanted) {
      kept.push_back(one);
    }
  }
  const bool has_wanted = std::any_of(kept.begin(), kept.end(), [wanted](const Json& one) {
    return one.is_string() && api::View(one.get_string()) == wanted;
  });
  if (!wanted.empty() && !has_wanted) {
    kept.emplace_back(JsonView(wanted));
  }
  JsonObject& metadata = api::EnsureObject(object, {"metadata"});
  if (kept.empty()) {
    metadata.erase("finalizers");
  } else {
    api::Set(&metadata, "finalizers", std::move(kept));
  }
}

void Mark(int64_t wall_nanos, int64_t grace_seconds, Json* object) {
  JsonObject& metadata = api::EnsureObject(object, {"metadata"});
  // Written without the scale of nanoseconds, which a long grace would overflow.
  const int64_t seconds_max = INT64_MAX / kNanosPerSecond - wall_nanos / kNanosPerSecond - 1;
  const int64_t nanos = std::min(grace_seconds, seconds_max) * kNanosPerSecond;
  api::Set(&metadata, "deletionTimestamp", Json(JsonView(api::FormatTime(wall_nanos + nanos))));
  api::Set(&metadata, "deletionGracePeriodSeconds", grace_seconds);
}

// How long the pod may take to stop, from now.
int64_t GraceOf(const Json& pod, std::optional<int64_t> asked) {
  const std::string_view phase = StringAt(pod, {"status", "phase"});
  if (StringAt(pod, {"spec", "nodeName"}).empty() || phase == "Succeeded" || phase == "Failed") {
    return 0;
  }
  const int64_t grace =
      asked ? *asked : api::IntAt(pod, {"spec", "terminationGracePeriodSeconds"}).value_or(0);
  return grace < 0 ? 1 : grace;
}

// Marks a pod, or brings its end nearer when it is marked: never further away.
void MarkPod(int64_t wall_nanos, std::optional<int64_t> asked, Json* pod) {
  if (Find(*pod, {"metadata", "deletionTimestamp"}) == nullptr) {
    Mark(wall_nanos, GraceOf(*pod, asked), pod);
    return;
  }
  const int64_t grace = api::IntAt(*pod, {"metadata", "deletionGracePeriodSeconds"}).value_or(0);
  const int64_t wanted = asked.value_or(grace) < 0 ? 1 : asked.value_or(grace);
  const std::optional<int64_t> end =
      api::ParseTime(StringAt(*pod, {"metadata", "deletionTimestamp"}));
  if (wanted < grace && end.has_value()) {
    Mark(*end - grace * kNanosPerSecond, wanted, pod);
  }
}

}  // namespace

absl::StatusOr<Decision> RegistryImpl::DecideDelete(const WriteContext& context,
                                                    const DeleteRequest& request,
                                                    const storage::ObjectView& current) {
  const api::ServedKind& served = *request.target.served;
  const api::Kind& kind = *served.kind;
  Present present(current);
  RETURN_IF_ERROR(present.Parse(served));
  const Json& old = present.old();
  RETURN_IF_ERROR(CheckPreconditions(kind, request.target.name, old, current.mod_revision,
                                     request.uid, request.expected_revision));
  const Caller caller{.user = context.user, .is_plane = context.is_plane};
  RETURN_IF_ERROR(Check({.verb = Verb::kDelete,
                         .served = &served,
                         .ns = request.target.ns,
                         .name = request.target.name,
                         .old = &old,
                         .caller = &caller,
                         .is_dry_run = context.is_dry_run},
                        old));
  Json object = present.Copy(present.stored());
  SetPropagation(request.propagation, &object);
  const bool was_marked = Find(old, {"metadata", "deletionTimestamp"}) != nullptr;
  if (IsPod(kind)) {
    MarkPod(options_.clock->WallNanos(), request.grace_period_seconds, &object);
  } else if (!was_marked) {
    Mark(options_.clock->WallNanos(), 0, &object);
  }
  if (IsNamespace(kind)) {
    api::Set(&api::EnsureObject(&object, {"status"}), "phase", "Terminating");
  }
  if (IsReleased(object)) {
    // What goes at once is shown as it was.
    return Decision{.act = Decision::Act::kRemove, .document = std::string(current.document)};
  }
  if (object == present.stored()) {
    return Decision{};
  }
  return Decision{.act = Decision::Act::kReplace, .document = EncodeStored(kind, object)};
}

void RegistryImpl::StartDelete(WriteContext context, DeleteRequest request, const ObjectRef& object,
                               Done done) {
  auto write = std::make_unique<GuardedWrite>();
  write->done = std::move(done);
  write->context = context;
  write->target = request.target;
  write->decide = [this, context = std::move(context),
                   request = std::move(request)](const storage::ObjectView& current) {
    return DecideDelete(context, request, current);
  };
  write->known = object;
  Start(std::move(write));
}

void RegistryImpl::Delete(WriteContext context, DeleteRequest request, Done done) {
  StartDelete(std::move(context), std::move(request), nullptr, Counted(std::move(done)));
}

}  // namespace socle::registry
