// RandomRun: random operations on a StateStore beside a model of it, and a watch over all of them.
//
// The model is a map of documents per revision; whatever the store answers must be what the model
// says, and the events of the watch must lead from each revision's map to the next.
// Threads  thread-compatible.
#ifndef SOCLE_CONTROLLERS_STORAGE_TESTING_RANDOM_RUN_H_
#define SOCLE_CONTROLLERS_STORAGE_TESTING_RANDOM_RUN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controllers/storage/state_store.h"
#include "kv/base/random.h"

namespace socle::storage {

struct ModelObject {
  std::string document;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;

  bool operator==(const ModelObject&) const = default;
};

using ModelState = std::map<std::string, ModelObject>;

class RandomRun {
 public:
  // Requires: an empty store.
  explicit RandomRun(uint64_t seed) : random_(seed) { history_[1] = {}; }

  // Reports differences as failures of the running test.
  void Steps(StateStore* store, int count);
  // Watches from a random readable revision and compares the events with the model's history.
  void CompareWatch(StateStore* store);

 private:
  void StepWrite(StateStore* store);
  void StepBatch(StateStore* store);
  void StepGet(StateStore* store);
  void StepList(StateStore* store);
  void StepCompact(StateStore* store);

  Write RandomWrite();
  void ExpectResult(const Write& write, const WriteResult& result);
  std::string RandomKey();
  // 0, a readable, a compacted or a future one.
  int64_t RandomRevision();
  // An error that a read at the revision must give; OK when it must succeed.
  bool ExpectReadable(int64_t revision, const absl::Status& status);
  const ModelState& StateAt(int64_t revision) const;

  int64_t revision() const { return history_.rbegin()->first; }

  Random random_;
  std::map<int64_t, ModelState> history_;  // what holds from this revision on
  int64_t compacted_ = -1;
  int documents_ = 0;
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_TESTING_RANDOM_RUN_H_
