// `soclectl import` and `soclectl snapshot`: moving data between etcd and socle-kv. Each prints to the console and
// returns an exit code (soclectl.h law 2).
//
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_MIGRATE_H_
#define SOCLE_SERVER_CMD_SOCLECTL_MIGRATE_H_

#include <cstdint>
#include <string>

#include "server/cmd/soclectl_console.h"
#include "server/wire/client/access.h"

namespace socle::server {

struct ImportCommand {
  std::string path;
  std::string wal_dir;   // empty: in `path`
  std::string data_dir;  // empty: PATH.socle
};

int Import(const ImportCommand& command, const Console& console);

struct SnapshotSaveCommand {
  std::string path;
  std::string endpoint = "127.0.0.1:2379";
  ClientAccess access;
};

int SnapshotSave(const SnapshotSaveCommand& command, const Console& console);

struct SnapshotStatusCommand {
  std::string path;
  std::string format = "simple";  // table, json, fields
};

int SnapshotStatus(const SnapshotStatusCommand& command, const Console& console);

struct SnapshotRestoreCommand {
  std::string path;
  std::string data_dir;  // empty: NAME.socle
  std::string name = "default";
  std::string initial_cluster;  // NAME=URL,…; empty: this member at the URLs it advertises
  std::string initial_cluster_token = "etcd-cluster";
  std::string initial_advertise_peer_urls = "http://localhost:2380";
  bool skip_hash_check = false;
  int64_t bump_revision = 0;
  bool mark_compacted = false;
};

int SnapshotRestore(const SnapshotRestoreCommand& command, const Console& console);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_MIGRATE_H_
