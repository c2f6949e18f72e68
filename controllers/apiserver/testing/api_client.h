// ApiClient: a blocking client of the API over one HTTP/1.1 connection, for tests.
//
//   ApiClient client(server->port());
//   EXPECT_EQ(client.Get("/api/v1/nodes").status, 200);
//
// Threads  thread-compatible.
// Errors   an answer that does not come within five seconds, or is no HTTP, fails a CHECK.
#ifndef SOCLE_CONTROLLERS_APISERVER_TESTING_API_CLIENT_H_
#define SOCLE_CONTROLLERS_APISERVER_TESTING_API_CLIENT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"
#include "server/wire/http/testing/clients.h"

namespace socle::apiserver {

class ApiClient {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  struct Answer {
    int status = 0;
    std::map<std::string, std::string> fields;  // names in lower case
    std::string body;

    // Of a body that is JSON.
    api::Json Parse() const;
    // metav1.Status
    std::string Reason() const;
    std::string Message() const;
  };

  explicit ApiClient(uint16_t port, int receive_buffer_bytes = 0)
      : socket_(port, receive_buffer_bytes) {}

  Answer Get(std::string_view path, std::string_view accept = {});
  Answer Send(std::string_view method, std::string_view path, std::string_view body = {},
              std::string_view content_type = "application/json", const Fields& more = {});

  // Begins a watch; the head of its answer (and the body, when it is none). One per client.
  Answer Watch(std::string_view path, std::string_view accept = {});
  // The next event; nullopt: the watch is over.
  std::optional<api::Json> NextEvent();

  server::http::RawClient& socket() { return socket_; }

 private:
  void SendRequest(std::string_view method, std::string_view path, std::string_view body,
                   const Fields& fields);
  Answer ReadHead();
  void ReadBody(Answer* answer);
  // nullopt: the end.
  std::optional<std::string> ReadChunk();
  std::string ReadLine();
  std::string ReadBytes(size_t count);
  bool ReadMore();

  server::http::RawClient socket_;
  std::string received_;
  std::string line_;  // of a watch, not complete yet
  bool is_whole_ = false;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_TESTING_API_CLIENT_H_
