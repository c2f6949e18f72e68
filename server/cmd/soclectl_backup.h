// `soclectl backup`: looking at a backup directory, proving it, and restoring from it. Each prints to the console and returns
// an exit code (soclectl.h law 2).
//
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_BACKUP_H_
#define SOCLE_SERVER_CMD_SOCLECTL_BACKUP_H_

#include <cstdint>
#include <string>

#include "server/cmd/soclectl_console.h"

namespace socle::server {

struct BackupListCommand {
  std::string path;
};

int BackupList(const BackupListCommand& command, const Console& console);

struct BackupCheckCommand {
  std::string path;
  std::string scratch;  // empty: beside nothing, in the directory for temporary files
  bool without_rebuild = false;
};

int BackupCheck(const BackupCheckCommand& command, const Console& console);

struct BackupRestoreCommand {
  std::string path;
  std::string data_dir;
  std::string to_time;      // RFC 3339; empty: not asked for
  int64_t to_revision = 0;  // 0: not asked for
  std::string from_base;
  int64_t bump_revision = 0;
  bool mark_compacted = false;
};

int BackupRestore(const BackupRestoreCommand& command, const Console& console);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_BACKUP_H_
