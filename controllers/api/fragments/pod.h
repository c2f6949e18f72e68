// Pods: spec, template, status, volumes, scheduling terms; shared by all workloads.
// Threads  built at the first use, then immutable.
#ifndef SOCLE_CONTROLLERS_API_FRAGMENTS_POD_H_
#define SOCLE_CONTROLLERS_API_FRAGMENTS_POD_H_

#include "controllers/api/schema.h"

namespace socle::api {

const Schema& PodSpec();
const Schema& PodTemplateSpec();
const Schema& PodStatus();
const Schema& Volume();
const Schema& Affinity();
const Schema& Toleration();
// PersistentVolumeClaimSpec and its object, as volumeClaimTemplates embed them.
const Schema& ClaimSpec();
Schema ClaimTemplate();

// Every mount and device of the containers names a volume of the pod.
void CheckMountsHaveVolumes(const Json& pod_spec, std::string_view path, Causes* causes);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_FRAGMENTS_POD_H_
