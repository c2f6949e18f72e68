#include "controllers/apiserver/call.h"

#include <fmt/format.h>

#include "controllers/apiserver/responses.h"
#include "kv/base/clock.h"

namespace socle::apiserver {

registry::Target Call::target() const {
  return {.served = asked().served, .ns = asked().ns, .name = asked().name};
}

registry::WriteContext Call::write_context() const {
  return {.user = head_.user, .is_dry_run = head_.options.is_dry_run};
}

void Call::Answered(int code) {
  NoteAnswer(site_, head_, code);
}

void Call::Refuse(const absl::Status& error) {
  Answered(RespondError(exchange_.get(), error));
}

void NoteAnswer(Site* site, const CallHead& head, int code) {
  site->meter->Note(head.asked.verb, head.asked.served, head.asked.subresource_name(), code,
                    Clock::Real()->MonotonicNanos() - head.began_nanos);
}

void BodyCall::OnBody(std::string_view bytes) {
  if (is_refused_) {
    return;
  }
  const size_t bytes_max = site()->options->body_bytes_max;
  if (body_.size() + bytes.size() > bytes_max) {
    is_refused_ = true;
    body_ = {};
    Refuse(registry::MakeStatus(
        {.reason = registry::Reason::kTooLarge,
         .message = fmt::format("Request entity too large: limit is {}", bytes_max)}));
    return;
  }
  body_ += bytes;
}

void BodyCall::OnBodyEnd() {
  if (!is_refused_) {
    Execute(std::move(body_));
  }
}

void RefusalReceiver::OnBody(std::string_view bytes) {
  if (bytes.size() > bytes_left_) {
    Refuse();
    return;
  }
  bytes_left_ -= bytes.size();
}

void RefusalReceiver::Refuse() {
  if (!std::exchange(is_refused_, true)) {
    RespondError(exchange_.get(), error_);
  }
}

}  // namespace socle::apiserver
