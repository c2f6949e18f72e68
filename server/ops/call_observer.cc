#include "server/ops/call_observer.h"

#include <string>

#include "kv/base/clock.h"
#include "kv/base/probe.h"
#include "server/service/worker_pool.h"

namespace socle::server {

std::unique_ptr<CallNote> CallObserver::Begin(RpcMethod method, size_t request_bytes,
                                              bool is_sample, const CallOrigin& origin) const {
  auto note = std::make_unique<CallNote>();
  note->method = method;
  note->is_sample = is_sample;
  note->request_bytes = request_bytes;
  note->received = Clock::Real()->MonotonicNanos();
  if (parts_.slow != nullptr || parts_.audit != nullptr) {
    note->received_wall = Clock::Real()->WallNanos();
    note->user = node_->guard().NameOf(*origin.caller);
    note->certificate = origin.certificate;
    note->remote = origin.remote;
    note->is_gateway = origin.caller->is_gateway;
  }
  return note;
}

absl::Status CallObserver::MayBegin(RpcMethod method,
                                    const google::protobuf::MessageLite& request) const {
  if (parts_.audit == nullptr || !parts_.audit->is_refusing()) [[likely]] {
    return absl::OkStatus();
  }
  if (!parts_.audit->Refuses(method, SubjectOf(method, request))) {
    return absl::OkStatus();
  }
  PROBE("audit: a call is refused because it can't be audited");
  return absl::UnavailableError(
      "socle: the audit log can't be written, and --audit-failure=refuse is set");
}

void CallObserver::Answered(CallNote* note) {
  note->answered = Clock::Real()->MonotonicNanos();
  note->started = WorkerPool::TaskStartedNanos();
  if (const mvcc::BatchTimes* const batch = mvcc::BatchBeingAnswered()) {
    note->batch = *batch;
  }
}

void CallObserver::Told(CallNote* note, const google::protobuf::MessageLite& request,
                        const CallOutcome& outcome, const absl::Status& status) const {
  note->is_told = true;
  note->response_bytes = outcome.response_bytes;
  note->encoded = Clock::Real()->MonotonicNanos();
  if (parts_.audit == nullptr && !note->is_sample) {
    return;
  }
  const CallSubject subject = SubjectOf(note->method, request, outcome.response);
  if (note->is_sample && status.ok()) {
    Sample(*note, subject);
  }
  if (parts_.audit != nullptr) {
    Audit(subject, {.method = note->method,
                    .wall_nanos = note->received_wall,
                    .user = note->user,
                    .certificate = note->certificate,
                    .remote = note->remote,
                    .is_gateway = note->is_gateway,
                    .revision = outcome.revision,
                    .count = outcome.count,
                    .status = status});
  }
}

void CallObserver::Opened(RpcMethod method, const CallOrigin& origin,
                          const google::protobuf::MessageLite& request,
                          const absl::Status& status) const {
  if (parts_.audit == nullptr) {
    return;
  }
  const std::string user = node_->guard().NameOf(*origin.caller);
  Audit(SubjectOf(method, request), {.method = method,
                                     .wall_nanos = Clock::Real()->WallNanos(),
                                     .user = user,
                                     .certificate = origin.certificate,
                                     .remote = origin.remote,
                                     .is_gateway = origin.caller->is_gateway,
                                     .status = status});
}

void CallObserver::Audit(const CallSubject& subject, AuditEvent event) const {
  if (!parts_.audit->Wants(event.method, subject, event.status)) {
    return;
  }
  if (event.method == RpcMethod::kAuthenticate) {
    event.user = subject.user;  // who it says it is; `code` says whether that was so
  }
  parts_.audit->Add(event, subject);
}

void CallObserver::Sample(const CallNote& note, const CallSubject& subject) const {
  if (subject.ranges.empty()) {
    return;
  }
  // What a transaction touches is counted each by itself; its bytes go to the first.
  size_t bytes = note.request_bytes + note.response_bytes;
  for (const CallRange& range : subject.ranges) {
    if (range.verb == CallVerb::kCompare) {
      continue;
    }
    const auto kind = range.verb == CallVerb::kPut || range.verb == CallVerb::kDelete
                          ? HotPrefixes::Kind::kWrite
                          : HotPrefixes::Kind::kRead;
    parts_.hot->Add(kind, range.key, bytes);
    bytes = 0;
  }
}

void CallObserver::Sent(const CallNote& note, const google::protobuf::MessageLite& request,
                        const absl::Status& status) const {
  if (parts_.slow == nullptr) {
    return;
  }
  const int64_t now = Clock::Real()->MonotonicNanos();
  if (parts_.slow->IsSlow(now - note.received)) {
    parts_.slow->Note(note, now, SubjectOf(note.method, request), note.user, status);
  }
}

}  // namespace socle::server
