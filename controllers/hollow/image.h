// Image: what hollow nodes know of container images: which there are, and their identity.
//
// Laws     1. Equal image strings have equal ids; `nginx` and `nginx:latest` are one image, and so are all
//             names with the same digest (nginx:1@sha256:…).
//          2. An image with the tag `does-not-exist` can't be pulled; nor one that a pattern refuses.
// Threads  pure functions.
// Source   spec controllers 2.5, 7.4 (D6, D13).
#ifndef SOCLE_CONTROLLERS_HOLLOW_IMAGE_H_
#define SOCLE_CONTROLLERS_HOLLOW_IMAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace socle::hollow {

// hollow://sha256:<64 hexadecimal digits>. The digits look like SHA-256 and are none.
std::string ImageId(std::string_view image);

// `refused`: patterns as MatchesPattern takes them.
bool CanPull(std::string_view image, std::string_view refused);

// hollow://<64 digits> of the attempt-th container of this name in the pod.
std::string ContainerId(std::string_view pod_uid, std::string_view container, int64_t attempt);

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_IMAGE_H_
