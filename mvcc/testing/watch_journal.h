// WatchJournal: what a client saw of one watch, over all streams on which it resumed it, and the guarantees
// that it must show.
//
// Laws     1. Each guarantee is judged by itself and answers with what breaks it, or with nothing.
// Threads  thread-compatible.
// Source   spec etcd 1.5: the guarantees as etcd names them.
#ifndef SOCLE_MVCC_TESTING_WATCH_JOURNAL_H_
#define SOCLE_MVCC_TESTING_WATCH_JOURNAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "mvcc/testing/model_store.h"
#include "mvcc/watch.h"

namespace socle::mvcc {

struct JournalEvent {
  int64_t revision = 0;
  std::string key;
  std::string text;  // "put a=1@2", "delete a@3"
  std::string prev;  // "1@2" when there was a previous pair, and it was asked for

  bool operator==(const JournalEvent& other) const {
    return revision == other.revision && key == other.key && text == other.text;
  }
};

struct JournalEntry {
  enum class Kind { kEvents, kBookmark, kResumed };
  Kind kind = Kind::kEvents;
  int64_t revision = 0;  // of the bookmark, or the first one that is wanted from here on
  std::vector<JournalEvent> events;  // of one response
};

struct WatchJournal {
  WatchRequest request;
  int64_t start = 0;     // first revision that is wanted
  bool is_over = false;  // cancelled, or given up: what came so far must be right
  std::vector<JournalEntry> entries;
};

JournalEvent Noted(const WatchEvent& event);

// What the watch must get up to the end of the model's history.
std::vector<JournalEvent> ExpectedEvents(const ModelStore& model, const WatchJournal& journal);

using Expected = std::vector<JournalEvent>;

// Events come in the order of their revisions, and within a revision as they were made.
std::string BreachOfOrdered(const WatchJournal& journal, const Expected& expected);
// No event comes twice.
std::string BreachOfUnique(const WatchJournal& journal, const Expected& expected);
// The events of a revision come in one response.
std::string BreachOfAtomic(const WatchJournal& journal, const Expected& expected);
// No event is missing between those that came, nor at the end; none comes that is not wanted.
std::string BreachOfReliable(const WatchJournal& journal, const Expected& expected);
// What comes after a resumption begins with the first event that is wanted from its revision on.
std::string BreachOfResumable(const WatchJournal& journal, const Expected& expected);
// A bookmark at R comes after every event <= R, before every other, and not below the start.
std::string BreachOfBookmarkable(const WatchJournal& journal, const Expected& expected);
// Previous pairs are right; they are missing only where history was compacted.
std::string BreachOfPrevious(const WatchJournal& journal, const Expected& expected,
                             int64_t compact_revision);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_WATCH_JOURNAL_H_
