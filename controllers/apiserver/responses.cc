#include "controllers/apiserver/responses.h"

#include <utility>

#include <fmt/format.h>

#include "controllers/api/json.h"
#include "controllers/apiserver/object_form.h"
#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

namespace http = server::http;

constexpr http::Field kJsonField{"content-type", kJsonType, true};
constexpr http::Field kNoCache{"cache-control", "no-cache, private", true};

}  // namespace

void SendJsonHead(http::Exchange* exchange, int status, const std::vector<std::string>& warnings) {
  if (warnings.empty()) {
    constexpr http::Field kFields[] = {kJsonField, kNoCache};
    exchange->SendHead(status, kFields);
    return;
  }
  std::vector<std::string> texts;
  texts.reserve(warnings.size());
  std::vector<http::Field> fields = {kJsonField, kNoCache};
  for (const std::string& warning : warnings) {
    std::string& text = texts.emplace_back("299 - ");
    AppendQuoted(warning, &text);
    fields.push_back({"warning", text});
  }
  exchange->SendHead(status, fields);
}

void RespondJson(http::Exchange* exchange, int status, std::string body,
                 const std::vector<std::string>& warnings) {
  SendJsonHead(exchange, status, warnings);
  exchange->SendData(std::move(body));
  exchange->Finish();
}

void RespondBytes(http::Exchange* exchange, int status, std::string_view content_type,
                  std::string body) {
  const http::Field fields[] = {{"content-type", content_type}, kNoCache};
  exchange->Respond(status, fields, std::move(body));
}

void RespondText(http::Exchange* exchange, int status, std::string body) {
  RespondBytes(exchange, status, "text/plain; charset=utf-8", std::move(body));
}

std::string ErrorText(const absl::Status& error) {
  return api::Dump(registry::StatusDocument(registry::ErrorOf(error)));
}

int RespondError(http::Exchange* exchange, const absl::Status& error) {
  const registry::ApiError refusal = registry::ErrorOf(error);
  const int code = registry::CodeOf(refusal.reason);
  const std::string retry = fmt::format("{}", refusal.retry_after_seconds);
  const http::Field fields[] = {kJsonField, kNoCache, {"retry-after", retry}};
  exchange->Respond(code, http::Fields(fields).first(refusal.retry_after_seconds > 0 ? 3 : 2),
                    api::Dump(registry::StatusDocument(refusal)));
  return code;
}

int RespondNotImplemented(http::Exchange* exchange, std::string_view message) {
  constexpr int kNotImplemented = 501;
  std::string body =
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)";
  AppendQuoted(message, &body);
  body += R"(,"reason":"NotImplemented","code":501})";
  RespondJson(exchange, kNotImplemented, std::move(body));
  return kNotImplemented;
}

std::string SuccessText(int code, std::string_view group, std::string_view resource,
                        std::string_view name, std::string_view uid) {
  std::string text = R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success")";
  if (!name.empty()) {
    text += R"(,"details":{"name":)";
    AppendQuoted(name, &text);
    if (!group.empty()) {
      text += R"(,"group":)";
      AppendQuoted(group, &text);
    }
    text += R"(,"kind":)";
    AppendQuoted(resource, &text);
    if (!uid.empty()) {
      text += R"(,"uid":)";
      AppendQuoted(uid, &text);
    }
    text += "}";
  }
  text += fmt::format(R"(,"code":{}}})", code);
  return text;
}

}  // namespace socle::apiserver
