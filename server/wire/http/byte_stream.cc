#include "server/wire/http/byte_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace socle::server::http {
namespace {

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(int fd) : fd_(fd) {}

  ~PlainStream() override { ::close(fd_); }

  int fd() const override { return fd_; }

  Result Read(std::span<char> into) override {
    const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
    if (got == 0) {
      return {.state = State::kClosed};
    }
    return got > 0 ? Result{.bytes = static_cast<size_t>(got)} : Failed(false);
  }

  Result Write(std::string_view bytes) override {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent >= 0 ? Result{.bytes = static_cast<size_t>(sent)} : Failed(true);
  }

  void EndWriting() override { ::shutdown(fd_, SHUT_WR); }

 private:
  static Result Failed(bool was_write) {
    const bool is_again = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return {.state = is_again ? State::kAgain : State::kClosed, .wants_write = was_write};
  }

  const int fd_;
};

}  // namespace

std::unique_ptr<ByteStream> MakePlainStream(int fd) {
  return std::make_unique<PlainStream>(fd);
}

}  // namespace socle::server::http
