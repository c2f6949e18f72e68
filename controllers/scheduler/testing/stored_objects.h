// StoredObjects: nodes, pods and claims as the plane's cache shows them, without a store.
//
// Threads  confined to the test.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_TESTING_STORED_OBJECTS_H_
#define SOCLE_CONTROLLERS_SCHEDULER_TESTING_STORED_OBJECTS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "controllers/api/kind_registry.h"
#include "controllers/registry/object.h"
#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::scheduler {

struct PodShape {
  std::string cpu = "100m";
  std::string spec = {};      // members of the spec
  std::string metadata = {};  // members of the metadata
  std::string phase = "Pending";
  std::string node = {};
  std::string owner = {};  // uid of its controller
};

class StoredObjects {
 public:
  // `allocatable` and `spec` are JSON objects, `labels` the members of one.
  registry::ObjectRef Node(
      const std::string& name,
      std::string_view allocatable = R"({"cpu":"4","memory":"8Gi","pods":"110"})",
      std::string_view spec = "{}", std::string_view labels = "") {
    return Decode(
        "nodes", "", name,
        fmt::format(R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{0}","uid":"{0}",)"
                    R"("labels":{{"kubernetes.io/hostname":"{0}"{1}{2}}}}},"spec":{3},)"
                    R"("status":{{"allocatable":{4},"heartbeat":{5}}}}})",
                    name, labels.empty() ? "" : ",", labels, spec, allocatable, revision_));
  }

  registry::ObjectRef Pod(const std::string& name, const PodShape& shape = {}) {
    const std::string owner =
        shape.owner.empty()
            ? ""
            : fmt::format(R"(,"ownerReferences":[{{"apiVersion":"v1","kind":"Set","name":"s",)"
                          R"("uid":"{}","controller":true}}])",
                          shape.owner);
    const std::string node =
        shape.node.empty() ? "" : fmt::format(R"(,"nodeName":"{}")", shape.node);
    return Decode(
        "pods", "default", name,
        fmt::format(R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{0}",)"
                    R"("namespace":"default","uid":"uid-{0}"{1}{2}{3}}},"spec":{{"containers":)"
                    R"([{{"name":"a","resources":{{"requests":{{"cpu":"{4}"}}}}}}],)"
                    R"("schedulerName":"default-scheduler"{5}{6}{7}}},)"
                    R"("status":{{"phase":"{8}"}}}})",
                    name, owner, shape.metadata.empty() ? "" : ",", shape.metadata, shape.cpu, node,
                    shape.spec.empty() ? "" : ",", shape.spec, shape.phase));
  }

  registry::ObjectRef Claim(const std::string& name) {
    return Decode(
        "persistentvolumeclaims", "default", name,
        fmt::format(
            R"({{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{{"name":"{0}",)"
            R"("namespace":"default","uid":"{0}"}},"spec":{{}},"status":{{}}}})",
            name));
  }

 private:
  registry::ObjectRef Decode(std::string_view resource, std::string_view ns,
                             const std::string& name, const std::string& document) {
    const api::Kind& kind = *api::KindRegistry::Builtin().Preferred("", resource)->kind;
    ++revision_;
    // A pod keeps its place in the order of creation over its revisions.
    const int64_t created = created_.try_emplace(name, revision_).first->second;
    absl::StatusOr<registry::ObjectRef> object = registry::DecodeObject(
        kind, registry::ObjectKey(kind, ns, name), document, created, revision_);
    CHECK_OK(object.status());
    return *std::move(object);
  }

  int64_t revision_ = 0;
  StringMap<int64_t> created_;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_TESTING_STORED_OBJECTS_H_
