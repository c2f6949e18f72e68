#include "controllers/sidecarset/apply.h"

#include <algorithm>
#include <utility>

#include "controllers/registry/errors.h"
#include "controllers/runtime/write_batch.h"

namespace socle::sidecarset {
namespace {

bool IsGone(const absl::Status& status) {
  const std::optional<registry::Reason> reason = registry::ReasonOf(status);
  // Conflict: another pod has the name by now.
  return reason == registry::Reason::kNotFound || reason == registry::Reason::kConflict;
}

}  // namespace

absl::Status EditPods(runtime::Runtime* runtime, const std::vector<registry::ObjectRef>& pods,
                      registry::ChangeRequest::Part part, const PodEdit& edit) {
  const api::ServedKind* served = runtime->Served("", "pods");
  absl::Status first = absl::OkStatus();
  runtime::WriteBatch batch;
  for (size_t begin = 0; begin < pods.size(); begin += kWritesTogether) {
    const size_t end = std::min(begin + kWritesTogether, pods.size());
    for (size_t i = begin; i < end; ++i) {
      const registry::Object& pod = *pods[i];
      registry::ChangeRequest request{
          .target = {.served = served, .ns = pod.ns, .name = pod.name},
          .part = part,
          .uid = pod.uid,
          .change = [&edit](api::Json* document) {
            return edit(document) ? absl::OkStatus() : absl::CancelledError("not as planned");
          }};
      runtime->registry()->Change(registry::PlaneContext("sidecarset-controller"),
                                  std::move(request), batch.Add());
    }
    for (const absl::StatusOr<registry::Written>& written : batch.Wait()) {
      if (!written.ok() && !IsGone(written.status()) && first.ok()) {
        first = written.status();
      }
    }
  }
  return first;
}

}  // namespace socle::sidecarset
