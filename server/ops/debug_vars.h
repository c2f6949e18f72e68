// DebugVars: the page /debug/vars in the shape of Go's expvar: what the process was started with, its memory, its place in the
// log.
//
// Laws     1. Names are etcd's where there is something true to say under them; of memstats those that an allocator knows.
// Threads  pure functions.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_OPS_DEBUG_VARS_H_
#define SOCLE_SERVER_OPS_DEBUG_VARS_H_

#include <string>
#include <vector>

#include "server/service/node.h"

namespace socle::server {

std::string RenderDebugVars(const Node& node, const std::vector<std::string>& command_line);

// The arguments of this process, its name first; empty when the system does not tell.
std::vector<std::string> CommandLine();

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_DEBUG_VARS_H_
