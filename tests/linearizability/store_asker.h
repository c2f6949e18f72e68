// StoreAsker: gives requests to an embedded store.
//
// Threads  thread-compatible; the store is shared.
// Errors   a typed error of the store is an answer; anything else says that the store has failed,
//          and leaves the call without one.
#ifndef SOCLE_TESTS_LINEARIZABILITY_STORE_ASKER_H_
#define SOCLE_TESTS_LINEARIZABILITY_STORE_ASKER_H_

#include "lease/lessor.h"
#include "mvcc/store.h"
#include "tests/linearizability/random_client.h"

namespace socle::linearizability {

class StoreAsker final : public Asker {
 public:
  // Both must outlive it.
  StoreAsker(mvcc::Store* store, const lease::Lessor* lessor) : store_(store), lessor_(lessor) {}

  bool Ask(const Request& request, Answer* answer) override;

 private:
  mvcc::Store* const store_;
  const lease::Lessor* const lessor_;
};

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_STORE_ASKER_H_
