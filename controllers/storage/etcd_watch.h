// EtcdWatch: a watch on an etcd cluster that outlives connections, members and slow consumers.
//
// States   streaming   a stream is open: its events are queued
//          paused      the queue is full: the stream is cancelled; opens again, from the first
//                      revision not queued, when half of the queue is taken
//          waiting     the stream broke: opens again after a short while, at the next member
//          ended       an error is queued last; no stream
// Laws     1. next_revision_ is the first revision that is not in the queue whole; a new stream
//             starts there.
//          2. What a stream says after it was given up is not heard.
// Threads  Watch's functions: as declared there. Everything else: the loop thread.
// Memory   at most kBytesMax, and one response more.
// Source   spec etcd 1.5.
#ifndef SOCLE_CONTROLLERS_STORAGE_ETCD_WATCH_H_
#define SOCLE_CONTROLLERS_STORAGE_ETCD_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include <etcd/rpc.pb.h>

#include "controllers/storage/etcd_cluster.h"
#include "controllers/storage/state_store.h"
#include "kv/base/mutex.h"

namespace socle::storage {

// The part that the stream's callbacks share with the consumer's Watch.
class EtcdWatchStream : public std::enable_shared_from_this<EtcdWatchStream> {
 public:
  struct Options {
    bool asks_for_progress = false;  // every member answers it in order
    size_t bytes_max = size_t{4} << 20U;
  };

  EtcdWatchStream(EtcdCluster* cluster, WatchRequest request, Options options,
                  std::function<void()> on_ready);

  // Any thread.
  void Start();
  // No call of on_ready after it returned.
  void Close();
  absl::StatusOr<std::optional<EventBatch>> Next();
  void RequestBookmark();

 private:
  void Open();
  void GiveUpStream();
  void OnMessage(std::string_view bytes);
  void OnStreamEnd(size_t member, const absl::Status& status);
  void OnCancelled(const etcdserverpb::WatchResponse& response);
  void OnProgress(int64_t revision);
  void OnEvents(const std::shared_ptr<const etcdserverpb::WatchResponse>& response);
  // Queues the batch; whether there is still room.
  bool Push(EventBatch batch, size_t bytes);
  void End(const absl::Status& why);
  void SayReady();

  EtcdCluster* const cluster_;
  const WatchRequest request_;
  const Options options_;

  // The loop thread's.
  std::shared_ptr<server::ClientStream> stream_;
  uint64_t stream_number_ = 0;  // of the stream that is heard
  bool is_closed_ = false;
  int64_t next_revision_;  // 0: not known yet, from now on
  EventBatch partial_;     // events of a revision whose rest comes in the next response
  size_t partial_bytes_ = 0;

  Mutex callback_mu_;  // before mu_
  std::function<void()> on_ready_ ABSL_GUARDED_BY(callback_mu_);

  Mutex mu_;

  struct Queued {
    EventBatch batch;
    size_t bytes = 0;
  };

  std::deque<Queued> queue_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_paused_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status ended_ ABSL_GUARDED_BY(mu_);
};

// The consumer's end.
class EtcdWatch final : public Watch {
 public:
  explicit EtcdWatch(std::shared_ptr<EtcdWatchStream> stream) : stream_(std::move(stream)) {
    stream_->Start();
  }

  ~EtcdWatch() override { stream_->Close(); }

  absl::StatusOr<std::optional<EventBatch>> Next() override { return stream_->Next(); }

  void RequestBookmark() override { stream_->RequestBookmark(); }

 private:
  const std::shared_ptr<EtcdWatchStream> stream_;
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_ETCD_WATCH_H_
