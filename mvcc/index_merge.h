// IndexMerge: makes the histories of a range of keys from sorted runs, in key order.
//
// Laws     1. A history may begin in the middle of a key's life: create revision and version then
//             come from the record. A tombstone on a key that is not live is left out.
//          2. Each revision learns what it made garbage (RecordRun::Stored::superseded).
// Threads  thread-compatible; several at a time on the same runs, each with keys of its own.
// Source   spec etcd 2.4.
#ifndef SOCLE_MVCC_INDEX_MERGE_H_
#define SOCLE_MVCC_INDEX_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mvcc/index_builder.h"
#include "mvcc/record_run.h"

namespace socle::mvcc {

class IndexMerge {
 public:
  struct Attachment {
    std::string_view key;  // of the entry, which the index owns
    LeaseId lease;
  };

  // Keys in [from, to); nullopt: no bound.
  IndexMerge(std::vector<RecordRun>* runs, std::optional<std::string> from,
             std::optional<std::string> to, const Index& index);

  void Run();

  IndexBuilder* built() { return &built_; }

  // Live keys with a lease, which may be one that is gone.
  const std::vector<Attachment>& attachments() const { return attachments_; }

 private:
  // The next row of one run.
  struct Head {
    std::string_view key;
    size_t run;
    size_t row;
    size_t end;
  };

  static bool IsLater(const Head& a, const Head& b) {
    const int order = a.key.compare(b.key);
    return order != 0 ? order > 0 : a.run > b.run;
  }

  // Takes the first row and puts its run's next one in its place.
  RecordRun::Stored* TakeFirst();
  void AddHistory(std::string_view key);

  std::vector<RecordRun>* const runs_;
  std::vector<Head> heads_;  // a heap, the first row in front
  std::vector<RecordRun::Stored*> history_;
  IndexBuilder built_;
  std::vector<Attachment> attachments_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_INDEX_MERGE_H_
