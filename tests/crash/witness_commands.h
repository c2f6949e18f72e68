// WitnessCommands: how run_kill.py talks to the process that keeps the truth.
//
// One command a line on standard input, one line back that starts with "ok" or "bad":
//   write ENDPOINT    starts clients that write without a pause, in the background
//   settle            stops them; what was under way stays undecided until the next verify
//   verify ENDPOINT   compares what the server holds with what it must hold
//   check FILE        the structural check of a database file that no server has open
//   plant             claims a write that was never sent
//
// Threads  confined to the main thread.
#ifndef SOCLE_TESTS_CRASH_WITNESS_COMMANDS_H_
#define SOCLE_TESTS_CRASH_WITNESS_COMMANDS_H_

#include <functional>
#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace socle::crash {

using WitnessAnswer =
    std::function<std::string(std::string_view command, const std::string& argument)>;

// Serves until the end of input; `check` itself, the rest by `answer`.
void ServeWitnessCommands(const WitnessAnswer& answer);

}  // namespace socle::crash

#endif  // SOCLE_TESTS_CRASH_WITNESS_COMMANDS_H_
