// Flags: from command line, environment and configuration file to Settings, as etcd reads them.
//
// Laws     1. A flag on the command line beats the environment; the last of two equal flags wins.
//          2. `--flag=value`, `--flag value`, `-flag value`; a bool never takes the next argument.
//          3. What has no effect is said in `warnings`; what is not there yet is an error.
//          4. With a configuration file (--config-file, or ETCD_CONFIG_FILE) the file alone decides; what it shadows
//             is said in `warnings`.
// Threads  pure functions.
// Errors   InvalidArgument with one line that names the flag and the cure.
// Source   spec etcd 1.12.
#ifndef SOCLE_SERVER_CONFIG_FLAGS_H_
#define SOCLE_SERVER_CONFIG_FLAGS_H_

#include <span>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "server/config/settings.h"

namespace socle::server {

struct ParsedFlags {
  Settings settings;
  std::vector<std::string> warnings;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

absl::StatusOr<ParsedFlags> ParseFlags(std::span<const std::string> arguments,
                                       const Environment& environment, Env* env = Env::Posix());

// The variables of this process that start with ETCD_.
Environment EtcdEnvironment();

// The text of --help, by groups.
std::string HelpText();
// The same of the flags that etcd does not have.
std::string ExtensionsText();

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_FLAGS_H_
