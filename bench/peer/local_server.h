// LocalServer: an etcd or a socle-kv on this machine, on free ports of 127.0.0.1 and a fresh directory; gone with the
// object, and with this program.
//
//   etcd                 Debian's, found in PATH           socle            socle-kv beside this program, or in PATH
//   etcd=/path/to/etcd   another one                       socle:BACKEND    with --backend=BACKEND
//   socle[:BACKEND]=/path/to/socle-kv
// Threads  thread-compatible; the thread that started it must outlive it.
// Errors   NotFound when the program is missing, InvalidArgument for what is no peer, Unavailable with the end of its
//          log when it does not come up or ends with an error.
#ifndef SOCLE_BENCH_PEER_LOCAL_SERVER_H_
#define SOCLE_BENCH_PEER_LOCAL_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "bench/storage/disk.h"

namespace socle::bench {

struct Peer {
  std::string name;    // as given, without the path
  std::string binary;  // full path
  bool is_etcd = false;
  std::vector<std::string> flags;
};

absl::StatusOr<Peer> ParsePeer(std::string_view text);

class LocalServer {
 public:
  // Serves when it returns. The scratch folder is made within `dir`.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Start(const Peer& peer,
                                                            const std::string& dir);
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  const std::string& endpoint() const { return endpoint_; }

  pid_t pid() const { return pid_; }

  // SIGTERM, and SIGKILL when it takes more than 30 s, which is an error.
  absl::Status Stop();
  void Kill();
  // Requires: it was stopped or killed.
  absl::Status StartAgain();

 private:
  LocalServer(const Peer& peer, const std::string& dir);

  absl::Status Launch();
  absl::Status AwaitServing();
  bool HasEnded();
  absl::Status Failed(std::string_view what) const;

  const Peer peer_;
  const ScratchDir scratch_;
  const std::string log_path_;
  std::vector<std::string> command_;
  std::string endpoint_;
  pid_t pid_ = 0;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PEER_LOCAL_SERVER_H_
