// Records: what the hollow nodes keep in memory of each node and each pod.
//
// Threads  confined to the thread of Kubelets.
// Memory   NodeRecord about 1.5 KB with its labels and 30 pods; PodRecord about 500 bytes, and 300 for each container.
#ifndef SOCLE_CONTROLLERS_HOLLOW_RECORDS_H_
#define SOCLE_CONTROLLERS_HOLLOW_RECORDS_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "controllers/hollow/controls.h"
#include "controllers/hollow/node_object.h"
#include "controllers/hollow/pod_life.h"
#include "controllers/hollow/timer_wheel.h"
#include "controllers/registry/object.h"
#include "controllers/workload/node_fit.h"

namespace socle::hollow {

inline constexpr uint32_t kNoRecord = UINT32_MAX;
inline constexpr uint16_t kNoSlot = UINT16_MAX;

// Which revisions of an object are known, so that the echo of an own write is not read again.
struct Reading {
  int64_t read = 0;  // the newest revision that was taken in
  int64_t own = 0;   // an own write on top of `read`; 0: none

  // Whether a document of this revision has news.
  bool IsNews(int64_t revision) const { return revision != read && revision != own; }
};

struct NodeRecord {
  registry::ObjectRef object;  // null: the record is free
  workload::NodeFacts facts;
  workload::NodeUse use;
  ControlTexts controls;
  std::vector<uint32_t> pods;
  std::bitset<kPodAddresses> slots;
  Reading reading;
  int64_t lease_due = kNever;
  int64_t heartbeat_due = kNever;
  uint32_t number = 0;
  uint32_t serial = 0;
  TimerWheel::Id timer = 0;
  bool has_lease = false;
  bool is_lease_queued = false;   // or being written
  bool is_status_queued = false;  // likewise
  bool wants_status = false;
  bool is_silent = false;   // lease-silence: nobody hears of the node
  bool is_crashed = false;  // crash: and nothing runs
  bool has_news = false;    // came while the status was being written
};

struct PodRecord {
  registry::ObjectRef object;  // null: the record is free
  PodLife life;
  std::string pod_ip;
  workload::Resources requests;
  Reading reading;
  int64_t retry_due = kNever;
  uint32_t node = kNoRecord;
  uint32_t serial = 0;
  TimerWheel::Id timer = 0;
  uint32_t reported = 0;  // life.version() in the store
  uint32_t sent = 0;      // life.version() of the write under way
  uint32_t reported_containers = 0;
  uint32_t sent_containers = 0;
  uint16_t slot = kNoSlot;  // of its address
  uint8_t failures = 0;     // of writes, in a row
  bool is_queued = false;
  bool is_writing = false;
  bool is_dirty = false;  // the document lacks something that is no matter of version()
  bool has_news = false;
  bool holds_resources = false;
  bool is_delete_sent = false;
};

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_RECORDS_H_
