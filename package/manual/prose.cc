#include "package/manual/prose.h"

namespace socle::package {
namespace {

constexpr std::string_view kBugs =
    "One machine: there is no consensus and no replication. Linux on x86-64 with SSE 4.2.";

}  // namespace

ManProse ProseOfSocleKv() {
  return {
      .one_line = "key-value server with the etcd v3 API",
      .description =
          R"(socle-kv serves one member's worth of the etcd v3 API: gRPC, the JSON gateway, health and metrics, all on the client
URLs. It takes etcd's flags, variables and configuration file, and keeps its data in a bbolt file beside a write-ahead log.
What it has acknowledged is on the disk.

A flag is given as --name=value, --name value or -name value. A switch takes its value only behind an equals sign.
Durations are written as Go does: 100ms, 5s, 1h30m.)",
      .sections = {
          {"ENVIRONMENT",
           R"(Every flag but --help, --help-extensions and --version is also a variable: --data-dir is ETCD_DATA_DIR. The command
line comes before the environment. With --config-file (or ETCD_CONFIG_FILE) the file alone decides; its keys are the names of
the flags.

When NOTIFY_SOCKET is set, as systemd does for a unit of Type=notify, the server says READY=1 when it serves and STOPPING=1
when it stops.)"},
          {"FILES",
           R"(The service socle-kv.service keeps its data in the folder that its configuration file names:

  /etc/socle/socle-kv.yaml       configuration of the service
  /var/lib/socle                 its data
  DATA-DIR/member/snap/db        the database, a bbolt file
  DATA-DIR/member/socle-wal      the write-ahead log)"},
          {"SIGNALS", "SIGTERM and SIGINT end the server in order."},
          {"EXIT STATUS",
           R"(0 when a signal ended it, 1 when it could not start, 2 when flags or configuration make no sense.)"},
          {"EXAMPLES",
           R"(A server on the usual port, with its data in a folder:

  socle-kv --data-dir=/srv/socle --listen-client-urls=http://127.0.0.1:2379
  ETCDCTL_API=3 etcdctl put color blue)"},
          {"LIMITS", kBugs},
          {"SEE ALSO", R"(soclectl(1), socle-bench(1), etcdctl(1)

In /usr/share/doc/socle: README.md; server/MIGRATION.md, from etcd and back; server/backup/DESIGN.md, continuous backups.)"},
      }};
}

ManProse ProseOfSoclectl() {
  return {
      .one_line = "look after the data files of socle-kv and etcd",
      .description =
          R"(soclectl looks into database files, proves them whole, and moves data between socle-kv and etcd. No command changes
a file that it is shown: those that write make new files.)",
      .sections = {
          {"EXIT STATUS",
           R"(0 when it is done and nothing is wrong with the file. 1 when the file is broken. 2 when nothing was looked at
(wrong usage, no such file, in use by a server, no database file), or when the output could not be written.)"},
          {"SEE ALSO", R"(socle-kv(1), socle-bench(1), etcdctl(1)

In /usr/share/doc/socle: README.md; server/MIGRATION.md, from etcd and back; server/backup/DESIGN.md, continuous backups.)"},
      }};
}

ManProse ProseOfSocleBench() {
  return {
      .one_line = "load generator and checker for etcd v3 endpoints",
      .description =
          R"(socle-bench drives any etcd v3 endpoint (socle-kv, etcd) or a Kubernetes API, and prints throughput and a table of
latencies. With --rate the load is an open loop: latency counts from the moment at which a request should have been sent.)",
      .sections = {
          {"EXIT STATUS",
           R"(0 when it is done and clean, 1 when the run failed or something is missing, 2 when the command line makes no
sense, 3 when it is clean but the rate was not reached.)"},
          {"EXAMPLES",
           R"(Puts at 5,000 a second, and then whether all of them are there:

  socle-bench put --clients 100 --conns 10 --total 100000 --rate 5000 --json run.json
  socle-bench check --from run.json)"},
          {"SEE ALSO", "socle-kv(1), soclectl(1)"},
      }};
}

ManProse ProseOfSoclePlane() {
  return {
      .one_line = "a Kubernetes-style control plane in one process",
      .description =
          R"(socle-plane is a REST API for kubectl, a scheduler, simulated ("hollow") nodes, and controllers of the workloads
InplaceSet, SidecarSet and BroadcastJob, on an embedded store.)",
      .sections = {
          {"SIGNALS", "SIGTERM and SIGINT end the plane in order; kill -9 loses nothing either."},
          {"EXIT STATUS",
           R"(0 when a signal ended it, 1 when it could not start, 2 when the flags make no sense.)"},
          {"SEE ALSO", "socle-kv(1), socle-bench(1), kubectl(1)"},
      }};
}

}  // namespace socle::package
