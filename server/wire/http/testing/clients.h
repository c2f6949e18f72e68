// Clients: a raw client and a scripted HTTP/2 client, for tests of servers.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_WIRE_HTTP_TESTING_CLIENTS_H_
#define SOCLE_SERVER_WIRE_HTTP_TESTING_CLIENTS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace socle::server::http {

// A connected loopback socket that is closed at the end of its scope.
class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer_bytes = 0);
  explicit RawClient(const std::string& unix_path);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  int fd() const { return fd_; }

  // False when the peer has gone.
  bool Send(std::string_view bytes) const;
  // Waits up to five seconds; empty when the peer closed or said nothing.
  std::string ReadSome() const;
  // Reads until `text` was seen or the peer closed.
  std::string ReadUntil(std::string_view text) const;
  // Everything until the peer closes; ends with "<timeout>" when it does not.
  std::string ReadToEnd() const;
  void Close();

 private:
  int fd_;
};

class Http2Client {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  struct Stream {
    std::map<std::string, std::string> fields;  // head and trailers
    std::string body;
    bool is_closed = false;
    uint32_t error = 0;
  };

  struct Options {
    uint32_t stream_window_bytes = 65'535;
    int32_t connection_window_bytes = 64 << 20;
    bool grants_windows = true;  // false: what is received is never acknowledged
    std::string unix_path = {};  // instead of the port
    std::string authority = "test";
  };

  explicit Http2Client(uint16_t port) : Http2Client(port, Options{}) {}

  Http2Client(uint16_t port, Options options);
  ~Http2Client();

  // `has_more`: the request body stays open for SendBody.
  int32_t Request(std::string_view method, std::string_view path, std::string body = {},
                  const Fields& fields = {}, bool has_more = false);
  void SendBody(int32_t id, std::string_view bytes, bool is_end);
  void Reset(int32_t id, uint32_t error);
  void Ping();

  // Talks until `is_done` or five seconds have passed; what `is_done` says then.
  bool RunUntil(const std::function<bool()>& is_done);
  // Talks until the stream is closed.
  const Stream& Await(int32_t id);

  Stream& stream(int32_t id) { return streams_[id]; }

  // The connection is over, by GOAWAY or end.
  bool is_over() const { return is_over_; }

  bool has_goaway() const { return has_goaway_; }

  uint32_t goaway_error() const { return goaway_error_; }

  const std::string& goaway_text() const { return goaway_text_; }

  RawClient& socket() { return socket_; }

 private:
  struct Upload {
    std::string bytes;
    bool is_ended = false;
    bool is_deferred = false;
  };

  void Flush();

  static ssize_t ReadUpload(nghttp2_session* session, int32_t id, uint8_t* buf, size_t length,
                            uint32_t* flags, nghttp2_data_source* source, void* user);
  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags,
                      void* user);
  static int OnDataChunk(nghttp2_session* session, uint8_t flags, int32_t id, const uint8_t* bytes,
                         size_t size, void* user);
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int OnClose(nghttp2_session* session, int32_t id, uint32_t error, void* user);

  RawClient socket_;
  const std::string authority_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  std::map<int32_t, Upload> uploads_;
  bool is_over_ = false;
  bool has_goaway_ = false;
  uint32_t goaway_error_ = 0;
  std::string goaway_text_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TESTING_CLIENTS_H_
