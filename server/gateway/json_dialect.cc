#include "server/gateway/json_dialect.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/gateway/json_reader.h"
#include "server/gateway/json_text.h"
#include "server/gateway/json_writer.h"
#include "server/h2/grpc_frame.h"

namespace socle::server::gateway {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::google::protobuf::MethodDescriptor;

constexpr http::Field kContentType = {"content-type", "application/json", true};
constexpr http::Field kGrpcContentType = {"grpc-metadata-content-type", "application/grpc", true};

std::unique_ptr<Message> MakeMessage(const Descriptor* type) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// As Go's http.StatusText.
std::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "";
  }
}

// For a client that waits for one answer.
std::string ErrorOfAnswer(const absl::Status& status) {
  std::string body = "{\"error\":";
  AppendJsonString(MessageOf(status), &body);
  body += ",\"message\":";
  AppendJsonString(MessageOf(status), &body);
  body += fmt::format(",\"code\":{},\"details\":[]}}", static_cast<int>(status.code()));
  return body;
}

// For one that reads a stream.
std::string ErrorOfStream(const absl::Status& status) {
  const int http_code = HttpStatusOf(status.code());
  std::string body = fmt::format("{{\"error\":{{\"grpc_code\":{},\"http_code\":{},\"message\":",
                                 static_cast<int>(status.code()), http_code);
  AppendJsonString(MessageOf(status), &body);
  body += fmt::format(",\"http_status\":\"{}\"}}}}", ReasonOf(http_code));
  return body;
}

void Respond(int status, std::string body, const CorsOrigin& cors, http::Exchange* exchange) {
  std::vector<http::Field> fields = {kContentType};
  cors.AddTo(&fields);
  exchange->Respond(status, fields, std::move(body));
}

}  // namespace

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

void RefuseInJson(const absl::Status& status, const CorsOrigin& cors, http::Exchange* exchange) {
  Respond(HttpStatusOf(status.code()), ErrorOfAnswer(status), cors, exchange);
}

JsonDialect::JsonDialect(const MethodDescriptor* method, size_t message_bytes_max, CorsOrigin cors,
                         RangeWriter* range_writer)
    : method_(method),
      message_bytes_max_(message_bytes_max),
      cors_(std::move(cors)),
      range_writer_(range_writer),
      request_(MakeMessage(method->input_type())),
      response_(MakeMessage(method->output_type())) {}

absl::StatusOr<std::optional<std::string_view>> JsonDialect::Take(std::string_view* in,
                                                                  bool has_ended) {
  if (!is_deaf_) {
    absl::StatusOr<std::optional<std::string_view>> message = TakeValue(in, has_ended);
    if (!message.ok() || message->has_value()) {
      return message;
    }
  }
  if (is_deaf_ || has_ended) {
    *in = {};
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<std::string_view>> JsonDialect::TakeValue(std::string_view* in,
                                                                       bool has_ended) {
  JsonScanner::Found found = scanner_.Scan(*in, &scanned_);
  if (found == JsonScanner::Found::kMore && !scanner_.has_begun()) {
    in->remove_prefix(std::exchange(scanned_, 0));  // space
    if (!has_ended || method_->client_streaming() || taken_ > 0) {
      return std::nullopt;
    }
    return Encode("null");
  }
  if (scanned_ > TextBytesMax(message_bytes_max_)) {
    PROBE("gateway: a value that is too long");
    is_refused_ = true;
    return absl::ResourceExhaustedError(
        fmt::format("the JSON of one request is longer than {} bytes: send less at a time",
                    TextBytesMax(message_bytes_max_)));
  }
  if (found == JsonScanner::Found::kMore && has_ended) {
    found = scanner_.ScanEnd();
    if (found == JsonScanner::Found::kError) {
      return Refuse("unexpected EOF");
    }
  }
  if (found == JsonScanner::Found::kError) {
    return Refuse(scanner_.error());
  }
  if (found == JsonScanner::Found::kMore) {
    return std::nullopt;
  }
  const std::string_view json = in->substr(0, scanned_);
  in->remove_prefix(std::exchange(scanned_, 0));
  return Encode(json);
}

absl::StatusOr<std::optional<std::string_view>> JsonDialect::Refuse(std::string_view text) {
  is_deaf_ = true;
  if (method_->client_streaming() && taken_ > 0) {
    PROBE("gateway: bad JSON ends the client's side of a stream");
    return std::nullopt;
  }
  is_refused_ = true;
  return method_->client_streaming() ? absl::UnknownError(fmt::format("{}", text))
                                     : absl::InvalidArgumentError(fmt::format("{}", text));
}

absl::StatusOr<std::optional<std::string_view>> JsonDialect::Encode(std::string_view json) {
  request_->Clear();
  if (const absl::Status read = ReadJson(json, request_.get()); !read.ok()) {
    return Refuse(MessageOf(read));
  }
  serialised_.clear();
  request_->AppendToString(&serialised_);
  if (serialised_.size() > message_bytes_max_) {
    is_refused_ = true;
    return absl::ResourceExhaustedError(
        fmt::format("grpc: received message larger than max ({} vs. {})", serialised_.size(),
                    message_bytes_max_));
  }
  ++taken_;
  is_deaf_ = !method_->client_streaming();
  return serialised_;
}

void JsonDialect::SendHead(http::Exchange* exchange) {
  std::vector<http::Field> fields = {kContentType, kGrpcContentType};
  cors_.AddTo(&fields);
  exchange->SendHead(200, fields);
}

void JsonDialect::Translate(size_t start, std::string* out) {
  const std::string_view message = std::string_view(*out).substr(start + h2::kPrefixBytes);
  CHECK(response_->ParseFromArray(message.data(), static_cast<int>(message.size())));
  out->resize(start);
  if (!method_->server_streaming()) {
    AppendJson(*response_, out);
    return;
  }
  *out += "{\"result\":";
  AppendJson(*response_, out);
  *out += "}\n";
}

void JsonDialect::End(const absl::Status& status, bool has_head, http::Exchange* exchange) {
  if (!has_head && status.ok()) {
    Respond(200, {}, cors_, exchange);
  } else if (!has_head) {
    const bool is_stream = method_->server_streaming() && !is_refused_;
    Respond(HttpStatusOf(status.code()), is_stream ? ErrorOfStream(status) : ErrorOfAnswer(status),
            cors_, exchange);
  } else {
    if (!status.ok()) {
      exchange->SendData(ErrorOfStream(status));
    }
    exchange->Finish();
  }
}

}  // namespace socle::server::gateway
