#include "server/wire/http/testing/clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::server::http {
namespace {

constexpr int kPatienceMs = 5'000;

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

nghttp2_nv FieldOf(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

RawClient::RawClient(uint16_t port, int receive_buffer_bytes)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

RawClient::RawClient(const std::string& unix_path)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK_LT(unix_path.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, unix_path.data(), unix_path.size());
  CHECK_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

RawClient::~RawClient() {
  Close();
}

void RawClient::Close() {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

bool RawClient::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string RawClient::ReadSome() const {
  pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, kPatienceMs) <= 0) {
    return "<timeout>";
  }
  std::array<char, 65'536> bytes{};
  const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
  return {bytes.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))};
}

std::string RawClient::ReadUntil(std::string_view text) const {
  std::string all;
  while (all.find(text) == std::string::npos) {
    const std::string some = ReadSome();
    all += some;
    if (some.empty() || some == "<timeout>") {
      break;
    }
  }
  return all;
}

std::string RawClient::ReadToEnd() const {
  return ReadUntil("<timeout>");
}

Http2Client::Http2Client(uint16_t port, Options options)
    : socket_(options.unix_path.empty() ? RawClient(port) : RawClient(options.unix_path)),
      authority_(options.authority) {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnDataChunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
  nghttp2_option* option = nullptr;
  CHECK_EQ(nghttp2_option_new(&option), 0);
  nghttp2_option_set_no_auto_window_update(option, options.grants_windows ? 0 : 1);
  CHECK_EQ(nghttp2_session_client_new2(&session_, callbacks, this, option), 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window_bytes}};
  CHECK_EQ(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1), 0);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        options.connection_window_bytes);
}

Http2Client::~Http2Client() {
  nghttp2_session_del(session_);
}

int32_t Http2Client::Request(std::string_view method, std::string_view path, std::string body,
                             const Fields& fields, bool has_more) {
  std::vector<nghttp2_nv> head = {FieldOf(":method", method), FieldOf(":scheme", "http"),
                                  FieldOf(":authority", authority_), FieldOf(":path", path)};
  for (const auto& [name, value] : fields) {
    head.push_back(FieldOf(name, value));
  }
  const bool has_body = !body.empty() || has_more;
  nghttp2_data_provider upload{{.ptr = nullptr}, ReadUpload};
  const int32_t id = nghttp2_submit_request(session_, nullptr, head.data(), head.size(),
                                            has_body ? &upload : nullptr, nullptr);
  CHECK_GT(id, 0);
  uploads_[id] = {.bytes = std::move(body), .is_ended = !has_more};
  streams_[id];
  Flush();
  return id;
}

void Http2Client::SendBody(int32_t id, std::string_view bytes, bool is_end) {
  Upload& upload = uploads_[id];
  upload.bytes += bytes;
  upload.is_ended = is_end;
  if (std::exchange(upload.is_deferred, false)) {
    nghttp2_session_resume_data(session_, id);
  }
  Flush();
}

void Http2Client::Reset(int32_t id, uint32_t error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error);
  Flush();
}

void Http2Client::Ping() {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  Flush();
}

void Http2Client::Flush() {
  const uint8_t* bytes = nullptr;
  std::string all;
  for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
    all += View(bytes, static_cast<size_t>(size));
  }
  if (!all.empty() && !socket_.Send(all)) {
    is_over_ = true;
  }
}

bool Http2Client::RunUntil(const std::function<bool()>& is_done) {
  const int64_t deadline = Clock::Real()->MonotonicNanos() + int64_t{kPatienceMs} * kNanosPerMilli;
  while (!is_done()) {
    Flush();
    const int64_t left_ms = (deadline - Clock::Real()->MonotonicNanos()) / kNanosPerMilli;
    pollfd ready{.fd = socket_.fd(), .events = POLLIN, .revents = 0};
    if (is_over_ || left_ms <= 0) {
      return is_done();
    }
    constexpr int kLookAgainMs = 10;  // what is waited for may happen in the server
    if (::poll(&ready, 1, kLookAgainMs) <= 0) {
      continue;
    }
    std::array<uint8_t, 65'536> bytes;
    const ssize_t got = ::recv(socket_.fd(), bytes.data(), bytes.size(), 0);
    if (got <= 0 ||
        nghttp2_session_mem_recv(session_, bytes.data(), static_cast<size_t>(got)) < 0) {
      is_over_ = true;
    }
  }
  return true;
}

const Http2Client::Stream& Http2Client::Await(int32_t id) {
  RunUntil([&] { return streams_[id].is_closed; });
  return streams_[id];
}

ssize_t Http2Client::ReadUpload(nghttp2_session* /*session*/, int32_t id, uint8_t* buf,
                                size_t length, uint32_t* flags, nghttp2_data_source* /*source*/,
                                void* user) {
  Upload& upload = static_cast<Http2Client*>(user)->uploads_[id];
  if (upload.bytes.empty() && !upload.is_ended) {
    upload.is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const size_t size = std::min(length, upload.bytes.size());
  std::memcpy(buf, upload.bytes.data(), size);
  upload.bytes.erase(0, size);
  if (upload.bytes.empty() && upload.is_ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  return static_cast<ssize_t>(size);
}

int Http2Client::OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                          const uint8_t* name, size_t name_size, const uint8_t* value,
                          size_t value_size, uint8_t /*flags*/, void* user) {
  static_cast<Http2Client*>(user)
      ->streams_[frame->hd.stream_id]
      .fields[std::string(View(name, name_size))] = View(value, value_size);
  return 0;
}

int Http2Client::OnDataChunk(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t id,
                             const uint8_t* bytes, size_t size, void* user) {
  static_cast<Http2Client*>(user)->streams_[id].body += View(bytes, size);
  return 0;
}

int Http2Client::OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    auto* const self = static_cast<Http2Client*>(user);
    self->has_goaway_ = true;
    self->goaway_error_ = frame->goaway.error_code;
    self->goaway_text_ = View(frame->goaway.opaque_data, frame->goaway.opaque_data_len);
  }
  return 0;
}

int Http2Client::OnClose(nghttp2_session* /*session*/, int32_t id, uint32_t error, void* user) {
  Stream& stream = static_cast<Http2Client*>(user)->streams_[id];
  stream.is_closed = true;
  stream.error = error;
  return 0;
}

}  // namespace socle::server::http
