#include "server/ops/heap.h"

#include <malloc.h>

#include <cstdint>

// Of jemalloc, in programs that are linked with it.
extern "C" __attribute__((weak)) int mallctl(const char* name, void* old, size_t* old_bytes,
                                             void* now, size_t now_bytes);

namespace socle::server {
namespace {

size_t Read(const char* name) {
  size_t number = 0;
  size_t bytes = sizeof(number);
  return mallctl(name, &number, &bytes, nullptr, 0) == 0 ? number : 0;
}

}  // namespace

HeapUse ReadHeapUse() {
  if (mallctl != nullptr) {
    uint64_t epoch = 1;  // setting it has the figures taken anew
    size_t bytes = sizeof(epoch);
    mallctl("epoch", &epoch, &bytes, &epoch, bytes);
    return {.used_bytes = Read("stats.allocated"), .held_bytes = Read("stats.resident")};
  }
  const struct mallinfo2 heap = ::mallinfo2();
  return {.used_bytes = heap.uordblks + heap.hblkhd, .held_bytes = heap.arena + heap.hblkhd};
}

}  // namespace socle::server
