#include "tests/linearizability/whole_check.h"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "mvcc/testing/watch_collector.h"

namespace socle::linearizability {
namespace {

using mvcc::ModelStore;

class StoreModel {
 public:
  using State = ModelStore;

  explicit StoreModel(const History* history) : history_(history) {}

  static State Initial() { return {}; }

  static bool Same(const State& a, const State& b) { return a.SameAs(b); }

  // An answer says by its revision, or by being an error, whether the call changed anything.
  static bool IsPure(size_t /*number*/) { return true; }

  bool Step(const State& state, size_t number, std::vector<State>* changed) const {
    const Call& call = history_->calls[number];
    if (const auto* const seen = std::get_if<RevisionSeen>(call.request.get())) {
      return state.revision() >= seen->revision;
    }
    if (std::holds_alternative<LeaseListing>(*call.request)) {
      return !call.is_answered || ListLeases(state) == call.answer.text;
    }
    const int64_t ahead = call.answer.revision - state.revision();
    if (call.answer.revision != 0 && ahead != 0 && ahead != 1) {
      return false;  // what the model would say too, but later
    }
    if (const auto* const range = std::get_if<mvcc::RangeRequest>(call.request.get())) {
      return !call.is_answered || state.Read(*range) == call.answer.text;
    }
    State after = state;
    const std::string text = after.Apply(std::get<mvcc::Operation>(*call.request));
    if (call.is_answered && text != call.answer.text) {
      return false;
    }
    if (after.revision() == state.revision() &&
        after.compact_revision() == state.compact_revision() && after.leases() == state.leases()) {
      return true;
    }
    if (after.revision() == state.revision() || AgreesWithWatches(after)) {
      changed->push_back(std::move(after));
    }
    return false;
  }

  static std::string ListLeases(const State& state) {
    std::vector<lease::LeaseStatus> leases;
    for (const mvcc::LeaseId id : state.leases()) {
      leases.push_back({.id = id});
      for (const auto& [key, kv] : state.StateAt(state.revision())) {
        if (kv.lease == id) {
          leases.back().keys.push_back(key);
        }
      }
    }
    return AnswerOf(leases).text;
  }

  // True when the newest revision is what every watcher was sent of it.
  bool AgreesWithWatches(const State& state) const {
    const int64_t revision = state.revision();
    for (const WatchLog& watch : history_->watches) {
      if (revision >= watch.start && revision <= watch.through &&
          Made(state, watch) != Sent(watch, revision)) {
        return false;
      }
    }
    return true;
  }

  static std::vector<std::string> Made(const State& state, const WatchLog& watch) {
    std::vector<std::string> texts;
    for (const mvcc::ModelEvent& event : state.EventsAt(state.revision())) {
      if (mvcc::IsInRange(event.kv.key, watch.key, watch.range_end)) {
        texts.push_back(
            mvcc::Describe(mvcc::WatchEvent{.is_delete = event.is_delete, .kv = event.kv.view()}));
      }
    }
    return texts;
  }

  static std::vector<std::string> Sent(const WatchLog& watch, int64_t revision) {
    std::vector<std::string> texts;
    const auto [begin, end] =
        std::equal_range(watch.events.begin(), watch.events.end(), WatchLog::Event{revision, ""},
                         [](const WatchLog::Event& a, const WatchLog::Event& b) {
                           return a.revision < b.revision;
                         });
    for (auto at = begin; at != end; ++at) {
      texts.push_back(at->text);
    }
    return texts;
  }

 private:
  const History* const history_;
};

std::vector<Interval> IntervalsOf(const History& history) {
  std::vector<Interval> intervals;
  for (const Call& call : history.calls) {
    intervals.push_back(
        {.invoked = call.invoked, .returned = call.returned, .is_answered = call.is_answered});
  }
  return intervals;
}

std::string Join(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    all += (all.empty() ? "" : ", ") + text;
  }
  return all.empty() ? "nothing" : all;
}

// Why the call can't come after this state.
std::string Objection(const History& history, const Call& call, const ModelStore& state) {
  if (!call.is_answered) {
    return "without it, or with it, nothing else fits";
  }
  if (std::holds_alternative<RevisionSeen>(*call.request)) {
    return "the store is not there yet";
  }
  if (std::holds_alternative<LeaseListing>(*call.request)) {
    return "the model answers " + StoreModel::ListLeases(state);
  }
  if (const auto* const range = std::get_if<mvcc::RangeRequest>(call.request.get())) {
    return "the model answers " + state.Read(*range);
  }
  ModelStore after = state;
  const std::string text = after.Apply(std::get<mvcc::Operation>(*call.request));
  if (text != call.answer.text) {
    return "the model answers " + text;
  }
  for (const WatchLog& watch : history.watches) {
    if (after.revision() >= watch.start && after.revision() <= watch.through) {
      return fmt::format("the model's events: {}; a watcher was sent {}",
                         Join(StoreModel::Made(after, watch)),
                         Join(StoreModel::Sent(watch, after.revision())));
    }
  }
  return "it fits, but nothing fits after it";
}

}  // namespace

Linearization<ModelStore> CheckWhole(const History& history, uint64_t steps_max) {
  const StoreModel model(&history);
  const std::vector<Interval> intervals = IntervalsOf(history);
  return Linearizer<StoreModel>(&model, &intervals, steps_max).Run();
}

std::string ExplainWhole(const History& history, const Linearization<ModelStore>& found) {
  constexpr size_t kShownCalls = 8;
  std::string text = fmt::format(
      "No order of all {} calls answers as they were answered. The longest one found places {} and "
      "ends, at revision {} compacted {}, with:\n",
      history.calls.size(), found.order.size(), found.state.revision(),
      found.state.compact_revision());
  const size_t first = found.order.size() - std::min(found.order.size(), kShownCalls);
  for (size_t i = first; i < found.order.size(); ++i) {
    text += DescribeCall(found.order[i], history.calls[found.order[i]]);
  }
  text += "Next must come one of these, and none fits:\n";
  for (const size_t number : found.stuck) {
    text += DescribeCall(number, history.calls[number]);
    text += fmt::format("{:33}{}\n", "",
                        Objection(history, history.calls[number], found.state));
  }
  return text;
}

}  // namespace socle::linearizability
