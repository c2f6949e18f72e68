#include "bench/rest/rest_client.h"

#include <charconv>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

namespace socle::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr uint64_t kBodyMax = uint64_t{4} << 30U;

absl::Status Broken(std::string_view what, const boost::system::error_code& error) {
  return absl::UnavailableError(fmt::format("{}: {}", what, error.message()));
}

}  // namespace

absl::StatusOr<RestAddress> ParseRestUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  RestAddress address;
  const std::string_view rest = url.starts_with(kScheme) ? url.substr(kScheme.size()) : url;
  const size_t colon = rest.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (!url.starts_with(kScheme) || colon == 0 || error != std::errc() || port.empty() ||
      end != port.data() + port.size()) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is no address of a plane; write http://host:port", url));
  }
  address.host = rest.substr(0, colon);
  return address;
}

struct RestClient::Connection {
  asio::io_context context{1};
  asio::ip::tcp::socket socket{context};
  boost::beast::flat_buffer buffer;
};

RestClient::RestClient(RestAddress address) : address_(std::move(address)) {}

RestClient::~RestClient() = default;

absl::StatusOr<RestResponse> RestClient::Send(const RestRequest& request) {
  boost::system::error_code error;
  if (connection_ == nullptr) {
    auto fresh = std::make_unique<Connection>();
    const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address_.host, error),
                                           address_.port);
    if (!error) {
      fresh->socket.connect(endpoint, error);
    }
    if (error) {
      return Broken(fmt::format("connecting to {}:{}", address_.host, address_.port), error);
    }
    fresh->socket.set_option(asio::ip::tcp::no_delay(true), error);
    connection_ = std::move(fresh);
  }
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\nAccept: application/json\r\n",
                                 request.method, request.target, address_.host, address_.port);
  if (!request.body.empty()) {
    head += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", request.content_type,
                        request.body.size());
  }
  head += "\r\n";
  head += request.body;
  asio::write(connection_->socket, asio::buffer(head), error);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyMax);
  if (!error) {
    http::read(connection_->socket, connection_->buffer, parser, error);
  }
  if (error) {
    connection_.reset();
    return Broken(fmt::format("{} {}", request.method, request.target), error);
  }
  if (!parser.get().keep_alive()) {
    connection_.reset();
  }
  auto message = parser.release();
  return RestResponse{.status = static_cast<int>(message.result_int()),
                      .body = std::move(message.body())};
}

}  // namespace socle::bench
