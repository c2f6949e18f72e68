#include "kv/base/probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace socle::internal {

void ProbeHit(const char* name) {
  static const char* const path = std::getenv("SOCLE_PROBE_FILE");
  if (path == nullptr) {
    return;
  }
  const std::string line = std::string(name) + "\n";
  // Appended with one write, so that processes sharing the file do not interleave.
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(fd, line.data(), line.size());
    ::close(fd);
  }
}

}  // namespace socle::internal
