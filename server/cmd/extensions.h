// Extensions: what socle-kv has and etcd has not, as far as it looks on or is looked at: slow-request log, audit log, hot
// prefixes, and how full the prefixes with quotas are.
//
// Laws     1. What is off is not there: observer() is null when all of them are.
// Threads  thread-safe after Observe; the parts are.
// Memory   must outlive every call of the transport.
// Errors   Open: the audit log can't be opened.
#ifndef SOCLE_SERVER_CMD_EXTENSIONS_H_
#define SOCLE_SERVER_CMD_EXTENSIONS_H_

#include <memory>
#include <optional>
#include <vector>

#include <absl/status/statusor.h>

#include "mvcc/store.h"
#include "server/config/settings.h"
#include "server/ops/audit_log.h"
#include "server/ops/call_observer.h"
#include "server/ops/metrics.h"
#include "server/ops/ops_pages.h"
#include "server/ops/slow_log.h"
#include "server/service/hot_prefixes.h"

namespace socle::server {

class Extensions {
 public:
  static absl::StatusOr<std::unique_ptr<Extensions>> Open(const Settings& settings);

  // Null: off.
  HotPrefixes* hot() const { return hot_.get(); }

  // From here on calls may be observed.
  void Observe(const Node* node);

  const CallObserver* observer() const { return observer_ ? &*observer_ : nullptr; }

  std::vector<MoreMetric> Metrics() const;
  StringMap<OpsPages::Page> Pages() const;

 private:
  std::unique_ptr<SlowLog> slow_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<HotPrefixes> hot_;
  std::optional<CallObserver> observer_;
  const mvcc::Store* store_ = nullptr;  // since Observe, when prefixes have quotas
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_EXTENSIONS_H_
