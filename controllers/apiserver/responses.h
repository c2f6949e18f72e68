// Responses: the few ways to answer an exchange: JSON, text, and the Status document of a refusal.
//
// Threads  as Exchange: any.
// Source   spec controllers 9.3 (errors).
#ifndef SOCLE_CONTROLLERS_APISERVER_RESPONSES_H_
#define SOCLE_CONTROLLERS_APISERVER_RESPONSES_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "server/wire/http/exchange.h"

namespace socle::apiserver {

inline constexpr std::string_view kJsonType = "application/json";

// What every answer says besides its content type.
void SendJsonHead(server::http::Exchange* exchange, int status,
                  const std::vector<std::string>& warnings = {});
void RespondJson(server::http::Exchange* exchange, int status, std::string body,
                 const std::vector<std::string>& warnings = {});
void RespondBytes(server::http::Exchange* exchange, int status, std::string_view content_type,
                  std::string body);
// `ok`
void RespondText(server::http::Exchange* exchange, int status, std::string body);

// The Status document; returns its code.
int RespondError(server::http::Exchange* exchange, const absl::Status& error);
// 501: a conversation with a node that this plane does not have.
int RespondNotImplemented(server::http::Exchange* exchange, std::string_view message);

// The document of a failure, as a watch's ERROR event has it too.
std::string ErrorText(const absl::Status& error);

// {"kind":"Status",…,"status":"Success","details":{…},"code":…}
std::string SuccessText(int code, std::string_view group, std::string_view resource,
                        std::string_view name, std::string_view uid);

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_RESPONSES_H_
