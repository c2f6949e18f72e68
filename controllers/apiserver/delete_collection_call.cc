#include "controllers/apiserver/delete_collection_call.h"

#include <utility>

#include "controllers/apiserver/responses.h"
#include "kv/base/status_macros.h"

namespace socle::apiserver {
namespace {

namespace http = server::http;

constexpr size_t kDeletesAtOnce = 32;

bool IsGone(const absl::Status& status) {
  const std::optional<registry::Reason> reason = registry::ReasonOf(status);
  return reason == registry::Reason::kNotFound || reason == registry::Reason::kConflict;
}

}  // namespace

DeleteCollectionCall::DeleteCollectionCall(Site* site, CallHead head,
                                           std::shared_ptr<http::Exchange> exchange,
                                           std::string_view content_type)
    : BodyCall(site, std::move(head), std::move(exchange)), content_type_(content_type) {}

void DeleteCollectionCall::Execute(std::string body) {
  if (const absl::Status begun = Begin(body); !begun.ok()) {
    is_over_ = true;
    Refuse(begun);
  }
}

absl::Status DeleteCollectionCall::Begin(const std::string& body) {
  ASSIGN_OR_RETURN(options_, ParseDeleteOptions(head().options, content_type_, body));
  ASSIGN_OR_RETURN(registry::ListRequest request, ListRequestOf(asked(), head().options));
  site()->registry->List(
      std::move(request), [self = shared_from_this()](absl::StatusOr<registry::ListResult> list) {
        {
          MutexLock lock(&self->mu_);
          self->list_ = std::make_unique<absl::StatusOr<registry::ListResult>>(std::move(list));
        }
        self->exchange()->Wake();
      });
  return absl::OkStatus();
}

absl::Status DeleteCollectionCall::CollectVictims() {
  std::unique_ptr<absl::StatusOr<registry::ListResult>> list;
  {
    MutexLock lock(&mu_);
    list = std::move(list_);
  }
  if (list == nullptr) {
    return absl::OkStatus();
  }
  has_list_ = true;
  RETURN_IF_ERROR(list->status());
  for (const registry::ListItem& item : (*list)->items) {
    ASSIGN_OR_RETURN(const api::Json object, api::ParseJson(item.document));
    victims_.push_back({.ns = std::string(api::StringAt(object, {"metadata", "namespace"})),
                        .name = std::string(api::StringAt(object, {"metadata", "name"})),
                        .uid = std::string(api::StringAt(object, {"metadata", "uid"}))});
  }
  return absl::OkStatus();
}

void DeleteCollectionCall::OnWake() {
  if (is_over_) {
    return;
  }
  absl::Status status = has_list_ ? absl::OkStatus() : CollectVictims();
  std::vector<absl::Status> answers;
  {
    MutexLock lock(&mu_);
    answers.swap(answers_);
  }
  under_way_ -= answers.size();
  for (absl::Status& answer : answers) {
    if (status.ok() && !answer.ok() && !IsGone(answer)) {
      status = std::move(answer);
    }
  }
  if (!status.ok()) {
    is_over_ = true;
    Refuse(status);
    return;
  }
  if (has_list_) {
    DeleteMore();
  }
}

void DeleteCollectionCall::DeleteMore() {
  while (next_ < victims_.size() && under_way_ < kDeletesAtOnce) {
    Victim& victim = victims_[next_++];
    ++under_way_;
    registry::DeleteRequest request = options_.request;
    request.target = {
        .served = asked().served, .ns = std::move(victim.ns), .name = std::move(victim.name)};
    request.uid = std::move(victim.uid);
    registry::WriteContext context = write_context();
    context.is_dry_run = options_.is_dry_run;
    site()->registry->Delete(std::move(context), std::move(request),
                             [self = shared_from_this()](absl::StatusOr<registry::Written> answer) {
                               {
                                 MutexLock lock(&self->mu_);
                                 self->answers_.push_back(answer.status());
                               }
                               self->exchange()->Wake();
                             });
  }
  if (next_ == victims_.size() && under_way_ == 0) {
    is_over_ = true;
    RespondJson(exchange().get(), 200, SuccessText(200, "", "", "", ""));
    Answered(200);
  }
}

}  // namespace socle::apiserver
