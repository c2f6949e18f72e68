// Call: one request of the API from its head to its answer, and what all calls of a server share.
//
//   Call                   (a get is answered where it begins, without one)
//     ├ ListCall             pages through a ListResult
//     ├ WatchCall            follows a Subscription
//     └ BodyCall             waits for the body
//         ├ WriteCall
//         └ DeleteCollectionCall
//
// Laws     1. What other threads bring (answers of the store) is put into the call and the exchange is
//             woken; all that is said to the client is said on the loop.
//          2. A late answer touches the call only: the server may be gone by then.
// Threads  confined to the loop of the exchange, but for what law 1 says.
#ifndef SOCLE_CONTROLLERS_APISERVER_CALL_H_
#define SOCLE_CONTROLLERS_APISERVER_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "controllers/apiserver/api_server.h"
#include "controllers/apiserver/object_form.h"
#include "controllers/apiserver/query_options.h"
#include "controllers/apiserver/request_meter.h"
#include "controllers/apiserver/resource_request.h"
#include "controllers/registry/registry.h"
#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "server/wire/http/exchange.h"

namespace socle::apiserver {

// What the calls of a server share; outlives every handler and every receiver that is not closed.
struct Site {
  registry::Registry* registry = nullptr;
  const ApiServerOptions* options = nullptr;
  RequestMeter* meter = nullptr;
  Mutex mu;
  Random random ABSL_GUARDED_BY(mu){0};

  int64_t WallNanos() const { return registry->clock()->WallNanos(); }
};

// What is known of a request when its head has been read.
struct CallHead {
  ResourceRequest asked;
  QueryOptions options;
  Form form;
  std::string user;
  Permit permit;
  int64_t began_nanos = 0;  // monotonic
};

class Call : public server::http::Receiver {
 public:
  Call(Site* site, CallHead head, std::shared_ptr<server::http::Exchange> exchange)
      : site_(site), head_(std::move(head)), exchange_(std::move(exchange)) {}

  void OnBody(std::string_view /*bytes*/) override {}

  void OnBodyEnd() override {}

  void OnClosed() override {}

 protected:
  // Only on the loop, while the exchange is not closed.
  Site* site() const { return site_; }

  const CallHead& head() const { return head_; }

  const ResourceRequest& asked() const { return head_.asked; }

  const std::shared_ptr<server::http::Exchange>& exchange() const { return exchange_; }

  ObjectForm object_form() const { return {head_.asked.served, head_.form}; }

  registry::Target target() const;
  registry::WriteContext write_context() const;
  // Counts the answer.
  void Answered(int code);
  void Refuse(const absl::Status& error);

 private:
  Site* const site_;
  CallHead head_;
  const std::shared_ptr<server::http::Exchange> exchange_;
};

// Counts a request that needed no call.
void NoteAnswer(Site* site, const CallHead& head, int code);

// A call that is executed when its body has come; 413 beyond the server's bound.
class BodyCall : public Call {
 public:
  using Call::Call;

  void OnBody(std::string_view bytes) override;
  void OnBodyEnd() override;

 protected:
  virtual void Execute(std::string body) = 0;

 private:
  std::string body_;
  bool is_refused_ = false;
};

// Refuses a request whose body is still coming when it is over, so that the connection goes on; at once
// when the body is too long to be waited for.
class RefusalReceiver final : public server::http::Receiver {
 public:
  RefusalReceiver(absl::Status error, size_t body_bytes_max,
                  std::shared_ptr<server::http::Exchange> exchange)
      : error_(std::move(error)), bytes_left_(body_bytes_max), exchange_(std::move(exchange)) {}

  void OnBody(std::string_view bytes) override;

  void OnBodyEnd() override { Refuse(); }

  void OnClosed() override {}

 private:
  void Refuse();

  const absl::Status error_;
  size_t bytes_left_;
  bool is_refused_ = false;
  const std::shared_ptr<server::http::Exchange> exchange_;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_CALL_H_
