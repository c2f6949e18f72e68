// RunConcurrentClients: three clients at once on one server, each on keys of its own; what they were told does not depend on who came first.
//
// Laws     1. A client's revisions are told by their place among its own writes: "client 1's 7th" is the same in every run.
//          2. The keys and the events at the end are merged in the order of clients and their writes.
// Threads  starts one for each client, and waits for them.
#ifndef SOCLE_TESTS_CONFORMANCE_CONCURRENT_CLIENTS_H_
#define SOCLE_TESTS_CONFORMANCE_CONCURRENT_CLIENTS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace socle::conformance {

// One text for each answer, client after client; then one for each key and each event. `plants`: one client asks something else once.
std::vector<std::string> RunConcurrentClients(const std::string& address, uint64_t seed,
                                              uint64_t operations, bool plants);

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_CONCURRENT_CLIENTS_H_
