#include "server/wire/http/collect_body.h"

#include <utility>

#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

class BodyCollector final : public Receiver {
 public:
  BodyCollector(std::shared_ptr<Exchange> exchange, size_t bytes_max,
                absl::AnyInvocable<void(std::string)> on_body)
      : exchange_(std::move(exchange)), bytes_max_(bytes_max), on_body_(std::move(on_body)) {}

  void OnBody(std::string_view bytes) override {
    if (is_refused_) {
      return;
    }
    if (body_.size() + bytes.size() > bytes_max_) {
      PROBE("http: request body too large");
      is_refused_ = true;
      body_ = {};
      exchange_->Respond(413, {}, {});
      return;
    }
    body_ += bytes;
  }

  void OnBodyEnd() override {
    if (!is_refused_) {
      on_body_(std::move(body_));
    }
  }

  void OnClosed() override {
    on_body_ = nullptr;
    exchange_.reset();
  }

 private:
  std::shared_ptr<Exchange> exchange_;
  const size_t bytes_max_;
  absl::AnyInvocable<void(std::string)> on_body_;
  std::string body_;
  bool is_refused_ = false;
};

}  // namespace

std::shared_ptr<Receiver> CollectBody(std::shared_ptr<Exchange> exchange, size_t body_bytes_max,
                                      absl::AnyInvocable<void(std::string body)> on_body) {
  return std::make_shared<BodyCollector>(std::move(exchange), body_bytes_max, std::move(on_body));
}

}  // namespace socle::server::http
