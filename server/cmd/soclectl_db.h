// The `soclectl db` commands: each prints to the console and returns an exit code (soclectl.h law 2).
//
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_DB_H_
#define SOCLE_SERVER_CMD_SOCLECTL_DB_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/cmd/soclectl_console.h"

namespace socle::server {

struct CheckOptions {
  std::string path;
  uint64_t limit = 100;  // findings that are printed
};

int DbCheck(const CheckOptions& options, const Console& console);

struct PagesOptions {
  std::string path;
  std::string type;  // empty: all
};

int DbPages(const PagesOptions& options, const Console& console);

struct PageOptions {
  std::string path;
  std::vector<uint64_t> pages;
  bool hex = false;   // the bytes instead of what they mean
  bool full = false;  // keys and values whole
  bool way = false;   // also which bucket it belongs to, and the way there from the root
};

int DbPage(const PageOptions& options, const Console& console);

struct BucketsOptions {
  std::string path;
};

int DbBuckets(const BucketsOptions& options, const Console& console);

struct StatsOptions {
  std::string path;
};

int DbStats(const StatsOptions& options, const Console& console);

struct DumpOptions {
  std::string path;
  std::string bucket;  // names joined by '/'; empty: all
  bool keys_only = false;
  bool hex = false;
  bool json = false;
  bool decode_revisions = false;
};

int DbDump(const DumpOptions& options, const Console& console);

// The one command that writes: into the data directory, beside what is there.
struct ConvertCommand {
  std::string path;
  std::string to;  // bolt, lmdb, rocksdb
};

int DbConvert(const ConvertCommand& command, const Console& console);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_DB_H_
