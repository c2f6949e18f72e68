#include "controllers/apiserver/object_form.h"

#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/object.h"

namespace socle::apiserver {
namespace {

void AppendListMeta(const ObjectForm::ListEnd& end, std::string* out) {
  fmt::format_to(std::back_inserter(*out), R"("metadata":{{"resourceVersion":"{}")", end.revision);
  if (!end.continue_token.empty()) {
    *out += R"(,"continue":)";
    AppendQuoted(end.continue_token, out);
    if (end.remaining.has_value()) {
      fmt::format_to(std::back_inserter(*out), R"(,"remainingItemCount":{})", *end.remaining);
    }
  }
  *out += "}";
}

void AppendColumn(const api::Column& column, std::string* out) {
  *out += R"({"name":)";
  AppendQuoted(column.name, out);
  *out += R"(,"type":)";
  AppendQuoted(column.type, out);
  *out += R"(,"format":)";
  AppendQuoted(column.format, out);
  *out += R"(,"description":)";
  AppendQuoted(column.description, out);
  fmt::format_to(std::back_inserter(*out), R"(,"priority":{}}})", column.priority);
}

}  // namespace

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

void ObjectForm::AppendTableHead(const ListEnd& end, bool has_columns, std::string* out) const {
  *out += R"({"kind":"Table","apiVersion":")";
  *out += form_.MetaVersion();
  *out += R"(",)";
  AppendListMeta(end, out);
  *out += R"(,"columnDefinitions":)";
  if (has_columns) {
    for (const api::Column& column : served_->kind->columns) {
      out->push_back(&column == served_->kind->columns.data() ? '[' : ',');
      AppendColumn(column, out);
    }
    *out += served_->kind->columns.empty() ? "[]" : "]";
  } else {
    *out += "null";
  }
  *out += R"(,"rows":[)";
}

void ObjectForm::AppendListHead(const ListEnd& end, std::string* out) const {
  if (form_.shape == Form::Shape::kTable) {
    AppendTableHead(end, true, out);
    return;
  }
  const bool is_whole = form_.shape == Form::Shape::kObject;
  *out += R"({"kind":")";
  *out += is_whole ? served_->kind->list_kind : "PartialObjectMetadataList";
  *out += R"(","apiVersion":")";
  *out += is_whole ? served_->ApiVersion() : std::string(form_.MetaVersion());
  *out += R"(",)";
  AppendListMeta(end, out);
  *out += R"(,"items":[)";
}

void ObjectForm::AppendMetadata(const api::Json& object, std::string* out) const {
  *out += R"({"kind":"PartialObjectMetadata","apiVersion":")";
  *out += form_.MetaVersion();
  *out += R"(","metadata":)";
  const api::Json* metadata = api::Find(object, {"metadata"});
  *out += metadata == nullptr ? "{}" : api::Dump(*metadata);
  out->push_back('}');
}

void ObjectForm::AppendRow(std::string_view document, int64_t mod_revision, int64_t now_nanos,
                           std::string* out) const {
  const api::Json object = registry::ParseServed(*served_, document, mod_revision);
  *out += R"({"cells":)";
  *out += api::Dump(api::Json(api::RowCells(*served_->kind, object, now_nanos)));
  *out += R"(,"object":)";
  switch (form_.include) {
    case Form::Include::kNone:
      *out += "null";
      break;
    case Form::Include::kMetadata:
      AppendMetadata(object, out);
      break;
    case Form::Include::kObject:
      registry::AppendServed(*served_, document, mod_revision, out);
      break;
  }
  out->push_back('}');
}

void ObjectForm::AppendItem(std::string_view document, int64_t mod_revision, bool is_first,
                            int64_t now_nanos, std::string* out) const {
  if (!is_first) {
    out->push_back(',');
  }
  switch (form_.shape) {
    case Form::Shape::kObject:
      registry::AppendServed(*served_, document, mod_revision, out);
      return;
    case Form::Shape::kMetadata:
      AppendMetadata(registry::ParseServed(*served_, document, mod_revision), out);
      return;
    case Form::Shape::kTable:
      AppendRow(document, mod_revision, now_nanos, out);
      return;
  }
}

void ObjectForm::AppendOne(std::string_view document, int64_t mod_revision, int64_t now_nanos,
                           std::string* out) const {
  AppendEventObject(document, mod_revision, now_nanos, true, out);
}

void ObjectForm::AppendEventObject(std::string_view document, int64_t mod_revision,
                                   int64_t now_nanos, bool has_columns, std::string* out) const {
  const bool is_table = form_.shape == Form::Shape::kTable;
  if (is_table) {
    AppendTableHead({.revision = mod_revision}, has_columns, out);
  }
  AppendItem(document, mod_revision, true, now_nanos, out);
  if (is_table) {
    AppendListTail(out);
  }
}

void ObjectForm::AppendBookmark(int64_t revision, bool is_initial_end, std::string* out) const {
  if (form_.shape == Form::Shape::kTable) {
    AppendTableHead({.revision = revision}, false, out);
    AppendListTail(out);
    return;
  }
  const bool is_whole = form_.shape == Form::Shape::kObject;
  fmt::format_to(std::back_inserter(*out),
                 R"({{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"{}")",
                 is_whole ? served_->kind->kind : "PartialObjectMetadata",
                 is_whole ? served_->ApiVersion() : std::string(form_.MetaVersion()), revision);
  *out += R"(,"creationTimestamp":null)";
  if (is_initial_end) {
    *out += R"(,"annotations":{"k8s.io/initial-events-end":"true"})";
  }
  *out += "}}";
}

uint64_t ObjectForm::EncodingId() const {
  // The served kind lives for ever at its address; below it there is room for the form.
  const uint64_t kind = reinterpret_cast<uintptr_t>(served_);
  const uint64_t form = (static_cast<uint64_t>(form_.shape) << 4U) |
                        (static_cast<uint64_t>(form_.include) << 1U) | (form_.is_v1beta1 ? 1U : 0U);
  return (kind << 8U) | form;
}

}  // namespace socle::apiserver
