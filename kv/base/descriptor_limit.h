// Threads  for main(), before there are other threads.
#ifndef SOCLE_KV_BASE_DESCRIPTOR_LIMIT_H_
#define SOCLE_KV_BASE_DESCRIPTOR_LIMIT_H_

namespace socle {

// As Go's runtime does for etcd: of the two limits of descriptors the one that can be raised is raised.
void RaiseDescriptorLimit();

}  // namespace socle

#endif  // SOCLE_KV_BASE_DESCRIPTOR_LIMIT_H_
