// Flags: the command line of socle-plane.
//
// Threads  pure functions.
// Errors   InvalidArgument names the flag and what to write instead.
#ifndef SOCLE_CONTROLLERS_PLANE_FLAGS_H_
#define SOCLE_CONTROLLERS_PLANE_FLAGS_H_

#include <functional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/plane/settings.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace socle::plane {

struct ParsedFlags {
  Settings settings;
  bool wants_version = false;
  std::string help;  // not empty: to be printed, nothing else
};

absl::StatusOr<ParsedFlags> ParseFlags(std::vector<std::string> arguments);

// All flags, for manual pages and completion.
void ShowCommandLine(const std::function<void(const CLI::App&)>& show);

}  // namespace socle::plane

#endif  // SOCLE_CONTROLLERS_PLANE_FLAGS_H_
