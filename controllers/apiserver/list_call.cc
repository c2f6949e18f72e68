#include "controllers/apiserver/list_call.h"

#include <string>
#include <utility>

#include "controllers/apiserver/responses.h"

namespace socle::apiserver {

namespace http = server::http;

void ListCall::Begin(registry::ListRequest request) {
  site()->registry->List(std::move(request),
                         [self = shared_from_this()](absl::StatusOr<registry::ListResult> result) {
                           self->result_ = std::move(result);
                           if (self->exchange()->loop()->IsLoopThread()) {
                             self->BeginAnswer();
                           } else {
                             self->exchange()->Wake();
                           }
                         });
}

void ListCall::OnWake() {
  if (!has_begun_) {
    BeginAnswer();
  }
}

void ListCall::BeginAnswer() {
  has_begun_ = true;
  if (exchange()->is_closed()) {
    return;
  }
  if (!result_.ok()) {
    is_over_ = true;
    Refuse(result_.status());
    return;
  }
  now_nanos_ = site()->WallNanos();
  SendJsonHead(exchange().get(), 200);
  std::string* const out = exchange()->buffer();
  const size_t before = out->size();
  object_form().AppendListHead({.revision = result_->revision,
                                .continue_token = result_->continue_token,
                                .remaining = result_->remaining},
                               out);
  exchange()->DataAdded(out->size() - before);
  Pump();
  if (!is_over_) {
    exchange()->WakeAt(exchange()->loop()->now_nanos() + site()->options->list_timeout_nanos);
  }
}

void ListCall::Pump() {
  if (is_over_ || !has_begun_) {
    return;
  }
  const ObjectForm form = object_form();
  std::string* const out = exchange()->buffer();
  const size_t before = out->size();
  while (next_ < result_->items.size() && exchange()->CanWrite()) {
    const registry::ListItem& item = result_->items[next_];
    form.AppendItem(item.document, item.mod_revision, next_ == 0, now_nanos_, out);
    ++next_;
  }
  is_over_ = next_ == result_->items.size();
  if (is_over_) {
    ObjectForm::AppendListTail(out);
  }
  exchange()->DataAdded(out->size() - before);
  if (is_over_) {
    exchange()->WakeAt(http::Loop::kNever);
    exchange()->Finish();
    Answered(200);
  }
}

void ListCall::OnTime() {
  if (!is_over_) {
    is_over_ = true;
    result_ = absl::CancelledError();  // what it pins must not wait for the connection's end
    exchange()->Reset(http::kResetCancel);
    Answered(504);
  }
}

}  // namespace socle::apiserver
