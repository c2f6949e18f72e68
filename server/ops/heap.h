// Heap: what the process has taken from its allocator, jemalloc or glibc's.
//
// Threads  thread-safe.
#ifndef SOCLE_SERVER_OPS_HEAP_H_
#define SOCLE_SERVER_OPS_HEAP_H_

#include <cstddef>

namespace socle::server {

struct HeapUse {
  size_t used_bytes = 0;  // by the program
  size_t held_bytes = 0;  // taken from the system, used or not
};

HeapUse ReadHeapUse();

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_HEAP_H_
