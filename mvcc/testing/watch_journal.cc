#include "mvcc/testing/watch_journal.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace socle::mvcc {
namespace {

std::vector<JournalEvent> Received(const WatchJournal& journal) {
  std::vector<JournalEvent> received;
  for (const JournalEntry& entry : journal.entries) {
    received.insert(received.end(), entry.events.begin(), entry.events.end());
  }
  return received;
}

std::string PrevText(const KeyValueView& prev) {
  return fmt::format("{}@{}", prev.value, prev.mod_revision);
}

}  // namespace

JournalEvent Noted(const WatchEvent& event) {
  const KeyValueView& kv = event.kv;
  return {.revision = kv.mod_revision,
          .key = std::string(kv.key),
          .text = event.is_delete
                      ? fmt::format("delete {}@{}", kv.key, kv.mod_revision)
                      : fmt::format("put {}={}@{} {}/{} lease {}", kv.key, kv.value,
                                    kv.mod_revision, kv.create_revision, kv.version, Raw(kv.lease)),
          .prev = event.prev_kv ? PrevText(*event.prev_kv) : ""};
}

std::vector<JournalEvent> ExpectedEvents(const ModelStore& model, const WatchJournal& journal) {
  const WatchRequest& request = journal.request;
  std::vector<JournalEvent> expected;
  for (const ModelEvent& event : model.events()) {
    const bool is_filtered = event.is_delete ? request.no_delete : request.no_put;
    if (event.revision < journal.start || is_filtered ||
        !IsInRange(event.kv.key, request.key, request.range_end)) {
      continue;
    }
    WatchEvent shown{
        .is_delete = event.is_delete, .kv = event.kv.view(), .prev_kv = {}, .encoded = {}};
    if (request.prev_kv && event.prev) {
      shown.prev_kv = event.prev->view();
    }
    expected.push_back(Noted(shown));
  }
  return expected;
}

std::string BreachOfOrdered(const WatchJournal& journal, const Expected& expected) {
  // A transaction may change a key twice: an event stands at any of its places.
  std::map<std::string, std::vector<size_t>> places;
  for (size_t i = 0; i < expected.size(); ++i) {
    places[expected[i].text].push_back(i);
  }
  size_t last = 0;
  for (const JournalEvent& event : Received(journal)) {
    const std::vector<size_t>& own = places[event.text];
    if (own.empty()) {
      continue;  // Reliable's business.
    }
    const auto at = std::lower_bound(own.begin(), own.end(), last);
    if (at == own.end()) {
      return fmt::format("{} came after {}", event.text, expected[last].text);
    }
    last = *at;
  }
  return "";
}

std::string BreachOfUnique(const WatchJournal& journal, const Expected& expected) {
  std::map<std::string, size_t> wanted;
  for (const JournalEvent& event : expected) {
    ++wanted[event.text];
  }
  std::map<std::string, size_t> came;
  for (const JournalEvent& event : Received(journal)) {
    if (++came[event.text] > std::max<size_t>(wanted[event.text], 1)) {
      return fmt::format("{} came {} times", event.text, came[event.text]);
    }
  }
  return "";
}

std::string BreachOfAtomic(const WatchJournal& journal, const Expected& expected) {
  std::map<int64_t, size_t> sizes;
  for (const JournalEvent& event : expected) {
    ++sizes[event.revision];
  }
  for (const JournalEntry& entry : journal.entries) {
    std::map<int64_t, size_t> came;
    for (const JournalEvent& event : entry.events) {
      ++came[event.revision];
    }
    for (const auto& [revision, count] : came) {
      if (count < sizes[revision]) {
        return fmt::format("a response has {} of the {} events of revision {}", count,
                           sizes[revision], revision);
      }
    }
  }
  return "";
}

std::string BreachOfReliable(const WatchJournal& journal, const Expected& expected) {
  std::multiset<std::string> came;
  int64_t last = 0;
  for (const JournalEvent& event : Received(journal)) {
    came.insert(event.text);
    last = std::max(last, event.revision);
  }
  for (const JournalEvent& event : expected) {
    const auto at = came.find(event.text);
    if (at != came.end()) {
      came.erase(at);
    } else if (!journal.is_over || event.revision <= last) {
      return fmt::format("{} never came", event.text);
    }
  }
  return came.empty() ? "" : fmt::format("{} was not to come", *came.begin());
}

std::string BreachOfResumable(const WatchJournal& journal, const Expected& expected) {
  for (size_t i = 0; i < journal.entries.size(); ++i) {
    if (journal.entries[i].kind != JournalEntry::Kind::kResumed) {
      continue;
    }
    const int64_t revision = journal.entries[i].revision;
    const auto next = std::find_if(
        journal.entries.begin() + static_cast<std::ptrdiff_t>(i), journal.entries.end(),
        [](const JournalEntry& entry) { return entry.kind == JournalEntry::Kind::kEvents; });
    if (next == journal.entries.end()) {
      continue;  // Reliable tells when something is missing.
    }
    const auto first =
        std::find_if(expected.begin(), expected.end(),
                     [revision](const JournalEvent& event) { return event.revision >= revision; });
    if (first == expected.end() || !(next->events.front() == *first)) {
      return fmt::format("resumed at {} with {}, not with {}", revision, next->events.front().text,
                         first == expected.end() ? "nothing" : first->text);
    }
  }
  return "";
}

std::string BreachOfBookmarkable(const WatchJournal& journal, const Expected& expected) {
  size_t before = 0;
  int64_t bookmark = 0;
  for (const JournalEntry& entry : journal.entries) {
    for (const JournalEvent& event : entry.events) {
      if (event.revision <= bookmark) {
        return fmt::format("{} came after a bookmark at {}", event.text, bookmark);
      }
    }
    before += entry.events.size();
    if (entry.kind != JournalEntry::Kind::kBookmark) {
      continue;
    }
    bookmark = std::max(bookmark, entry.revision);
    if (entry.revision + 1 < journal.start) {
      return fmt::format("a bookmark at {}, below the start {}", entry.revision, journal.start);
    }
    const auto wanted = static_cast<size_t>(std::count_if(
        expected.begin(), expected.end(),
        [&entry](const JournalEvent& event) { return event.revision <= entry.revision; }));
    if (before < wanted) {
      return fmt::format("a bookmark at {} after {} of {} events", entry.revision, before, wanted);
    }
  }
  return "";
}

std::string BreachOfPrevious(const WatchJournal& journal, const Expected& expected,
                             int64_t compact_revision) {
  std::map<std::string, std::string> previous;
  for (const JournalEvent& event : expected) {
    previous[event.text] = event.prev;
  }
  for (const JournalEvent& event : Received(journal)) {
    const std::string& wanted = previous[event.text];
    if (event.prev != wanted && (!event.prev.empty() || event.revision > compact_revision)) {
      return fmt::format("{} came with the previous pair \"{}\", not \"{}\"", event.text,
                         event.prev, wanted);
    }
  }
  return "";
}

}  // namespace socle::mvcc
