// WatchCall: a WATCH: one line of JSON per change, for as long as the client or the timeout lets it.
//
//   opening ──► (cache is fresh enough) ──► open: changes, bookmarks ──► ended
//
// Laws     1. A change is encoded once per form, whoever watches: watchers of one form share the bytes.
//          2. A client that does not read is held to 64 KiB and one change here, and to the bound of its
//             subscription; beyond that it is told ERROR 410 and the watch ends.
//          3. A bookmark is sent only when every change up to it was.
// Threads  as Call.
// Source   spec controllers 8.7, 9.2.
#ifndef SOCLE_CONTROLLERS_APISERVER_WATCH_CALL_H_
#define SOCLE_CONTROLLERS_APISERVER_WATCH_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "controllers/apiserver/call.h"
#include "controllers/registry/object_cache.h"

namespace socle::apiserver {

class WatchCall final : public Call, public std::enable_shared_from_this<WatchCall> {
 public:
  using Call::Call;

  void Begin();

  void OnWake() override;

  void OnWritable() override { Pump(); }

  void OnTime() override;
  void OnStopping() override;
  void OnClosed() override;

 private:
  void AwaitFresh();
  void Open();
  void Pump();
  void AppendChange(const registry::SelectedChange& selected, std::string* out);
  // False: none was sent, because the subscription is over.
  bool SendBookmark(bool is_initial_end);
  void End();
  void SetTimer();

  registry::Selection selection_;
  std::optional<int64_t> from_revision_;  // resourceVersion of the query
  std::atomic<bool> is_fresh_{false};     // by the feeder of the cache, after fresh_status_
  absl::Status fresh_status_;
  std::unique_ptr<registry::Subscription> subscription_;
  int64_t deadline_nanos_ = 0;
  int64_t bookmark_nanos_ = 0;
  bool wants_initial_end_ = false;
  bool is_drained_ = false;  // everything the subscription had was sent
  bool has_columns_ = false;
  bool is_over_ = false;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_WATCH_CALL_H_
