// ConfigFile: etcd's configuration file, as settings of flags.
//
//   name: n1                                 --name=n1
//   log-outputs: [stderr, /var/log/kv]       --log-outputs=stderr,/var/log/kv
//   backend-batch-interval: 100000000        --backend-batch-interval=100ms
//   client-transport-security:
//     cert-file: server.crt                  --cert-file=server.crt
//
// Laws     1. A key is a flag's name; those of TLS, sockets and discovery stand in etcd's sections.
//          2. Values have the types that etcd reads: durations are whole nanoseconds, and what etcd reads as a list is a list.
//          3. A key that is not known, comes twice or stands in the wrong place is an error: etcd would go on without it.
//          4. A key without a value says nothing.
// Threads  pure.
// Errors   InvalidArgument with line and column.
// Source   spec etcd 1.12; etcd's embed.Config.
#ifndef SOCLE_SERVER_CONFIG_CONFIG_FILE_H_
#define SOCLE_SERVER_CONFIG_CONFIG_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "server/config/flag_table.h"

namespace socle::server {

struct FileSetting {
  const FlagRow* row = nullptr;
  std::string key;    // as the file has it: "client-transport-security.cert-file"
  std::string text;   // as the flag would have it
  std::string place;  // "line 3, column 7"
};

// In the order of the file.
absl::StatusOr<std::vector<FileSetting>> ReadConfig(std::string_view text);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_CONFIG_FILE_H_
