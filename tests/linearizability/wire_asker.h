// WireAsker: gives requests to a server of the etcd API, and reads its answers as the store's.
//
// Laws     1. An error that says what is wrong with the request is an answer; one that says
//             something of the server or the connection leaves the call without one.
//          2. No lease expires: each is granted for longer than any run.
// Threads  thread-compatible.
#ifndef SOCLE_TESTS_LINEARIZABILITY_WIRE_ASKER_H_
#define SOCLE_TESTS_LINEARIZABILITY_WIRE_ASKER_H_

#include <memory>
#include <string>

#include "server/wire/client/etcd_client.h"
#include "tests/linearizability/random_client.h"

namespace socle::linearizability {

class WireAsker final : public Asker {
 public:
  static absl::StatusOr<std::unique_ptr<WireAsker>> Open(const std::string& endpoint);

  bool Ask(const Request& request, Answer* answer) override;

 private:
  explicit WireAsker(std::unique_ptr<server::EtcdClient> client) : client_(std::move(client)) {}

  bool ListLeases(Answer* answer);

  const std::unique_ptr<server::EtcdClient> client_;
};

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_WIRE_ASKER_H_
