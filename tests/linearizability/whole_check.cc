#include "tests/linearizability/whole_check.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <utility>
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

  explicit StoreModel(const History* history) : history_(history) {
    for (const Call& call : history->calls) {
      const auto* const operation = std::get_if<mvcc::Operation>(call.request.get());
      const auto* const compact =
          operation == nullptr ? nullptr : std::get_if<mvcc::CompactOp>(operation);
      if (compact != nullptr) {
        compactions_.insert(compact->revision);
      }
    }
  }

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

  std::vector<WatchLog::Event> Made(const State& state, const WatchLog& watch) const {
    std::vector<WatchLog::Event> events;
    for (const mvcc::ModelEvent& event : state.EventsAt(state.revision())) {
      if (mvcc::IsInRange(event.kv.key, watch.key, watch.range_end)) {
        events.push_back({event.revision, event.kv.key,
                          mvcc::Describe(mvcc::WatchEvent{.is_delete = event.is_delete,
                                                          .kv = event.kv.view()})});
      }
    }
    return WithoutCompacted(std::move(events));
  }

  std::vector<WatchLog::Event> Sent(const WatchLog& watch, int64_t revision) const {
    std::vector<WatchLog::Event> events;
    std::ranges::copy_if(watch.events, std::back_inserter(events),
                         [&](const WatchLog::Event& event) { return event.revision == revision; });
    return WithoutCompacted(std::move(events));
  }

 private:
  // A compaction at exactly this revision leaves of each key its last change: a watcher that begins
  // there, which is allowed, does not see a put that the same transaction deleted again (as etcd).
  std::vector<WatchLog::Event> WithoutCompacted(std::vector<WatchLog::Event> events) const {
    if (events.empty() || !compactions_.contains(events[0].revision)) {
      return events;
    }
    std::vector<WatchLog::Event> kept;
    for (size_t i = 0; i < events.size(); ++i) {
      const bool is_last =
          std::none_of(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, events.end(),
                       [&](const WatchLog::Event& later) { return later.key == events[i].key; });
      if (is_last) {
        kept.push_back(events[i]);
      }
    }
    return kept;
  }

  const History* const history_;
  std::set<int64_t> compactions_;
};

std::vector<Interval> IntervalsOf(const History& history) {
  std::vector<Interval> intervals;
  for (const Call& call : history.calls) {
    intervals.push_back(
        {.invoked = call.invoked, .returned = call.returned, .is_answered = call.is_answered});
  }
  return intervals;
}

std::string Join(const std::vector<WatchLog::Event>& events) {
  std::string all;
  for (const WatchLog::Event& event : events) {
    all += (all.empty() ? "" : ", ") + event.text;
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
  const StoreModel model(&history);
  for (const WatchLog& watch : history.watches) {
    const auto made = model.Made(after, watch);
    const auto sent = model.Sent(watch, after.revision());
    if (after.revision() >= watch.start && after.revision() <= watch.through && made != sent) {
      return fmt::format("the model's events: {}; a watcher was sent {}", Join(made), Join(sent));
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
                        Printable(Objection(history, history.calls[number], found.state)));
  }
  return text;
}

}  // namespace socle::linearizability
