#include "controllers/namespace/controller.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/namespace/plan.h"
#include "controllers/runtime/write_batch.h"
#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::namespaces {
namespace {

using registry::ObjectRef;
using registry::Reason;
using runtime::ReconcileResult;

constexpr size_t kWritesPerBatch = 512;
// A thousand pods that go one by one are a few passes.
constexpr int64_t kIntervalNanos = 100 * kNanosPerMilli;

class NamespaceController final : public runtime::Controller, private runtime::Reconciler {
 public:
  NamespaceController(runtime::Runtime* runtime, NamespaceOptions options)
      : runtime_(runtime),
        served_(runtime->Served("", "namespaces")),
        loop_(runtime::ControllerLoop::Start(
            runtime,
            {.name = "namespace", .workers = options.workers, .interval_min_nanos = kIntervalNanos},
            this)) {
    loop_->Keep(runtime::EnqueueChanges(runtime_, *served_->kind, loop_->queue()));
    // Whatever appears in, or goes from, a namespace that is being deleted.
    loop_->Keep(runtime_->cache()->Observe(nullptr, [this](const registry::ChangeRef& change) {
      const registry::Object& object = *change->object;
      if (object.ns.empty() || change->type == registry::ChangeType::kModified) {
        return;
      }
      const ObjectRef space = runtime_->cache()->Get(*served_->kind, "", object.ns);
      if (space != nullptr && space->is_deleting) {
        loop_->queue()->Add(object.ns);
      }
    }));
  }

  std::string_view name() const override { return "namespace"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

 private:
  absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) override {
    const ObjectRef space = runtime_->cache()->Get(*served_->kind, "", key);
    if (space == nullptr || !space->is_deleting) {
      return ReconcileResult{};
    }
    const absl::Status emptied = DeleteContent(key);
    // What was deleted at once is gone from here, too.
    RETURN_IF_ERROR(runtime_->cache()->WaitUntilFresh());
    Remainder remainder;
    for (const ObjectRef& object : ContentOf(key)) {
      remainder.Add(*object);
    }
    if (emptied.ok() && remainder.is_empty()) {
      RETURN_IF_ERROR(Finalize(*space));
      return ReconcileResult{};
    }
    RETURN_IF_ERROR(ReportStatus(*space, remainder, emptied));
    RETURN_IF_ERROR(emptied);
    return ReconcileResult{};
  }

  std::vector<ObjectRef> ContentOf(const std::string& ns) const {
    std::vector<ObjectRef> content;
    for (const api::Kind& kind : runtime_->kinds().kinds()) {
      if (kind.is_namespaced && kind.resource == kind.storage_resource) {
        std::vector<ObjectRef> objects = runtime_->cache()->List({.kind = &kind, .ns = ns});
        content.insert(content.end(), objects.begin(), objects.end());
      }
    }
    return content;
  }

  absl::Status DeleteContent(const std::string& ns) {
    std::vector<ObjectRef> content = ContentOf(ns);
    std::erase_if(content, [](const ObjectRef& object) { return object->is_deleting; });
    absl::Status first_error;
    for (size_t begin = 0; begin < content.size(); begin += kWritesPerBatch) {
      const size_t end = std::min(begin + kWritesPerBatch, content.size());
      runtime::WriteBatch batch;
      for (size_t i = begin; i < end; ++i) {
        const registry::Object& object = *content[i];
        const api::ServedKind* served = runtime_->Served(object.kind->group, object.kind->resource);
        runtime_->registry()->Delete(
            registry::PlaneContext("namespace-controller"),
            {.target = {.served = served, .ns = object.ns, .name = object.name},
             .propagation = registry::Propagation::kBackground,
             .uid = object.uid},
            batch.Add());
      }
      size_t i = begin;
      for (const absl::StatusOr<registry::Written>& result : batch.Wait()) {
        const registry::Object& object = *content[i++];
        const std::optional<Reason> reason = registry::ReasonOf(result.status());
        // Gone, or made anew: the next pass sees it.
        if (!result.ok() && reason != Reason::kNotFound && reason != Reason::kConflict) {
          first_error.Update(Annotate(result.status(), object.name));
        }
      }
    }
    return first_error;
  }

  registry::Target TargetOf(const registry::Object& space) const {
    return {.served = served_, .name = space.name};
  }

  absl::Status ReportStatus(const registry::Object& space, const Remainder& remainder,
                            const absl::Status& emptied) {
    const std::string failure = emptied.ok() ? std::string() : registry::ErrorOf(emptied).message;
    const int64_t now = runtime_->clock()->WallNanos();
    const absl::Status written =
        runtime_->registry()
            ->Change(registry::PlaneContext("namespace-controller"),
                     {.target = TargetOf(space),
                      .part = registry::ChangeRequest::Part::kStatus,
                      .uid = space.uid,
                      .change =
                          [&](api::Json* object) {
                            const api::JsonArray* before =
                                api::FindArray(*object, {"status", "conditions"});
                            api::JsonArray conditions = Conditions(remainder, failure, before, now);
                            api::JsonObject& status = api::EnsureObject(object, {"status"});
                            api::Set(&status, "phase", "Terminating");
                            api::Set(&status, "conditions", std::move(conditions));
                            return absl::OkStatus();
                          }})
            .status();
    return registry::ReasonOf(written) == Reason::kNotFound ? absl::OkStatus() : written;
  }

  absl::Status Finalize(const registry::Object& space) {
    api::Json object = space.Parse();
    api::JsonArray kept;
    if (const api::JsonArray* finalizers = api::FindArray(object, {"spec", "finalizers"})) {
      for (const api::Json& finalizer : *finalizers) {
        if (!finalizer.is_string() || api::View(finalizer.get_string()) != kFinalizer) {
          kept.push_back(finalizer);
        }
      }
    }
    api::Set(&api::EnsureObject(&object, {"spec"}), "finalizers", std::move(kept));
    const absl::Status written =
        runtime_->registry()
            ->Update(
                registry::PlaneContext("namespace-controller"),
                {.target = TargetOf(space), .object = std::move(object), .subresource = "finalize"})
            .status();
    return registry::ReasonOf(written) == Reason::kNotFound ? absl::OkStatus() : written;
  }

  runtime::Runtime* const runtime_;
  const api::ServedKind* const served_;
  const std::unique_ptr<runtime::ControllerLoop> loop_;  // last: its workers use the others
};

}  // namespace

std::unique_ptr<runtime::Controller> StartNamespace(runtime::Runtime* runtime,
                                                    NamespaceOptions options) {
  return std::make_unique<NamespaceController>(runtime, options);
}

}  // namespace socle::namespaces
