// PodShape: the objects that the load writes: pods of 2 to 4 KB once they run, as real ones are.
//
// Threads  pure functions.
#ifndef SOCLE_BENCH_PLANE_POD_SHAPE_H_
#define SOCLE_BENCH_PLANE_POD_SHAPE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace socle::bench {

inline constexpr std::string_view kLoadNamespace = "bench";

// `scheduler`: empty for the plane's own.
std::string PodDocument(std::string_view name, std::string_view scheduler);
std::string BindingDocument(std::string_view pod, std::string_view node);
// A merge patch of status: a condition's message that is different each time.
std::string StatusPatch(uint64_t sequence);
// A merge patch of annotations that says when it was sent.
std::string MarkPatch(int64_t sent_nanos);
std::string LeaseDocument(std::string_view name);
std::string LeasePatch(uint64_t sequence);

std::string PodPath(std::string_view pod);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PLANE_POD_SHAPE_H_
