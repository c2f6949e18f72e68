// RandomClient: asks a store random things and writes down what it asked and was answered.
//
//   RandomClient client(1, seed, &clock);
//   while (client.AskSomething(&asker)) {}   // until an answer stays away
//
// Laws     1. An asker says whether the answer is one: false leaves the call without an answer.
// Threads  confined to one thread at a time.
#ifndef SOCLE_TESTS_LINEARIZABILITY_RANDOM_CLIENT_H_
#define SOCLE_TESTS_LINEARIZABILITY_RANDOM_CLIENT_H_

#include <cstdint>
#include <string>

#include "kv/base/random.h"
#include "mvcc/testing/random_operations.h"
#include "tests/linearizability/history.h"

namespace socle::linearizability {

// How a request gets to a store and its answer back.
class Asker {
 public:
  virtual ~Asker() = default;
  // False: nobody knows what became of it. The answer points into the request.
  virtual bool Ask(const Request& request, Answer* answer) = 0;
};

class RandomClient {
 public:
  // `grants_for_keys`: puts may grant leases of their own, which the wire has no words for.
  RandomClient(int client, uint64_t seed, HistoryClock* clock, bool grants_for_keys = true);

  // One call; false when it got no answer.
  bool AskSomething(Asker* asker);
  bool Ask(Asker* asker, Request request);
  // Everything that can be read.
  bool AskAll(Asker* asker);

  ClientLog* log() { return &log_; }

 private:
  Request Next();
  mvcc::Operation LeaseOperation();

  ClientLog log_;
  mvcc::RandomOperations operations_;
  int64_t revision_ = 1;  // the last one answered
};

// All calls of the clients, by invocation.
void Collect(const ClientLog& log, History* history);
void SortCalls(History* history);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_RANDOM_CLIENT_H_
