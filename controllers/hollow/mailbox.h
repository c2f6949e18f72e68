// Mailbox: how changes, answers and ticks reach the one thread that owns the hollow nodes.
//
// Laws     1. Of changes of one object that wait only the newest is handed out, at the place of the newest.
//          2. It is busy from a Post until the owner asks for more and there is none.
// Threads  thread-safe; Take is called by the owner only.
// Memory   bounded: a change per object, an answer per write under way, one tick.
#ifndef SOCLE_CONTROLLERS_HOLLOW_MAILBOX_H_
#define SOCLE_CONTROLLERS_HOLLOW_MAILBOX_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>

#include "controllers/registry/errors.h"
#include "controllers/registry/object_cache.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::hollow {

enum class WriteKind : uint8_t { kRegister, kLease, kNodeStatus, kPodStatus, kPodDelete };

// How one write went.
struct Answer {
  WriteKind kind = WriteKind::kRegister;
  uint32_t index = 0;   // of the record
  uint32_t serial = 0;  // which of the records that had this index
  std::optional<registry::Reason> refusal;
  int64_t mod_revision = 0;
  int64_t base_revision = 0;  // what the change was made on; 0: unknown
  bool is_unchanged = false;
};

class Mailbox {
 public:
  struct Batch {
    std::vector<registry::ChangeRef> changes;  // some may be null
    std::vector<Answer> answers;
    uint64_t tick = 0;  // 0: none
  };

  void PostChange(registry::ChangeRef change);
  void PostAnswer(const Answer& answer);
  void PostTick(uint64_t number);
  void Close();

  // Blocks for something; false after Close.
  bool Take(Batch* batch);
  bool is_busy() const;

 private:
  bool IsEmpty() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  CondVar arrived_;
  Batch waiting_ ABSL_GUARDED_BY(mu_);
  // Of waiting_.changes, by uid; the keys live in those.
  absl::flat_hash_map<std::string_view, size_t, StringHash> places_ ABSL_GUARDED_BY(mu_);
  bool is_working_ ABSL_GUARDED_BY(mu_) = true;  // the owner begins with work of its own
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_MAILBOX_H_
