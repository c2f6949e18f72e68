#include "kv/base/descriptor_limit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace socle {

void HoldStandardDescriptors() {
  // tidy: allow file because numbers are held, nothing is read or written
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) {
    fd = ::dup(fd);
  }
  if (fd > STDERR_FILENO) {
    ::close(fd);
  }
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

uint64_t DescriptorLimit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

bool AreDescriptorsScarce(int open) {
  // The kernel gives the lowest number that is free, whoever has the others.
  const int next = ::fcntl(open, F_DUPFD_CLOEXEC, 0);
  if (next < 0) {
    return true;
  }
  ::close(next);
  return static_cast<uint64_t>(next) + kReservedDescriptors >= DescriptorLimit();
}

}  // namespace socle
