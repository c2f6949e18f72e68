// Kubelets: all hollow nodes of the process, driven by one thread.
//
//   cache ──changes──► mailbox ──► thread: records, timer wheel, lives ──► writes of the registry
//   timers ──tick────►    ▲                                                        │
//                         └──────────────────────answers──────────────────────────┘
//
// Laws     1. A pod has at most one write under way; what changes meanwhile goes into the next.
//          2. Leases do not wait behind pods: nodes have a queue and a bound of their own.
//          3. A write that failed is tried again, later each time.
//          4. One timer of the runtime is set, at the wheel's next wake; none when nothing is due.
// Threads  public functions from any; everything else on the own thread.
// Source   spec controllers 8.8.
#ifndef SOCLE_CONTROLLERS_HOLLOW_KUBELETS_H_
#define SOCLE_CONTROLLERS_HOLLOW_KUBELETS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/numeric/int128.h>

#include "controllers/hollow/controller.h"
#include "controllers/hollow/mailbox.h"
#include "controllers/hollow/pod_status.h"
#include "controllers/hollow/records.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::hollow {

// In the tags of the wheel: the index is that of a pod.
inline constexpr uint64_t kPodTag = uint64_t{1} << 32U;

class Kubelets final : public runtime::Controller {
 public:
  Kubelets(runtime::Runtime* runtime, HollowOptions options);
  ~Kubelets() override;

  std::string_view name() const override { return "hollow"; }

  // reconciles: nodes and pods that were looked at.
  runtime::LoopStats stats() const override;

 private:
  // A node write that waits for its turn.
  struct NodeTask {
    WriteKind kind;
    uint32_t index;
    uint32_t serial;
  };

  // kubelets.cc: the loop.
  void Run();
  void Handle(const Mailbox::Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void LoadAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnChange(const registry::Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnAnswer(const Answer& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnTick() ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void Rearm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void ReadClock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  registry::Done AnswerTo(WriteKind kind, uint32_t index, uint32_t serial,
                          std::shared_ptr<std::atomic<int64_t>> base = nullptr);

  // node_duties.cc
  void OnNodeChange(const registry::Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void AddNode(const registry::ObjectRef& object) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void ReadNode(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void FollowControls(uint32_t index, ControlTexts controls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void DropNode(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnNodeTimer(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void ScheduleNode(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void QueueLease(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void QueueNodeStatus(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnNodeAnswer(const Answer& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  bool RegisterNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void WriteLease(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void WriteNodeStatus(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  uint32_t TakeNumber(const api::Json& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  uint32_t TakeFreeNumber(uint32_t wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  uint32_t FindNode(std::string_view name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  // The next time after `now` at which this node renews: nodes are spread over the period.
  int64_t NextBeat(std::string_view name, int64_t period, int64_t now) const;

  // pod_duties.cc
  void OnPodChange(const registry::Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void AddPod(const registry::ObjectRef& object, uint32_t node)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void ReadPod(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void AdmitPod(uint32_t index, const api::Json& document) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void TakeAddress(uint32_t index, const api::Json& document) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void DropPod(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnPodTimer(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  // After every change of a life: resources, timer, queue, events.
  void SettlePod(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void ReleaseResources(PodRecord* pod) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void TellHappenings(PodRecord* pod) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  bool MayWrite(const PodRecord& pod) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  bool MustDelete(const PodRecord& pod) const;
  void WritePod(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void WritePodStatus(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void DeletePod(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  void OnPodAnswer(const Answer& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);
  PodAddresses AddressesOf(const PodRecord& pod) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(role_);

  runtime::Runtime* const runtime_;
  const HollowOptions options_;
  const api::ServedKind* const pods_kind_;
  const api::ServedKind* const nodes_kind_;
  const api::ServedKind* const leases_kind_;
  const registry::WriteContext context_;
  // Answers may come when this is gone.
  const std::shared_ptr<Mailbox> mailbox_;
  uint64_t busy_id_ = 0;

  // Written by the own thread, read by stats.
  std::atomic<uint64_t> looks_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<int64_t> nanos_{0};
  std::atomic<uint64_t> waiting_{0};

  ThreadRole role_;
  Moment now_ ABSL_GUARDED_BY(role_);
  TimerWheel wheel_ ABSL_GUARDED_BY(role_);
  std::vector<uint64_t> due_ ABSL_GUARDED_BY(role_);
  std::vector<std::unique_ptr<NodeRecord>> nodes_ ABSL_GUARDED_BY(role_);
  std::vector<uint32_t> free_nodes_ ABSL_GUARDED_BY(role_);
  StringMap<uint32_t> node_by_name_ ABSL_GUARDED_BY(role_);
  std::vector<bool> numbers_ ABSL_GUARDED_BY(role_);  // that are taken
  std::vector<std::unique_ptr<PodRecord>> pods_ ABSL_GUARDED_BY(role_);
  std::vector<uint32_t> free_pods_ ABSL_GUARDED_BY(role_);
  absl::flat_hash_map<absl::uint128, uint32_t> pod_by_uid_ ABSL_GUARDED_BY(role_);  // by hash
  std::deque<NodeTask> node_queue_ ABSL_GUARDED_BY(role_);
  std::deque<NodeTask> pod_queue_ ABSL_GUARDED_BY(role_);  // kind is not used
  int64_t next_to_register_ ABSL_GUARDED_BY(role_) = 0;
  TimerWheel::Id register_timer_ ABSL_GUARDED_BY(role_) = 0;  // set: not before
  int64_t node_writes_ ABSL_GUARDED_BY(role_) = 0;            // under way
  int64_t pod_writes_ ABSL_GUARDED_BY(role_) = 0;
  runtime::TimerId timer_ ABSL_GUARDED_BY(role_) = runtime::TimerId::kNone;
  int64_t timer_due_ ABSL_GUARDED_BY(role_) = kNever;
  uint64_t tick_ ABSL_GUARDED_BY(role_) = 0;  // number of the timer that is set

  Thread thread_;
  std::vector<registry::Observation> observations_;
};

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_KUBELETS_H_
