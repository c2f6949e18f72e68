#include "server/wire/http/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>

#include "kv/base/check.h"

namespace socle::server::http {
namespace {

int WriteQuietly(BIO* bio, const char* bytes, int size) {
  const int fd = static_cast<int>(BIO_get_fd(bio, nullptr));
  const ssize_t sent = ::send(fd, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(sent);
}

const BIO_METHOD* QuietSocket() {
  static const BIO_METHOD* const method = [] {
    const BIO_METHOD* const stock = BIO_s_socket();
    BIO_METHOD* const quiet = BIO_meth_new(BIO_TYPE_SOCKET, "quiet socket");
    CHECK(quiet != nullptr);
    BIO_meth_set_write(quiet, WriteQuietly);
    BIO_meth_set_read(quiet, BIO_meth_get_read(stock));
    BIO_meth_set_ctrl(quiet, BIO_meth_get_ctrl(stock));
    BIO_meth_set_create(quiet, BIO_meth_get_create(stock));
    BIO_meth_set_destroy(quiet, BIO_meth_get_destroy(stock));
    return quiet;
  }();
  return method;
}

}  // namespace

OpenSslPtr<BIO> MakeSocketBio(int fd) {
  OpenSslPtr<BIO> bio(BIO_new(QuietSocket()));
  CHECK(bio != nullptr);
  BIO_set_fd(bio.get(), fd, BIO_NOCLOSE);
  return bio;
}

}  // namespace socle::server::http
