// `soclectl top` and `soclectl quota`: what a running socle-kv shows on its pages, as tables. Each prints to the console and
// returns an exit code (soclectl.h law 2).
//
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_LIVE_H_
#define SOCLE_SERVER_CMD_SOCLECTL_LIVE_H_

#include <cstdint>
#include <string>

#include "server/cmd/soclectl_console.h"
#include "server/wire/client/access.h"

namespace socle::server {

struct TopCommand {
  std::string endpoint = "127.0.0.1:2379";
  ClientAccess access = {};
  uint64_t rows = 20;
  double interval_seconds = 2;
  bool once = false;
};

// Again and again on a terminal, drawn over itself, until it is interrupted or the server goes; without `once` elsewhere, one
// table below the other.
int Top(const TopCommand& command, const Console& console);

struct QuotaCommand {
  std::string endpoint = "127.0.0.1:2379";
  ClientAccess access = {};
};

int ShowQuota(const QuotaCommand& command, const Console& console);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_LIVE_H_
