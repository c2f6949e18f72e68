// KvServer: the whole of socle-kv in one object: store, leases, services, ports.
//
// Laws     1. Ports are bound before the data directory is touched: a second server on the same
//             port changes nothing.
//          2. Stopping: no new connections, calls under way are answered, then the store commits
//             and closes.
// Threads  Start and the destructor belong to one thread.
// Errors   one line that says what could not be used and why.
#ifndef SOCLE_SERVER_CMD_KV_SERVER_H_
#define SOCLE_SERVER_CMD_KV_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "server/config/settings.h"
#include "server/config/url.h"

namespace socle::server {

class KvServer {
 public:
  virtual ~KvServer() = default;

  // With the ports really bound.
  virtual std::vector<Url> client_urls() const = 0;
  virtual std::vector<Url> client_http_urls() const = 0;
  virtual std::vector<Url> metrics_urls() const = 0;
  // The lines that a person wants to see at start.
  virtual std::string Summary() const = 0;

  static absl::StatusOr<std::unique_ptr<KvServer>> Start(const Settings& settings);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_KV_SERVER_H_
