#include "controllers/apiserver/testing/api_client.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::apiserver {

api::Json ApiClient::Answer::Parse() const {
  absl::StatusOr<api::Json> parsed = api::ParseJson(body);
  CHECK_OK(parsed.status());
  return *std::move(parsed);
}

std::string ApiClient::Answer::Reason() const {
  return std::string(api::StringAt(Parse(), {"reason"}));
}

std::string ApiClient::Answer::Message() const {
  return std::string(api::StringAt(Parse(), {"message"}));
}

void ApiClient::SendRequest(std::string_view method, std::string_view path, std::string_view body,
                            const Fields& fields) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n", method, path);
  for (const auto& [name, value] : fields) {
    if (!value.empty()) {
      head += fmt::format("{}: {}\r\n", name, value);
    }
  }
  if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    head += fmt::format("Content-Length: {}\r\n", body.size());
  }
  head += "\r\n";
  socket_.Send(head.append(body));  // a server that refuses large bodies may be gone
}

ApiClient::Answer ApiClient::Get(std::string_view path, std::string_view accept) {
  return Send("GET", path, {}, {}, {{"Accept", std::string(accept)}});
}

ApiClient::Answer ApiClient::Send(std::string_view method, std::string_view path,
                                  std::string_view body, std::string_view content_type,
                                  const Fields& more) {
  Fields fields = more;
  if (!body.empty()) {
    fields.emplace_back("Content-Type", content_type);
  }
  SendRequest(method, path, body, fields);
  Answer answer = ReadHead();
  ReadBody(&answer);
  return answer;
}

ApiClient::Answer ApiClient::Watch(std::string_view path, std::string_view accept) {
  SendRequest("GET", path, {}, {{"Accept", std::string(accept)}});
  Answer answer = ReadHead();
  // A watch that was over before its head was written has a length.
  is_whole_ = answer.fields.contains("content-length");
  if (answer.status != 200 || is_whole_) {
    ReadBody(&answer);
    line_ = answer.body;
  }
  return answer;
}

std::optional<api::Json> ApiClient::NextEvent() {
  size_t end = 0;
  while ((end = line_.find('\n')) == std::string::npos) {
    const std::optional<std::string> chunk = is_whole_ ? std::nullopt : ReadChunk();
    if (!chunk.has_value()) {
      return std::nullopt;
    }
    line_ += *chunk;
  }
  absl::StatusOr<api::Json> event = api::ParseJson(line_.substr(0, end));
  CHECK_OK(event.status());
  line_.erase(0, end + 1);
  return *std::move(event);
}

ApiClient::Answer ApiClient::ReadHead() {
  Answer answer;
  const std::string first = ReadLine();
  CHECK(first.starts_with("HTTP/1.1 "));
  std::from_chars(first.data() + 9, first.data() + first.size(), answer.status);
  for (std::string line = ReadLine(); !line.empty(); line = ReadLine()) {
    const size_t colon = line.find(':');
    CHECK(colon != std::string::npos);
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    answer.fields[name] = line.substr(std::min(colon + 2, line.size()));
  }
  return answer;
}

void ApiClient::ReadBody(Answer* answer) {
  if (const auto length = answer->fields.find("content-length"); length != answer->fields.end()) {
    answer->body = ReadBytes(std::stoul(length->second));
    return;
  }
  CHECK(answer->fields["transfer-encoding"] == "chunked");
  for (auto chunk = ReadChunk(); chunk.has_value(); chunk = ReadChunk()) {
    answer->body += *chunk;
  }
}

std::optional<std::string> ApiClient::ReadChunk() {
  if (received_.empty() && !ReadMore()) {
    return std::nullopt;
  }
  const std::string size_text = ReadLine();
  size_t size = 0;
  std::from_chars(size_text.data(), size_text.data() + size_text.size(), size, 16);
  std::string chunk = ReadBytes(size);
  CHECK(ReadLine().empty());
  return size == 0 ? std::nullopt : std::optional(std::move(chunk));
}

std::string ApiClient::ReadLine() {
  size_t end = 0;
  while ((end = received_.find("\r\n")) == std::string::npos) {
    CHECK(ReadMore());
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 2);
  return line;
}

std::string ApiClient::ReadBytes(size_t count) {
  while (received_.size() < count) {
    CHECK(ReadMore());
  }
  std::string bytes = received_.substr(0, count);
  received_.erase(0, count);
  return bytes;
}

bool ApiClient::ReadMore() {
  const std::string more = socket_.ReadSome();
  CHECK(more != "<timeout>");
  received_ += more;
  return !more.empty();
}

}  // namespace socle::apiserver
