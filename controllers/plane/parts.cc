#include "controllers/plane/parts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "controllers/broadcastjob/controller.h"
#include "controllers/gc/controller.h"
#include "controllers/hollow/controller.h"
#include "controllers/inplaceset/controller.h"
#include "controllers/namespace/controller.h"
#include "controllers/nodelifecycle/controller.h"
#include "controllers/pdb/controller.h"
#include "controllers/scheduler/controller.h"
#include "controllers/sidecarset/controller.h"
#include "controllers/sidecarset/injection_plugin.h"

namespace socle::plane {
namespace {

using Started = std::unique_ptr<runtime::Controller>;

struct Part {
  std::string_view name;
  // Null: the settings leave nothing for it to do.
  Started (*start)(runtime::Runtime* runtime, const Settings& settings);
};

// Nodes come first, so that pods find some; what cleans up comes last.
const Part kParts[] = {
    {"hollow",
     [](runtime::Runtime* runtime, const Settings& settings) -> Started {
       if (settings.hollow_nodes == 0) {
         return nullptr;
       }
       return hollow::StartHollow(runtime, {.nodes = settings.hollow_nodes,
                                            .name_prefix = settings.hollow_prefix,
                                            .seed = settings.seed});
     }},
    {"scheduler",
     [](runtime::Runtime* runtime, const Settings& settings) -> Started {
       return scheduler::StartScheduler(runtime, {.seed = settings.seed});
     }},
    {"inplaceset",
     [](runtime::Runtime* runtime, const Settings&) -> Started {
       return inplaceset::StartInplaceSet(runtime);
     }},
    {"sidecarset",
     [](runtime::Runtime* runtime, const Settings&) -> Started {
       return sidecarset::StartSidecarSet(runtime);
     }},
    {"broadcastjob",
     [](runtime::Runtime* runtime, const Settings&) -> Started {
       return broadcastjob::StartBroadcastJob(runtime);
     }},
    {"nodelifecycle",
     [](runtime::Runtime* runtime, const Settings&) -> Started {
       return nodelifecycle::StartNodeLifecycle(runtime);
     }},
    {"pdb",
     [](runtime::Runtime* runtime, const Settings&) -> Started { return pdb::StartPdb(runtime); }},
    {"namespace",
     [](runtime::Runtime* runtime, const Settings&) -> Started {
       return namespaces::StartNamespace(runtime);
     }},
    {"gc",
     [](runtime::Runtime* runtime, const Settings&) -> Started { return gc::StartGc(runtime); }},
};

}  // namespace

AdmissionChain MakeAdmissionChain(Clock* clock) {
  AdmissionChain chain;
  auto injection =
      std::make_unique<sidecarset::InjectionPlugin>(&api::KindRegistry::Builtin(), clock);
  chain.injection = injection.get();
  chain.plugins.push_back(std::move(injection));
  return chain;
}

std::vector<std::string_view> PartNames() {
  std::vector<std::string_view> names;
  for (const Part& part : kParts) {
    names.push_back(part.name);
  }
  return names;
}

bool IsWanted(const Settings& settings, std::string_view part) {
  const auto named = [&](std::string_view text) {
    return std::find(settings.controllers.begin(), settings.controllers.end(), text) !=
           settings.controllers.end();
  };
  return !named("-" + std::string(part)) && (named("*") || named(part));
}

std::vector<std::unique_ptr<runtime::Controller>> StartParts(runtime::Runtime* runtime,
                                                             const Settings& settings) {
  std::vector<std::unique_ptr<runtime::Controller>> parts;
  for (const Part& part : kParts) {
    if (!IsWanted(settings, part.name)) {
      continue;
    }
    if (Started started = part.start(runtime, settings)) {
      parts.push_back(std::move(started));
    }
  }
  return parts;
}

}  // namespace socle::plane
