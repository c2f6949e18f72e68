// Descriptors: how many this process may have, which of them are not for clients, and that 0, 1 and 2 are no file of ours.
//
// Laws     1. Clients leave kReservedDescriptors to the log, the pages, snapshots and certificates: without one for the
//             next file of the log writing would stop for good. etcd reserves as many.
// Threads  thread-safe, but for HoldStandardDescriptors and RaiseDescriptorLimit, which are for main() before there are other
//          threads.
#ifndef SOCLE_KV_BASE_DESCRIPTOR_LIMIT_H_
#define SOCLE_KV_BASE_DESCRIPTOR_LIMIT_H_

#include <cstdint>

namespace socle {

inline constexpr uint64_t kReservedDescriptors = 150;

// Those of 0, 1 and 2 that are closed become /dev/null, to be read: writing fails as before. Otherwise the next file opened
// gets such a number, and what is written to standard error stands in the database.
void HoldStandardDescriptors();

// As Go's runtime does for etcd: of the two limits of descriptors the one that can be raised is raised.
void RaiseDescriptorLimit();

uint64_t DescriptorLimit();

// Whether the next descriptor would be one of the reserved ones. `open` is any that is open.
bool AreDescriptorsScarce(int open);

}  // namespace socle

#endif  // SOCLE_KV_BASE_DESCRIPTOR_LIMIT_H_
