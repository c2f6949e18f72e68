// TestSite: a handler with a page for each way an application may answer, and its server.
//
//   /echo    POST: "<method> <target> <body>"              /later   the same, answered by another thread
//   /chunks  three pieces from another thread, trailers    /early   403 before the body
//   /flood   endless bytes, pulled                         /open    head, then nothing
//   /whoami  the name in the client's certificate          /source  kSourceBytes of a source
//   /pieces  the same of one that does not say how many
//   /stop    open until the server stops, then "bye"       /held    takes one chunk and holds the rest back
//
// Threads  the counters are thread-safe.
#ifndef SOCLE_SERVER_WIRE_HTTP_TESTING_TEST_SITE_H_
#define SOCLE_SERVER_WIRE_HTTP_TESTING_TEST_SITE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "server/wire/http/server.h"

namespace socle::server::http {

class TestSite final : public Handler {
 public:
  explicit TestSite(ServerOptions options = {});
  ~TestSite() override;

  uint16_t port() const { return port_; }

  Server* server() { return server_.get(); }

  int open() const { return open_.load(); }

  size_t begun() const { return begun_.load(); }

  size_t flooded_bytes() const { return flooded_bytes_.load(); }

  size_t held_bytes() const { return held_bytes_.load(); }

  int sources() const { return sources_.load(); }

  int slow_calls() const { return slow_calls_.load(); }

  static constexpr size_t kSourceBytes = 3'000'000;

  // What a source makes at that place.
  static char SourceByte(size_t at) { return static_cast<char>('a' + at % 23); }

  // Lets /held go on.
  void ReleaseHeld();

  std::shared_ptr<Receiver> Begin(const Request& request,
                                  const std::shared_ptr<Exchange>& exchange) override;

 private:
  friend class SiteReceiver;
  friend class SiteSource;

  void RunElsewhere(std::function<void()> task);

  std::atomic<int> open_{0};  // receivers that were not closed yet
  std::atomic<size_t> begun_{0};
  std::atomic<size_t> flooded_bytes_{0};
  std::atomic<size_t> held_bytes_{0};
  std::atomic<int> sources_{0};     // that are there
  std::atomic<int> slow_calls_{0};  // of OnSlow
  Mutex mu_;
  std::vector<Thread> threads_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Exchange> held_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
};

// Waits up to five seconds for something that other threads bring about.
bool Eventually(const std::function<bool()>& is_so);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TESTING_TEST_SITE_H_
