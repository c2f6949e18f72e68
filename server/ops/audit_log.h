// AuditLog: who did what, when, and what came of it: a line of JSON for each call that the level asks for.
//
//   {"time":"2026-11-26T10:00:00.123456Z","method":"Put","user":"alice","certificate":"","remote":"10.0.0.7:41220",
//    "code":"OK","revision":42,"ranges":[{"verb":"put","key":"/app/a","bytes":17}]}
//
//   of all         time method user certificate remote code
//   where it has   error (code is not OK); gateway (true: by JSON); revision of the answer; count of keys deleted, or of
//                  operations done; lease; ttl (LeaseGrant: as granted, like its lease); compact_revision; about_user, about_role;
//                  action; ranges (at most kRangesMax), ranges_left_out
//   of a Txn       succeeded: what its compares came to. Its ranges are the compares and what the branch taken did; of one that
//                  was not done there is no `succeeded`, and the ranges are those of both branches
//
// Laws     1. Values, passwords and tokens are never written. A key that is not UTF-8 stands as `key_escaped`
//             (range_end likewise), with \xNN for its bytes.
//          2. Refusals (who it is, or what that one may) are written on every level.
//          3. Nobody who calls Add waits for a disk: lines go through a buffer of kBufferBytesMax and a thread.
//          4. While the sink fails, lines are kept and it is tried again every second; lines that find the buffer full are
//             counted (dropped()), and the server's log says when that begins and ends. With AuditFailure::kRefuse, calls
//             of the level are refused meanwhile, and while a sink that hangs leaves the buffer half full.
//          5. The destructor writes what is there.
// Threads  thread-safe.
// Errors   the sink's, in the log.
#ifndef SOCLE_SERVER_OPS_AUDIT_LOG_H_
#define SOCLE_SERVER_OPS_AUDIT_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"
#include "server/ops/call_subject.h"
#include "server/ops/rpc_meter.h"

namespace socle::server {

enum class AuditLevel {
  kAuth,    // logins, changes of users and roles, refusals
  kWrites,  // and what changes something
  kAll,     // and what reads, but renewals of leases
};

enum class AuditFailure {
  kLog,     // calls go on
  kRefuse,  // they don't
};

struct AuditEvent {
  RpcMethod method{};
  int64_t wall_nanos = 0;
  std::string_view user = {};         // who the server takes the caller for; empty: nobody
  std::string_view certificate = {};  // name in the client's certificate
  std::string_view remote = {};
  bool is_gateway = false;
  int64_t revision = 0;  // of the answer; 0: it has none
  int64_t count = 0;     // of keys found or deleted
  absl::Status status = {};
};

// One line, without its end.
std::string FormatAuditLine(const AuditEvent& event, const CallSubject& subject);

// Of authentication: who it is, or what that one may.
bool IsRefusal(const absl::Status& status);

// Appends to the file, which is made when it is not there; one that was moved away is made again, one that was truncated
// goes on at its beginning. So logrotate may do either (without its `create`).
class AuditFile {
 public:
  AuditFile(Env* env, std::string path) : env_(env), path_(std::move(path)) {}

  absl::Status Append(std::string_view bytes);

 private:
  Env* const env_;
  const std::string path_;
  std::unique_ptr<File> file_;
};

class AuditLog {
 public:
  using Sink = std::function<absl::Status(std::string_view bytes)>;

  static constexpr size_t kBufferBytesMax = size_t{8} << 20U;

  struct Options {
    Sink sink;
    AuditLevel level = AuditLevel::kWrites;
    AuditFailure on_failure = AuditFailure::kLog;
    int64_t retry_nanos = kNanosPerSecond;
  };

  explicit AuditLog(Options options);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  bool Wants(RpcMethod method, const CallSubject& subject, const absl::Status& status) const;

  // Law 4: whether a call is to be refused. One relaxed load while all is well.
  bool Refuses(RpcMethod method, const CallSubject& subject) const {
    return is_refusing() && Wants(method, subject, absl::OkStatus());
  }

  bool is_refusing() const { return is_refusing_.load(std::memory_order_relaxed); }

  void Add(const AuditEvent& event, const CallSubject& subject);

  uint64_t written() const { return written_.load(std::memory_order_relaxed); }

  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void Run();
  // False: the sink failed.
  bool Write(const std::string& lines, uint64_t count);

  const Options options_;
  std::atomic<bool> is_refusing_{false};
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> dropped_{0};
  Mutex mu_;
  CondVar changed_;
  std::string waiting_ ABSL_GUARDED_BY(mu_);
  uint64_t waiting_lines_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_full_ ABSL_GUARDED_BY(mu_) = false;  // and the log says so
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool has_failed_ = false;  // the thread's: the last write
  Thread thread_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_AUDIT_LOG_H_
