// CallSubject: what a request is about and what came of it, without values or secrets: for the logs that name requests.
//
// Laws     1. A value, a password or a token never gets into it.
//          2. Views point into the request.
//          3. At most kRangesMax ranges are kept; how many there were is said.
// Threads  pure functions.
#ifndef SOCLE_SERVER_OPS_CALL_SUBJECT_H_
#define SOCLE_SERVER_OPS_CALL_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "server/ops/rpc_meter.h"

namespace socle::server {

enum class CallVerb { kRange, kPut, kDelete, kWatch, kCompare };

std::string_view NameOf(CallVerb verb);

struct CallRange {
  CallVerb verb = CallVerb::kRange;
  std::string_view key;
  std::string_view range_end;  // empty: the key alone
  size_t value_bytes = 0;      // of a put
};

struct CallSubject {
  static constexpr size_t kRangesMax = 128;  // --max-txn-ops by default

  std::vector<CallRange>
      ranges;  // of a transaction: of the branches taken; of both while none is known to be
  size_t ranges_total = 0;
  bool writes =
      false;  // changes something, whatever it is; of a transaction: may change, in either branch
  std::optional<bool> succeeded;  // of a transaction that was done: its compares
  int64_t lease = 0;              // 0: none
  int64_t ttl = 0;                // seconds, of a lease that is granted
  int64_t revision = 0;           // of a compaction
  std::string_view user;          // of a change of users
  std::string_view role;          // of a change of users or roles
  std::string_view action;        // of an alarm or a downgrade
};

// `request` is what the method takes, `response` what it was answered; null: it was not done, or not yet.
CallSubject SubjectOf(RpcMethod method, const google::protobuf::MessageLite& request,
                      const google::protobuf::MessageLite* response = nullptr);

// Whether a call of the method changes something whatever it says; transactions, alarms and downgrades say it themselves.
bool AlwaysWrites(RpcMethod method);
// Users, roles, logins, and whether there are any.
bool IsAuthMethod(RpcMethod method);

// Of what was answered: keys deleted, operations done; 0 of what has none. `response` is what the method answers.
int64_t CountOf(RpcMethod method, const google::protobuf::MessageLite& response);

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_CALL_SUBJECT_H_
