// The store inside a program of one's own: open, write, read at an old revision, watch.
#include <semaphore>

#include <fmt/core.h>

#include "mvcc/store.h"

using socle::StdView;
using socle::mvcc::Store;

int main(int argc, char** argv) {
  auto opened = Store::Open({.directory = argc > 1 ? argv[1] : "embedded.socle"});
  if (!opened.ok()) {
    fmt::print(stderr, "{}\n", StdView(opened.status().message()));
    return 1;
  }
  const auto store = *std::move(opened);

  std::counting_semaphore<> ready(0);
  auto watch = store->NewWatchStream([&ready] { ready.release(); });
  watch->Create({.key = "color"});

  const int64_t revision = store->Put({.key = "color", .value = "blue"})->revision;
  store->Put({.key = "color", .value = "green"}).IgnoreError();
  fmt::print("color was {}\n", store->Range({.key = "color", .revision = revision})->kvs[0].value);

  for (int events = 0; events < 2;) {
    ready.acquire();
    while (const auto response = watch->Next()) {
      for (const auto& event : response->events) {
        fmt::print("watched revision {}: {}\n", event.kv.mod_revision, event.kv.value);
        ++events;
      }
    }
  }
}
