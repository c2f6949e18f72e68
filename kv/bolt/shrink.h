// Shrinker: gives the space of a file back while it is in use, in small steps.
//
//   pass     a line is drawn a little above what is in use, and free pages from it on are withheld
//            (freelist law 5): everybody writes below. A walk in key order, a piece per step, copies
//            each page above the line, so that the commit puts it below, and packs sparse leaves
//   settle   what was moved is pending until the next commit and until no reader sees it; commits
//            lower the high-water mark over the free tail (commit.h), and the file is cut
//   again    another pass with a lower line, while free pages are left and passes pay
//
// Laws     1. A step is one ordinary commit of a bounded number of pages, or writes nothing.
//          2. The high-water mark falls durably first; the file is cut only where no open reader
//             and neither meta page reaches (Database law 4), so that a crash between the two, or
//             the fall back to the older meta page, finds a whole file.
//          3. Two passes without gain are the last: it ends, also when others write all the time.
// Threads  confined to the writer.
// Memory   the walk's place: one key per nesting level.
// Errors   as a commit. DataLoss: a page that the walk met is broken; nothing was changed.
// Source   bbolt#422, bbolt#960; spec etcd 3.7.
#ifndef SOCLE_KV_BOLT_SHRINK_H_
#define SOCLE_KV_BOLT_SHRINK_H_

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/bolt/database.h"
#include "kv/engine.h"

namespace socle::kv::bolt {

class Shrinker {
 public:
  // `db` must outlive it.
  explicit Shrinker(Database* db) : db_(db) {}

  // Engine::ShrinkStep.
  absl::StatusOr<ShrinkProgress> Step(uint64_t bytes_max);

 private:
  // These require the writer slot; `base` is the newest commit.
  absl::StatusOr<ShrinkProgress> StepFrom(const Meta& base, uint64_t pages_max);
  void BeginPass(const Meta& base, uint64_t pages_max);
  // Goes on with the walk and commits. Returns how many pages were written, 0 without a commit.
  absl::StatusOr<uint64_t> MoveSome(const Meta& base, uint64_t pages_max);
  // True when a commit without changes brings the end of the file closer.
  bool IsCommitUseful(const Meta& base) const;
  // Returns whether the file was cut.
  absl::StatusOr<bool> CutFile();
  // What comes after a step that did nothing, the walk being over.
  ShrinkProgress::State EndPass(const Meta& base);

  Database* const db_;

  bool in_pass_ = false;
  PageId line_{};
  uint64_t pages_at_begin_ = 0;
  uint64_t used_at_begin_ = 0;
  std::vector<std::string> at_;  // of the walk
  bool is_walk_over_ = false;
  bool is_freelist_moved_ = false;  // by a commit after the walk
  uint32_t fruitless_ = 0;          // passes without gain, one after the other
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_SHRINK_H_
