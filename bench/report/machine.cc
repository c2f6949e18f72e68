#include "bench/report/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

// tidy: allow file because files of /proc have no size and can't be read through Env
#include <fstream>

#include <fmt/format.h>

namespace socle::bench {
namespace {

std::string ProcessorModel() {
  std::ifstream file("/proc/cpuinfo");  // tidy: allow file because see above
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> MachineFacts() {
  utsname system{};
  ::uname(&system);
  const double bytes =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {{"processor", ProcessorModel()},
          {"cores", fmt::format("{}", ::sysconf(_SC_NPROCESSORS_ONLN))},
          {"memory", fmt::format("{:.1f} GiB", bytes / (1 << 30))},
          {"system", fmt::format("{} {} {}", system.sysname, system.release, system.machine)}};
}

}  // namespace socle::bench
