#include "tests/linearizability/revision_check.h"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

namespace socle::linearizability {
namespace {

using Pair = Answer::Pair;

std::string Blame(const History& history, const std::string& what, size_t first, size_t second) {
  std::string text = what + ":\n" + DescribeCall(first, history.calls[first]);
  return first == second ? text : text + DescribeCall(second, history.calls[second]);
}

std::string CheckMadeOnce(const History& history) {
  std::map<int64_t, size_t> maker;
  for (size_t i = 0; i < history.calls.size(); ++i) {
    const Answer& answer = history.calls[i].answer;
    if (!answer.has_written) {
      continue;
    }
    const auto [at, is_first] = maker.emplace(answer.revision, i);
    if (!is_first) {
      return Blame(history, fmt::format("Two writes were answered revision {}", answer.revision),
                   at->second, i);
    }
  }
  return "";
}

std::string CheckRealTime(const History& history) {
  std::vector<size_t> by_return;
  for (size_t i = 0; i < history.calls.size(); ++i) {
    if (history.calls[i].answer.revision > 0) {
      by_return.push_back(i);
    }
  }
  std::sort(by_return.begin(), by_return.end(), [&](size_t a, size_t b) {
    return history.calls[a].returned < history.calls[b].returned;
  });
  size_t returned = 0;
  size_t newest = history.calls.size();  // the call with the largest revision among those over
  for (size_t i = 0; i < history.calls.size(); ++i) {
    const Call& call = history.calls[i];
    while (returned < by_return.size() &&
           history.calls[by_return[returned]].returned < call.invoked) {
      const size_t over = by_return[returned++];
      if (newest == history.calls.size() ||
          history.calls[over].answer.revision > history.calls[newest].answer.revision) {
        newest = over;
      }
    }
    // A watcher may be behind what others have read.
    if (call.answer.revision == 0 || newest == history.calls.size() ||
        std::holds_alternative<RevisionSeen>(*call.request)) {
      continue;
    }
    const int64_t known = history.calls[newest].answer.revision;
    if (call.answer.revision < known ||
        (call.answer.has_written && call.answer.revision == known)) {
      return Blame(history, "Revisions go back: the second call began after the first was answered",
                   newest, i);
    }
  }
  return "";
}

std::string CheckPairs(const History& history) {
  std::map<std::pair<std::string, int64_t>, std::pair<size_t, Pair>> known;
  for (size_t i = 0; i < history.calls.size(); ++i) {
    const Answer& answer = history.calls[i].answer;
    for (const Pair& pair : answer.pairs) {
      if (pair.create_revision < 1 || pair.create_revision > pair.mod_revision ||
          pair.mod_revision > answer.revision || pair.version < 1) {
        return Blame(history,
                     fmt::format("'{}' has create {}, mod {}, version {} in an answer of revision "
                                 "{}",
                                 pair.key, pair.create_revision, pair.mod_revision, pair.version,
                                 answer.revision),
                     i, i);
      }
      const auto [at, is_new] =
          known.emplace(std::pair(pair.key, pair.mod_revision), std::pair(i, pair));
      Pair& old = at->second.second;
      const bool both = old.has_value && pair.has_value;
      if (!is_new && (old.create_revision != pair.create_revision || old.version != pair.version ||
                      (both && old.value != pair.value))) {
        return Blame(
            history,
            fmt::format("'{}' of revision {} reads in two ways", pair.key, pair.mod_revision),
            at->second.first, i);
      }
      if (pair.has_value && !old.has_value) {
        at->second = {i, pair};
      }
    }
  }
  auto previous = known.end();
  for (auto at = known.begin(); at != known.end(); previous = at++) {
    if (previous == known.end() || previous->first.first != at->first.first) {
      continue;
    }
    const Pair& a = previous->second.second;
    const Pair& b = at->second.second;
    const bool is_same_life = a.create_revision == b.create_revision;
    if (is_same_life ? b.version <= a.version : b.create_revision <= a.mod_revision) {
      return Blame(history, fmt::format("The lives or versions of '{}' contradict", a.key),
                   previous->second.first, at->second.first);
    }
  }
  return "";
}

std::string CheckWatches(const History& history) {
  for (const WatchLog& watch : history.watches) {
    int64_t last = 0;
    for (const WatchLog::Event& event : watch.events) {
      if (event.revision < last || event.revision < watch.start || event.revision > watch.through) {
        return fmt::format("A watcher from revision {} to {} was sent '{}' after revision {}\n",
                           watch.start, watch.through, event.text, last);
      }
      last = event.revision;
    }
  }
  return "";
}

}  // namespace

std::string CheckRevisions(const History& history) {
  for (const auto check : {CheckMadeOnce, CheckRealTime, CheckPairs, CheckWatches}) {
    if (std::string text = check(history); !text.empty()) {
      return text;
    }
  }
  return "";
}

}  // namespace socle::linearizability
