#include "server/ops/audit_log.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/service/error_table.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

// Of a key in a line: a longer one is cut, with a note of its length.
constexpr size_t kKeyBytesMax = 4'096;
// Of the ranges of a line; those beyond it are counted.
constexpr size_t kRangesBytesMax = 64 * 1024;

void AppendKey(std::string_view name, std::string_view key, std::string* line) {
  const std::string_view first = key.substr(0, kKeyBytesMax);
  if (key.size() <= kKeyBytesMax && IsUtf8(first)) {
    *line += fmt::format(R"(,"{}":{})", name, JsonText(first));
  } else {
    *line += fmt::format(R"(,"{}_escaped":{})", name, JsonText(PrintableKey(key, kKeyBytesMax)));
  }
}

void AppendText(std::string_view name, std::string_view text, std::string* line) {
  if (!text.empty()) {
    *line += fmt::format(R"(,"{}":{})", name, JsonText(text));
  }
}

void AppendNumber(std::string_view name, int64_t number, std::string* line) {
  if (number != 0) {
    *line += fmt::format(R"(,"{}":{})", name, number);
  }
}

void AppendRanges(const CallSubject& subject, std::string* line) {
  if (subject.ranges.empty()) {
    return;
  }
  *line += R"(,"ranges":[)";
  const size_t begin = line->size();
  size_t told = 0;
  for (const CallRange& range : subject.ranges) {
    if (line->size() - begin > kRangesBytesMax) {
      break;
    }
    *line += fmt::format(R"({}{{"verb":"{}")", told > 0 ? "," : "", NameOf(range.verb));
    AppendKey("key", range.key, line);
    if (!range.range_end.empty()) {
      AppendKey("range_end", range.range_end, line);
    }
    if (range.verb == CallVerb::kPut) {
      *line += fmt::format(R"(,"bytes":{})", range.value_bytes);
    }
    *line += '}';
    ++told;
  }
  *line += ']';
  AppendNumber("ranges_left_out", static_cast<int64_t>(subject.ranges_total - told), line);
}

}  // namespace

std::string FormatAuditLine(const AuditEvent& event, const CallSubject& subject) {
  std::string line = fmt::format(R"({{"time":"{}","method":"{}")", WallTimeText(event.wall_nanos),
                                 kRpcMethods[static_cast<size_t>(event.method)].method);
  // Always there, so that a reader need not ask.
  line += fmt::format(R"(,"user":{},"certificate":{},"remote":{},"code":"{}")",
                      JsonText(event.user), JsonText(event.certificate), JsonText(event.remote),
                      RpcCodeName(event.status.code()));
  if (!event.status.ok()) {
    AppendText("error", MessageOf(event.status), &line);
  }
  if (event.is_gateway) {
    line += R"(,"gateway":true)";
  }
  AppendNumber("revision", event.revision, &line);
  AppendNumber("count", event.count, &line);
  if (subject.succeeded.has_value()) {
    line += fmt::format(R"(,"succeeded":{})", *subject.succeeded);
  }
  AppendNumber("lease", subject.lease, &line);
  AppendNumber("ttl", subject.ttl, &line);
  AppendNumber("compact_revision", subject.revision, &line);
  AppendText("about_user", subject.user, &line);
  AppendText("about_role", subject.role, &line);
  AppendText("action", subject.action, &line);
  AppendRanges(subject, &line);
  return line + '}';
}

bool IsRefusal(const absl::Status& status) {
  if (status.ok()) {
    return false;
  }
  if (absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status)) {
    return true;
  }
  // etcd gives these a code that says nothing of it.
  for (const EtcdError error :
       {EtcdError::kUserNameEmpty, EtcdError::kAuthFailed, EtcdError::kAuthOldRevision}) {
    if (status == WireStatus(error)) {
      return true;
    }
  }
  return false;
}

absl::Status AuditFile::Append(std::string_view bytes) {
  if (file_ != nullptr) {
    ASSIGN_OR_RETURN(const bool is_there, env_->Exists(path_));
    if (!is_there) {
      PROBE("audit: the file was moved away");
      file_.reset();
    }
  }
  if (file_ == nullptr) {
    ASSIGN_OR_RETURN(file_, env_->Open(path_, OpenMode::kReadWriteCreate));
  }
  // Its end now: somebody may have truncated it.
  ASSIGN_OR_RETURN(const uint64_t size, file_->Size());
  const absl::Status written = file_->WriteAt(size, bytes);
  if (!written.ok()) {
    // Half a line would spoil the next one; when this fails, too, so will that.
    file_->Truncate(size).IgnoreError();
    file_.reset();
  }
  return written;
}

AuditLog::AuditLog(Options options)
    : options_(std::move(options)), thread_("audit", [this] { Run(); }) {}

AuditLog::~AuditLog() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
}

bool AuditLog::Wants(RpcMethod method, const CallSubject& subject,
                     const absl::Status& status) const {
  if (IsAuthMethod(method) || IsRefusal(status)) {
    return true;
  }
  if (options_.level == AuditLevel::kAuth) {
    return false;
  }
  if (subject.writes) {
    return true;
  }
  return options_.level == AuditLevel::kAll && method != RpcMethod::kLeaseKeepAlive;
}

void AuditLog::Add(const AuditEvent& event, const CallSubject& subject) {
  const std::string line = FormatAuditLine(event, subject);
  MutexLock lock(&mu_);
  if (waiting_.size() >= kBufferBytesMax / 2 && options_.on_failure == AuditFailure::kRefuse) {
    is_refusing_.store(true, std::memory_order_relaxed);  // a sink that hangs says nothing
  }
  if (waiting_.size() + line.size() >= kBufferBytesMax) {
    PROBE("audit: the buffer is full");
    if (!std::exchange(is_full_, true)) {
      LogError("the audit log is not written as fast as calls come; lines are left out");
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (waiting_.empty()) {
    changed_.Signal();
  }
  waiting_ += line;
  waiting_ += '\n';
  ++waiting_lines_;
}

void AuditLog::Run() {
  std::string lines;  // being written; kept while that fails
  uint64_t count = 0;
  bool is_stopping = false;
  while (!is_stopping) {
    {
      MutexLock lock(&mu_);
      while (waiting_.empty() && lines.empty() && !is_stopping_) {
        changed_.Wait(&mu_);
      }
      if (!lines.empty() && !is_stopping_) {
        changed_.WaitFor(&mu_, std::chrono::nanoseconds(options_.retry_nanos));
      }
      is_stopping = is_stopping_;
      if (lines.empty()) {
        lines.swap(waiting_);
        is_full_ = false;
        count = std::exchange(waiting_lines_, 0);
      }
    }
    if (Write(lines, count)) {
      lines.clear();
    }
  }
  {
    MutexLock lock(&mu_);
    lines += waiting_;
    count += waiting_lines_;
  }
  if (!Write(lines, count)) {
    dropped_.fetch_add(count, std::memory_order_relaxed);
  }
}

bool AuditLog::Write(const std::string& lines, uint64_t count) {
  if (lines.empty()) {
    return true;
  }
  const absl::Status status = options_.sink(lines);
  if (status.ok()) {
    written_.fetch_add(count, std::memory_order_relaxed);
    if (std::exchange(has_failed_, false)) {
      LogWarning("the audit log is written again",
                 {{"dropped", dropped_.load(std::memory_order_relaxed)}});
    }
    is_refusing_.store(false, std::memory_order_relaxed);
    return true;
  }
  if (!std::exchange(has_failed_, true)) {
    LogError("the audit log can't be written", {{"error", status}});
  }
  is_refusing_.store(options_.on_failure == AuditFailure::kRefuse, std::memory_order_relaxed);
  return false;
}

}  // namespace socle::server
