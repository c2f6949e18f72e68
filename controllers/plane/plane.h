// Plane: a whole control plane: store, registry, controllers, hollow nodes, REST API.
//
//   ASSIGN_OR_RETURN(auto plane, Plane::Start(settings));    plane->url() …    plane.reset();
//
// Laws     1. Everything that must survive is in the store: Start after any end of the process goes on
//             where it was.
//          2. The API listens when the plane can answer: the cache is full and the controllers run.
//          3. Stopping answers what is under way, then stops controllers, then closes the store.
// Threads  Start and the destructor by one thread, not one of the plane's own.
// Errors   Start: what is wrong with which file, address or flag.
#ifndef SOCLE_CONTROLLERS_PLANE_PLANE_H_
#define SOCLE_CONTROLLERS_PLANE_PLANE_H_

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "controllers/plane/settings.h"

namespace socle::plane {

class Plane {
 public:
  static absl::StatusOr<std::unique_ptr<Plane>> Start(const Settings& settings);
  virtual ~Plane() = default;  // stops

  // http://127.0.0.1:8080, with the port that was really bound.
  virtual std::string url() const = 0;
};

}  // namespace socle::plane

#endif  // SOCLE_CONTROLLERS_PLANE_PLANE_H_
