#include "controllers/apiserver/negotiation.h"

#include <algorithm>
#include <functional>

#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kAnything = "*/*";
constexpr std::string_view kMetaGroup = "meta.k8s.io";
constexpr std::string_view kDiscoveryGroup = "apidiscovery.k8s.io";
constexpr std::string_view kOpenApiProtobuf =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
constexpr std::string_view kOpenApiProtobufNew =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

std::string_view Trimmed(std::string_view text) {
  const size_t start = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(start);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// Cuts the piece before `separator` off the front, trimmed.
std::string_view NextPiece(std::string_view* text, char separator) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view piece = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return Trimmed(piece);
}

struct Clause {
  std::string_view type;
  std::string_view as;
  std::string_view group;
  std::string_view version;
  bool is_refused = false;  // q=0

  bool is_json() const { return type == kJson || type == kAnything || type == "application/*"; }
};

Clause ParseClause(std::string_view text) {
  Clause clause{.type = NextPiece(&text, ';')};
  while (!text.empty()) {
    std::string_view value = NextPiece(&text, ';');
    const std::string_view name = NextPiece(&value, '=');
    value = Trimmed(value);
    if (name == "as") {
      clause.as = value;
    } else if (name == "g") {
      clause.group = value;
    } else if (name == "v") {
      clause.version = value;
    } else if (name == "q") {
      clause.is_refused = value == "0" || value == "0.0";
    }
  }
  return clause;
}

// The first clause that `takes` takes. False: none.
template <typename Takes>
bool AnyClause(std::string_view accept, Takes takes) {
  while (!accept.empty()) {
    const Clause clause = ParseClause(NextPiece(&accept, ','));
    if (!clause.type.empty() && !clause.is_refused && takes(clause)) {
      return true;
    }
  }
  return false;
}

absl::Status NotAcceptable(std::string_view types) {
  return registry::MakeStatus(
      {.reason = registry::Reason::kNotAcceptable,
       .message = "only the following media types are accepted: " + std::string(types)});
}

bool TakesForm(const Clause& clause, Form* form) {
  if (!clause.is_json()) {
    return false;
  }
  if (clause.as.empty()) {
    form->shape = Form::Shape::kObject;
    return true;
  }
  const bool is_known = clause.group == kMetaGroup && clause.type == kJson &&
                        (clause.version == "v1" || clause.version == "v1beta1");
  if (!is_known) {
    return false;
  }
  form->is_v1beta1 = clause.version == "v1beta1";
  if (clause.as == "Table") {
    form->shape = Form::Shape::kTable;
    return true;
  }
  form->shape = Form::Shape::kMetadata;
  return clause.as == "PartialObjectMetadata" || clause.as == "PartialObjectMetadataList";
}

}  // namespace

std::string_view Form::MetaVersion() const {
  return is_v1beta1 ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
}

absl::StatusOr<Form> NegotiateForm(std::string_view accept, std::string_view include_object) {
  Form form;
  if (!Trimmed(accept).empty() &&
      !AnyClause(accept, [&form](const Clause& clause) { return TakesForm(clause, &form); })) {
    return NotAcceptable(kJson);
  }
  if (include_object == "None") {
    form.include = Form::Include::kNone;
  } else if (include_object == "Object") {
    form.include = Form::Include::kObject;
  } else if (!include_object.empty() && include_object != "Metadata") {
    return registry::BadRequest("unrecognized includeObject value: " + std::string(include_object));
  }
  return form;
}

absl::StatusOr<DiscoveryForm> NegotiateDiscovery(std::string_view accept) {
  DiscoveryForm form = DiscoveryForm::kPlain;
  const auto takes = [&form](const Clause& clause) {
    if (!clause.is_json()) {
      return false;
    }
    if (clause.as.empty()) {
      form = DiscoveryForm::kPlain;
      return true;
    }
    form =
        clause.version == "v2" ? DiscoveryForm::kAggregatedV2 : DiscoveryForm::kAggregatedV2beta1;
    return clause.as == "APIGroupDiscoveryList" && clause.group == kDiscoveryGroup &&
           (clause.version == "v2" || clause.version == "v2beta1");
  };
  if (!Trimmed(accept).empty() && !AnyClause(accept, takes)) {
    return NotAcceptable(kJson);
  }
  return form;
}

absl::StatusOr<OpenApiForm> NegotiateOpenApi(std::string_view accept) {
  OpenApiForm form = OpenApiForm::kJson;
  const auto takes = [&form](const Clause& clause) {
    const bool is_protobuf = clause.type == kOpenApiProtobuf || clause.type == kOpenApiProtobufNew;
    form = is_protobuf ? OpenApiForm::kProtobuf : OpenApiForm::kJson;
    return is_protobuf || clause.is_json();
  };
  if (!Trimmed(accept).empty() && !AnyClause(accept, takes)) {
    return NotAcceptable(
        "application/json, application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
  }
  return form;
}

std::string_view MediaType(std::string_view content_type) {
  return NextPiece(&content_type, ';');
}

}  // namespace socle::apiserver
