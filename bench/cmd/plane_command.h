// The `plane` subcommand: load on a Kubernetes API server.
//
// Threads  pure functions.
#ifndef SOCLE_BENCH_CMD_PLANE_COMMAND_H_
#define SOCLE_BENCH_CMD_PLANE_COMMAND_H_

#include <string>

#include <CLI/App.hpp>

#include "bench/plane/plane_load.h"

namespace socle::bench {

struct PlaneFlags {
  PlaneLoadOptions load;
  std::string server = "http://127.0.0.1:8080";
  std::string json_path;
  bool no_progress = false;
};

void AddPlaneCommand(CLI::App* app, PlaneFlags* flags);

// The exit code.
int RunPlaneCommand(PlaneFlags flags);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_PLANE_COMMAND_H_
