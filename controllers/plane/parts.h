// Parts: the one table of what runs in a plane besides store and API, and of the admission chain.
//
// Laws     1. A controller is in this table, or it does not run.
//          2. Parts are started in the order of the table and stopped in reverse.
// Threads  called by the plane's own thread.
#ifndef SOCLE_CONTROLLERS_PLANE_PARTS_H_
#define SOCLE_CONTROLLERS_PLANE_PARTS_H_

#include <memory>
#include <string_view>
#include <vector>

#include "controllers/plane/settings.h"
#include "controllers/registry/admission.h"
#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"

namespace socle::sidecarset {
class InjectionPlugin;
}  // namespace socle::sidecarset

namespace socle::plane {

// The admission chain, and who of it wants to know of the cache.
struct AdmissionChain {
  std::vector<std::unique_ptr<registry::AdmissionPlugin>> plugins;
  sidecarset::InjectionPlugin* injection = nullptr;  // in plugins
};

// The clock outlives it.
AdmissionChain MakeAdmissionChain(Clock* clock);

// Names as --controllers takes them.
std::vector<std::string_view> PartNames();

// Whether `--controllers` wants the part.
bool IsWanted(const Settings& settings, std::string_view part);

// Starts what the settings want.
std::vector<std::unique_ptr<runtime::Controller>> StartParts(runtime::Runtime* runtime,
                                                             const Settings& settings);

}  // namespace socle::plane

#endif  // SOCLE_CONTROLLERS_PLANE_PARTS_H_
