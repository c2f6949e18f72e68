// SnapshotStream: the store's page image as SnapshotResponse messages.
//
// Laws     1. Blobs of 32 KiB, remaining_bytes counting down to 0, then one message with the
//             SHA-256 of all of it.
//          2. At most kBlobsMax blobs wait in memory: the reader of the pages waits for the client.
// Threads  Next is thread-compatible; on_ready runs on the stream's own thread, which the
//          destructor joins.
// Source   spec etcd 1.7, 2.8, 7.1 trap 25.
#ifndef SOCLE_SERVER_SERVICE_SNAPSHOT_STREAM_H_
#define SOCLE_SERVER_SERVICE_SNAPSHOT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "etcd/rpc.pb.h"
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/durations.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"

namespace socle::server {

class SnapshotStream {
 public:
  static constexpr size_t kBlobBytes = 32 * 1024;
  static constexpr size_t kBlobsMax = 64;

  enum class Step { kMessage, kWait, kEnd };

  // Commits and starts to read. `on_ready` is called whenever Next would not say kWait any more.
  // `times` may be null: how long complete ones took, from here to the last message. Fails when there is no thread for it.
  static absl::StatusOr<std::unique_ptr<SnapshotStream>> Start(mvcc::Store* store,
                                                               std::function<void()> on_ready,
                                                               Durations* times = nullptr);
  ~SnapshotStream();
  SnapshotStream(const SnapshotStream&) = delete;
  SnapshotStream& operator=(const SnapshotStream&) = delete;

  // kMessage: `response` is to be sent. Fails with the wire status when the pages could not be
  // read.
  absl::StatusOr<Step> Next(etcdserverpb::SnapshotResponse* response);

 private:
  struct Blob {
    std::string bytes;
    uint64_t remaining_bytes = 0;
  };

  SnapshotStream(mvcc::Store* store, std::function<void()> on_ready, Durations* times);

  void Run();
  absl::Status ReadPages();
  absl::Status Push(Blob blob);
  void End(absl::Status status);

  mvcc::Store* const store_;
  const std::function<void()> on_ready_;
  Durations* const times_;
  Mutex mu_;
  CondVar room_;
  std::deque<Blob> blobs_ ABSL_GUARDED_BY(mu_);
  bool is_dropped_ ABSL_GUARDED_BY(mu_) = false;
  bool has_ended_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status end_status_ ABSL_GUARDED_BY(mu_);
  Thread reader_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_SNAPSHOT_STREAM_H_
