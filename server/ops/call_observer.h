// CallObserver: what the extensions see of the calls of a transport: the slow-request log, the audit log, the hot prefixes.
//
//   Wants ─► Begin ─► (the service answers) Answered ─► Told, on the client's loop ─► Sent
//
// Laws     1. A transport has none while all of them are off, and pays one comparison for that.
//          2. Of a call that nobody Wants to know of nothing else is called.
//          3. What a call did is told when its service has answered, whatever has become of its client.
// Threads  thread-safe; the calls about one note come one after the other.
// Memory   owns nothing: the parts must outlive it.
#ifndef SOCLE_SERVER_OPS_CALL_OBSERVER_H_
#define SOCLE_SERVER_OPS_CALL_OBSERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include "server/ops/audit_log.h"
#include "server/ops/call_note.h"
#include "server/ops/slow_log.h"
#include "server/service/hot_prefixes.h"
#include "server/service/node.h"

namespace socle::server {

// Who calls, and from where.
struct CallOrigin {
  const Caller* caller = nullptr;
  std::string_view certificate = {};
  std::string_view remote = {};
};

// What came of it.
struct CallOutcome {
  int64_t revision = 0;  // in the header of the answer; 0: it has none
  int64_t count = 0;     // of keys found or deleted
  size_t response_bytes = 0;
  const google::protobuf::MessageLite* response = nullptr;  // null: it was not done, or is none
};

class CallObserver {
 public:
  // Each may be null.
  struct Parts {
    SlowLog* slow = nullptr;
    AuditLog* audit = nullptr;
    HotPrefixes* hot = nullptr;
  };

  CallObserver(const Node* node, Parts parts) : node_(node), parts_(parts) {}

  // Whether anybody wants to know of the call that comes: asked once for each.
  bool Wants(bool* is_sample) const {
    *is_sample = parts_.hot != nullptr && parts_.hot->IsSampled();
    return *is_sample || parts_.slow != nullptr || parts_.audit != nullptr;
  }

  // One that Wants said yes to; its request is whole.
  std::unique_ptr<CallNote> Begin(RpcMethod method, size_t request_bytes, bool is_sample,
                                  const CallOrigin& origin) const;

  // OK, or why the call may not begin.
  absl::Status MayBegin(RpcMethod method, const google::protobuf::MessageLite& request) const;

  // By the service, on whatever thread it answers.
  static void Answered(CallNote* note);

  void Told(CallNote* note, const google::protobuf::MessageLite& request,
            const CallOutcome& outcome, const absl::Status& status) const;

  void Sent(const CallNote& note, const google::protobuf::MessageLite& request,
            const absl::Status& status) const;

  // Of a stream: what one request of it was answered. It is told to the audit log alone.
  void Opened(RpcMethod method, const CallOrigin& origin,
              const google::protobuf::MessageLite& request, const absl::Status& status) const;

 private:
  void Audit(const CallSubject& subject, AuditEvent event) const;
  void Sample(const CallNote& note, const CallSubject& subject) const;

  const Node* const node_;
  const Parts parts_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_CALL_OBSERVER_H_
