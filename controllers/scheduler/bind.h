// Binder: writes what was decided: bindings, the condition of pods without a node, claims in use.
//
// Laws     1. No write is waited for; each answer comes back through the inbox.
//          2. Of a pod that is refused again before its condition was written, only the last text is written.
//          3. A claim is Bound once a pod that uses it has a node: there is no volume controller here.
// Threads  confined to the scheduling thread.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_BIND_H_
#define SOCLE_CONTROLLERS_SCHEDULER_BIND_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "controllers/runtime/runtime.h"
#include "controllers/scheduler/inbox.h"
#include "kv/base/bytes.h"

namespace socle::scheduler {

struct BinderOptions {
  std::string scheduler_name;
  size_t binds_in_flight_max = 1024;
  size_t conditions_in_flight_max = 256;
};

class Binder {
 public:
  // Answers that come after the binder is gone end in the inbox.
  Binder(runtime::Runtime* runtime, std::shared_ptr<Inbox> inbox, BinderOptions options);

  bool HasRoom() const { return binds_in_flight_ < options_.binds_in_flight_max; }

  void Bind(Decision decision);
  // Condition and event of a pod without a node.
  void Explain(const Decision& decision);

  void BindDone(const BindResult& result);
  void WriteDone();
  void ClaimDeleted(std::string_view ns, std::string_view name);

 private:
  struct Explanation {
    registry::ObjectRef pod;
    std::string message;
  };

  void WriteConditions();
  void BindClaim(std::string_view ns, const std::string& name);

  runtime::Runtime* const runtime_;
  const std::shared_ptr<Inbox> inbox_;
  const BinderOptions options_;
  const api::ServedKind* const pods_;
  const api::ServedKind* const claims_;
  size_t binds_in_flight_ = 0;
  size_t writes_in_flight_ = 0;
  StringMap<Explanation> unwritten_;  // by uid
  std::deque<std::string> write_order_;
  StringSet bound_claims_;  // namespace/name
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_BIND_H_
