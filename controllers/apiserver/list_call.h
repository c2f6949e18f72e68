// ListCall: a LIST, written item by item as the client takes it.
//
// Laws     1. At most 64 KiB and one item wait for the client; the page itself is views of the store's
//             or the cache's documents.
//          2. A client that does not take it within list_timeout_nanos is cut off: its page would keep
//             old documents alive.
// Threads  as Call.
#ifndef SOCLE_CONTROLLERS_APISERVER_LIST_CALL_H_
#define SOCLE_CONTROLLERS_APISERVER_LIST_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "controllers/apiserver/call.h"

namespace socle::apiserver {

class ListCall final : public Call, public std::enable_shared_from_this<ListCall> {
 public:
  using Call::Call;

  void Begin(registry::ListRequest request);

  void OnWake() override;

  void OnWritable() override { Pump(); }

  void OnTime() override;

 private:
  void BeginAnswer();
  void Pump();

  absl::StatusOr<registry::ListResult> result_;  // by whoever answers, before the wake
  int64_t now_nanos_ = 0;
  size_t next_ = 0;
  bool has_begun_ = false;
  bool is_over_ = false;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_LIST_CALL_H_
