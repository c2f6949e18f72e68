#include "tests/linearizability/judge.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "tests/linearizability/key_check.h"
#include "tests/linearizability/revision_check.h"
#include "tests/linearizability/whole_check.h"

namespace socle::linearizability {
namespace {

constexpr uint64_t kShrinkSteps = 200'000;  // of each attempt
constexpr size_t kShrinkCallsMax = 600;     // in longer ones reads stay: one attempt for each

bool Fails(const History& history) {
  return CheckWhole(history, kShrinkSteps).verdict == Verdict::kNotLinearizable;
}

bool IsRead(const Call& call) {
  return !std::holds_alternative<mvcc::Operation>(*call.request);
}

// The shortest failing beginning: cut after the answer that made it fail.
History ShortestPrefix(const History& history) {
  std::vector<int64_t> ends;
  for (const Call& call : history.calls) {
    if (call.is_answered) {
      ends.push_back(call.returned);
    }
  }
  std::sort(ends.begin(), ends.end());
  const auto first = std::partition_point(
      ends.begin(), ends.end(), [&](int64_t tick) { return !Fails(UpTo(history, tick)); });
  return first == ends.end() ? history : UpTo(history, *first);
}

History WithoutReads(History history) {
  for (size_t i = history.calls.size(); i-- > 0;) {
    if (!IsRead(history.calls[i])) {
      continue;
    }
    Call call = std::move(history.calls[i]);
    history.calls.erase(history.calls.begin() + static_cast<std::ptrdiff_t>(i));
    if (!Fails(history)) {
      history.calls.insert(history.calls.begin() + static_cast<std::ptrdiff_t>(i), std::move(call));
    }
  }
  if (!history.watches.empty()) {
    std::vector<WatchLog> watches = std::exchange(history.watches, {});
    if (!Fails(history)) {
      history.watches = std::move(watches);
    }
  }
  return history;
}

std::string Smallest(const History& history) {
  History small = ShortestPrefix(history);
  if (small.calls.size() <= kShrinkCallsMax) {
    small = WithoutReads(std::move(small));
  }
  const auto found = CheckWhole(small, kShrinkSteps);
  if (found.verdict != Verdict::kNotLinearizable) {
    return "";
  }
  return fmt::format("--- The smallest failing part of it that was found, {} calls ---\n{}\n{}\n",
                     small.calls.size(), DescribeHistory(small), ExplainWhole(small, found));
}

}  // namespace

History UpTo(const History& history, int64_t tick) {
  History cut;
  cut.watches = history.watches;
  int64_t seen = 0;
  for (const Call& call : history.calls) {
    if (call.invoked > tick) {
      continue;
    }
    cut.calls.push_back(call);
    if (call.is_answered && call.returned > tick) {
      cut.calls.back().is_answered = false;
      cut.calls.back().returned = kNever;
      cut.calls.back().answer = {};
    } else if (const auto* const told = std::get_if<RevisionSeen>(call.request.get())) {
      seen = std::max(seen, told->revision);
    }
  }
  // A watcher's events are known once their revision was seen.
  for (WatchLog& watch : cut.watches) {
    watch.through = std::min(watch.through, seen);
    std::erase_if(watch.events,
                  [&](const WatchLog::Event& event) { return event.revision > watch.through; });
  }
  return cut;
}

Judgement Judge(const History& history, const JudgeOptions& options) {
  Judgement judgement;
  const std::string revisions = CheckRevisions(history);
  const KeyFinding keys = CheckKeys(history, options.steps_max);
  const auto whole = CheckWhole(history, options.steps_max);
  judgement.steps = keys.steps + whole.steps;
  judgement.broke_revisions = !revisions.empty();
  judgement.broke_keys = keys.verdict == Verdict::kNotLinearizable;
  judgement.broke_whole = whole.verdict == Verdict::kNotLinearizable;
  judgement.is_undecided = judgement.is_good() && (keys.verdict == Verdict::kUndecided ||
                                                   whole.verdict == Verdict::kUndecided);
  if (judgement.broke_revisions) {
    judgement.report += "--- Revisions ---\n" + revisions + "\n";
  }
  if (judgement.broke_keys) {
    judgement.report += "--- One key ---\n" + keys.text + "\n";
  }
  if (judgement.broke_whole) {
    judgement.report += "--- The whole history ---\n" + ExplainWhole(history, whole) + "\n";
    if (options.wants_smallest) {
      judgement.report += Smallest(history);
    }
  }
  if (judgement.is_undecided) {
    judgement.report = fmt::format("undecided after {} steps of search\n", judgement.steps);
  }
  return judgement;
}

}  // namespace socle::linearizability
