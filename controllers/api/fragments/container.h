// Containers: image, command, environment, ports, resources, probes, hooks.
// Threads  built at the first use, then immutable.
#ifndef SOCLE_CONTROLLERS_API_FRAGMENTS_CONTAINER_H_
#define SOCLE_CONTROLLERS_API_FRAGMENTS_CONTAINER_H_

#include "controllers/api/schema.h"

namespace socle::api {

const Schema& Container();
// limits, requests, claims.
const Schema& ResourceRequirements();
const Schema& ResourceList();
const Schema& EnvVar();

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_FRAGMENTS_CONTAINER_H_
