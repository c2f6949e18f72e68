// OpsPages: /health, /livez, /readyz, /version, /metrics and /debug/vars, and what extensions show.
//
// Laws     1. Bodies and codes are etcd's: probes, dashboards and scripts read them.
// Threads  thread-safe.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_OPS_OPS_PAGES_H_
#define SOCLE_SERVER_OPS_OPS_PAGES_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/base/bytes.h"
#include "lease/lessor.h"
#include "server/ops/debug_vars.h"
#include "server/ops/metrics.h"
#include "server/ops/page.h"
#include "server/service/node.h"

namespace socle::server {

class OpsPages {
 public:
  // What an extension shows; answers GET and HEAD.
  using Page = std::function<HttpResponse(const HttpRequest&)>;

  // `more`: by path.
  OpsPages(const Node* node, const lease::Lessor* lessor, Metrics* metrics,
           StringMap<Page> more = {})
      : node_(node),
        lessor_(lessor),
        metrics_(metrics),
        more_(std::move(more)),
        command_line_(CommandLine()) {}

  HttpResponse Answer(const HttpRequest& request) const;

 private:
  struct Check {
    std::string_view name;
    std::string (OpsPages::*failure)() const;  // empty: passed
  };

  HttpResponse Health(const HttpRequest& request) const;
  HttpResponse RunChecks(std::string_view name, std::span<const Check> checks,
                         const HttpRequest& request) const;

  std::string ReadFailure() const;
  std::string CorruptionFailure() const;

  std::string LearnerFailure() const { return {}; }

  const Node* const node_;
  const lease::Lessor* const lessor_;
  Metrics* const metrics_;
  const StringMap<Page> more_;
  const std::vector<std::string> command_line_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_OPS_PAGES_H_
