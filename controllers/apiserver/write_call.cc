#include "controllers/apiserver/write_call.h"

#include <utility>

#include "controllers/apiserver/body.h"
#include "controllers/apiserver/responses.h"
#include "kv/base/status_macros.h"

namespace socle::apiserver {

namespace http = server::http;
using Endpoint = ResourceRequest::Endpoint;

WriteCall::WriteCall(Site* site, CallHead head, std::shared_ptr<http::Exchange> exchange,
                     std::string_view content_type)
    : BodyCall(site, std::move(head), std::move(exchange)), content_type_(content_type) {}

void WriteCall::Execute(std::string body) {
  if (const absl::Status submitted = Submit(body); !submitted.ok()) {
    Refuse(submitted);
  }
}

absl::Status WriteCall::Submit(const std::string& body) {
  const bool is_to_pod = asked().subresource_name() == "binding" ||
                         asked().subresource_name() == "eviction" ||
                         asked().endpoint == Endpoint::kBindings;
  if (asked().endpoint == Endpoint::kReview) {
    return Review(body);
  }
  if (is_to_pod) {
    return SubmitToPod(body);
  }
  switch (asked().verb) {
    case Verb::kCreate:
      return SubmitCreate(body);
    case Verb::kUpdate:
      return SubmitUpdate(body);
    case Verb::kPatch:
      return SubmitPatch(body);
    case Verb::kDelete:
      return SubmitDelete(body);
    default:
      return MethodNotAllowed();
  }
}

absl::Status WriteCall::SubmitCreate(const std::string& body) {
  ASSIGN_OR_RETURN(const registry::Strictness strictness, StrictnessOf(head().options));
  ASSIGN_OR_RETURN(BodyObject parsed, ParseObject(asked(), content_type_, body, strictness));
  registry::CreateRequest request{.target = target(), .strictness = strictness};
  request.object = std::move(parsed.object);
  request.duplicate_fields = std::move(parsed.duplicate_fields);
  site()->registry->Create(write_context(), std::move(request), TakeResult());
  return absl::OkStatus();
}

absl::Status WriteCall::SubmitUpdate(const std::string& body) {
  ASSIGN_OR_RETURN(const registry::Strictness strictness, StrictnessOf(head().options));
  ASSIGN_OR_RETURN(BodyObject parsed, ParseObject(asked(), content_type_, body, strictness));
  registry::UpdateRequest request{.target = target(),
                                  .subresource = std::string(asked().subresource_name()),
                                  .strictness = strictness};
  request.object = std::move(parsed.object);
  request.duplicate_fields = std::move(parsed.duplicate_fields);
  site()->registry->Update(write_context(), std::move(request), TakeResult());
  return absl::OkStatus();
}

absl::Status WriteCall::SubmitPatch(const std::string& body) {
  ASSIGN_OR_RETURN(const registry::Strictness strictness, StrictnessOf(head().options));
  ASSIGN_OR_RETURN(BodyPatch parsed, ParsePatch(asked(), content_type_, body));
  registry::PatchRequest request{.target = target(),
                                 .type = parsed.type,
                                 .subresource = std::string(asked().subresource_name()),
                                 .strictness = strictness};
  request.patch = std::move(parsed.patch);
  site()->registry->Patch(write_context(), std::move(request), TakeResult());
  return absl::OkStatus();
}

absl::Status WriteCall::SubmitDelete(const std::string& body) {
  ASSIGN_OR_RETURN(DeleteOptions options, ParseDeleteOptions(head().options, content_type_, body));
  options.request.target = target();
  registry::WriteContext context = write_context();
  context.is_dry_run = options.is_dry_run;
  site()->registry->Delete(std::move(context), std::move(options.request), TakeResult());
  return absl::OkStatus();
}

absl::Status WriteCall::SubmitToPod(const std::string& body) {
  ASSIGN_OR_RETURN(const BodyObject parsed,
                   ParseObject(asked(), content_type_, body, registry::Strictness::kIgnore));
  registry::Target pod = target();
  if (pod.name.empty()) {
    pod.name = api::StringAt(parsed.object, {"metadata", "name"});
    if (pod.name.empty()) {
      return registry::BadRequest("name must be provided");
    }
  }
  if (asked().subresource_name() == "eviction") {
    site()->registry->Evict(write_context(), pod, parsed.object, TakeResult());
  } else {
    site()->registry->Bind(write_context(), pod, parsed.object, TakeResult());
  }
  return absl::OkStatus();
}

// Nothing is forbidden to whoever was let in.
absl::Status WriteCall::Review(const std::string& body) {
  ASSIGN_OR_RETURN(BodyObject parsed,
                   ParseObject(asked(), content_type_, body, registry::Strictness::kIgnore));
  api::JsonObject& status = api::EnsureObject(&parsed.object, {"status"});
  status.clear();
  api::Set(&status, "allowed", true);
  RespondJson(exchange().get(), 201, api::Dump(parsed.object));
  Answered(201);
  return absl::OkStatus();
}

registry::Done WriteCall::TakeResult() {
  return [self = shared_from_this()](absl::StatusOr<registry::Written> written) {
    self->result_ = std::move(written);
    self->exchange()->Wake();
  };
}

void WriteCall::OnWake() {
  if (!result_.ok()) {
    Refuse(result_.status());
    return;
  }
  Answer();
}

void WriteCall::Answer() {
  const registry::Written& written = *result_;
  const std::string_view part = asked().subresource_name();
  if (part == "binding" || part == "eviction" || asked().endpoint == Endpoint::kBindings) {
    RespondJson(exchange().get(), 201, SuccessText(201, "", "", "", ""));
    Answered(201);
  } else if (part == "scale") {
    AnswerScale(written);
  } else if (asked().verb == Verb::kDelete && written.is_removed) {
    const api::Json object = written.Parse();
    RespondJson(exchange().get(), 200,
                SuccessText(200, asked().served->kind->group, asked().served->kind->resource,
                            asked().name, api::StringAt(object, {"metadata", "uid"})));
    Answered(200);
  } else {
    AnswerObject(written);
  }
}

void WriteCall::AnswerObject(const registry::Written& written) {
  const bool is_created = asked().verb == Verb::kCreate || written.is_created;
  const int code = is_created ? 201 : 200;
  SendJsonHead(exchange().get(), code, written.warnings);
  std::string body;
  object_form().AppendOne(written.document, written.mod_revision, site()->WallNanos(), &body);
  exchange()->SendData(std::move(body));
  exchange()->Finish();
  Answered(code);
}

void WriteCall::AnswerScale(const registry::Written& written) {
  const api::ServedKind& served = *asked().served;
  const absl::StatusOr<registry::ObjectRef> object = registry::DecodeObject(
      *served.kind, registry::ObjectKey(*served.kind, asked().ns, asked().name), written.document,
      written.create_revision, written.mod_revision);
  if (!object.ok()) {
    Refuse(object.status());
    return;
  }
  const absl::StatusOr<api::Json> scale = registry::ScaleOf(served, **object);
  if (!scale.ok()) {
    Refuse(scale.status());
    return;
  }
  RespondJson(exchange().get(), 200, api::Dump(*scale), written.warnings);
  Answered(200);
}

}  // namespace socle::apiserver
