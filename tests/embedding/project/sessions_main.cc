// Sessions that end by themselves: the embedded store with leases, in a project of its own. Each session is a lease with
// a key; nobody renews the second one, and a watcher sees it end.
#include <future>
#include <semaphore>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "kv/base/log.h"
#include "lease/expirer.h"
#include "lease/lease_store.h"
#include "lease/lessor.h"
#include "mvcc/store.h"

using socle::StdView;
using socle::lease::Expirer;
using socle::lease::LeaseStore;
using socle::lease::Lessor;
using socle::lease::StoreLeaseLog;
using socle::mvcc::LeaseId;
using socle::mvcc::Store;

namespace {

// Answers come on the store's thread; here the caller waits for them.
LeaseId Grant(LeaseStore* leases, int64_t seconds) {
  std::promise<LeaseId> granted;
  leases->Grant(socle::mvcc::kNoLease, seconds,
                [&granted](auto result) { granted.set_value(result.value().id); });
  return granted.get_future().get();
}

void Run(Store* store, LeaseStore* leases) {
  std::counting_semaphore<> ready(0);
  auto watch = store->NewWatchStream([&ready] { ready.release(); });
  watch->Create({.key = "session/", .range_end = "session0"});
  store->Put({.key = "session/kept", .value = "for long", .lease = Grant(leases, 3600)})
      .IgnoreError();
  store->Put({.key = "session/left", .value = "alone", .lease = Grant(leases, 2)}).IgnoreError();
  for (bool has_ended = false; !has_ended;) {
    ready.acquire();
    while (const auto response = watch->Next()) {
      for (const auto& event : response->events) {
        fmt::print("{} {}\n", event.kv.key, event.is_delete ? "ended" : "began");
        has_ended = event.is_delete;
      }
    }
  }
  fmt::print("sessions left: {}\n",
             store->Range({.key = "session/", .range_end = "session0"})->count);
}

}  // namespace

int main(int argc, char** argv) {
  Lessor lessor;
  auto opened =
      Store::Open({.directory = argc > 1 ? argv[1] : "sessions.socle", .lease_hook = &lessor});
  if (!opened.ok()) {
    fmt::print(stderr, "{}\n", StdView(opened.status().message()));
    return 1;
  }
  auto store = *std::move(opened);
  lessor.StartDeadlines();
  StoreLeaseLog log(store.get());
  LeaseStore leases(&lessor, &log);
  Expirer expirer(&lessor, &log);
  expirer.Start();
  Run(store.get(), &leases);
  expirer.Stop();  // in this order: lease/lease_store.h
  lessor.Close();
  store.reset();
}
