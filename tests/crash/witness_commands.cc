#include "tests/crash/witness_commands.h"

#include <iostream>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"

namespace socle::crash {
namespace {

absl::Status Check(const std::string& path) {
  kv::BoltOptions options;
  options.read_only = true;
  ASSIGN_OR_RETURN(const auto engine, kv::OpenBolt(Env::Posix(), path, options));
  return engine->Check();
}

std::string AnswerCheck(const std::string& path) {
  const absl::Status status = Check(path);
  return status.ok() ? "ok" : fmt::format("bad {}", MessageOf(status));
}

}  // namespace

void ServeWitnessCommands(const WitnessAnswer& answer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t space = line.find(' ');
    const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
    const std::string command = line.substr(0, space);
    std::cout << (command == "check" ? AnswerCheck(argument) : answer(command, argument)) << '\n'
              << std::flush;
  }
}

}  // namespace socle::crash
