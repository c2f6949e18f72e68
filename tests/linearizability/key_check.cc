#include "tests/linearizability/key_check.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mvcc/testing/model_store.h"

namespace socle::linearizability {
namespace {

using KeyState = std::optional<SeenKv>;

struct KeyCall {
  size_t number;  // in the history
  bool is_answered;
  std::vector<std::vector<Access>> ways;  // one when answered
};

// A register with version and lease.
class KeyModel {
 public:
  using State = KeyState;

  KeyModel(std::string key, std::vector<KeyCall> calls)
      : key_(std::move(key)), calls_(std::move(calls)) {}

  static State Initial() { return std::nullopt; }

  static bool Same(const State& a, const State& b) { return a == b; }

  bool Step(const State& state, size_t number, std::vector<State>* changed) const {
    bool can_stay = false;
    for (const std::vector<Access>& way : calls_[number].ways) {
      State after = state;
      bool fits = true;
      for (const Access& access : way) {
        fits = fits && Play(access, &after);
      }
      if (fits && after == state) {
        can_stay = true;
      } else if (fits) {
        changed->push_back(std::move(after));
      }
    }
    return can_stay;
  }

  // A delete of a range, or of a lease's keys, does not say whether this one was among them.
  bool IsPure(size_t number) const {
    return std::ranges::all_of(calls_[number].ways, [](const std::vector<Access>& way) {
      return std::ranges::all_of(way, [](const Access& access) {
        return access.kind == Access::kSee || access.kind == Access::kCount ||
               access.kind == Access::kCompare;
      });
    });
  }

  const std::vector<KeyCall>& calls() const { return calls_; }

 private:
  bool Play(const Access& access, State* state) const {
    switch (access.kind) {
      case Access::kSee: {
        const auto seen = access.seen.find(key_);
        return seen == access.seen.end() ? !state->has_value() : *state == seen->second;
      }
      case Access::kCount:
        return access.count == (state->has_value() ? 1 : 0);
      case Access::kCompare:
        return Holds(*access.compare, *state) == access.holds;
      case Access::kPut:
        Put(*access.put, state);
        return true;
      case Access::kDelete:
        state->reset();
        return true;
      case Access::kRevoke:
        if (state->has_value() && (*state)->lease == access.lease) {
          state->reset();
        }
        return true;
    }
    return false;
  }

  static void Put(const mvcc::PutRequest& put, State* state) {
    const SeenKv old = state->value_or(SeenKv());
    *state = SeenKv{.value = put.ignore_value ? old.value : put.value,
                    .version = old.version + 1,
                    .lease = put.ignore_lease ? old.lease : put.lease};
  }

  static bool Holds(const mvcc::Compare& compare, const State& state) {
    int order = 0;
    if (compare.target == mvcc::CompareTarget::kValue) {
      if (!state.has_value()) {
        return false;
      }
      order = state->value.compare(compare.value);
    } else {
      const SeenKv kv = state.value_or(SeenKv());
      const int64_t number =
          compare.target == mvcc::CompareTarget::kVersion ? kv.version : mvcc::Raw(kv.lease);
      order = number < compare.number ? -1 : (number > compare.number ? 1 : 0);
    }
    switch (compare.op) {
      case mvcc::CompareOp::kEqual:
        return order == 0;
      case mvcc::CompareOp::kGreater:
        return order > 0;
      case mvcc::CompareOp::kLess:
        return order < 0;
      case mvcc::CompareOp::kNotEqual:
        return order != 0;
    }
    return false;
  }

  const std::string key_;
  const std::vector<KeyCall> calls_;
};

std::vector<Access> Of(const std::string& key, const std::vector<Access>& accesses) {
  std::vector<Access> mine;
  for (const Access& access : accesses) {
    if (mvcc::IsInRange(key, access.key, access.range_end)) {
      mine.push_back(access);
    }
  }
  return mine;
}

void AddKeysOf(const std::vector<Access>& way, std::set<std::string>* keys) {
  for (const Access& access : way) {
    if (access.range_end.empty()) {
      keys->insert(access.key);
    }
    for (const auto& [key, kv] : access.seen) {
      keys->insert(key);
    }
  }
}

std::set<std::string> KeysOf(const std::vector<KeyCall>& calls) {
  std::set<std::string> keys;
  for (const KeyCall& call : calls) {
    for (const std::vector<Access>& way : call.ways) {
      AddKeysOf(way, &keys);
    }
  }
  return keys;
}

// The part of each call that is about the key; calls that are not are left out.
std::vector<KeyCall> Project(const std::string& key, const std::vector<KeyCall>& calls) {
  std::vector<KeyCall> projected;
  for (const KeyCall& call : calls) {
    KeyCall mine{.number = call.number, .is_answered = call.is_answered, .ways = {}};
    bool is_about_key = false;
    for (const std::vector<Access>& way : call.ways) {
      mine.ways.push_back(Of(key, way));
      is_about_key = is_about_key || !mine.ways.back().empty();
    }
    if (is_about_key) {
      projected.push_back(std::move(mine));
    }
  }
  return projected;
}

std::string Explain(const std::string& key, const History& history, const KeyModel& model,
                    const Linearization<KeyState>& found) {
  std::string text =
      fmt::format("The key '{}' alone has no order of its {} calls. The longest one found:\n", key,
                  model.calls().size());
  const auto add = [&](size_t number) {
    const size_t at = model.calls()[number].number;
    text += DescribeCall(at, history.calls[at]);
  };
  for (const size_t number : found.order) {
    add(number);
  }
  text += found.state ? fmt::format("Then it is '{}' of version {}, lease {}", found.state->value,
                                    found.state->version, mvcc::Raw(found.state->lease))
                      : "Then it is absent";
  text += ", and none of these can be next:\n";
  for (const size_t number : found.stuck) {
    add(number);
  }
  return text;
}

}  // namespace

KeyFinding CheckKeys(const History& history, uint64_t steps_max) {
  std::vector<KeyCall> calls;
  for (size_t i = 0; i < history.calls.size(); ++i) {
    const Call& call = history.calls[i];
    KeyCall mine{.number = i, .is_answered = call.is_answered, .ways = {}};
    if (call.is_answered) {
      mine.ways.push_back(call.answer.accesses);
    } else if (!PossibleAccesses(*call.request, &mine.ways)) {
      return {};  // a nested transaction without an answer: nothing is known of its keys
    }
    calls.push_back(std::move(mine));
  }
  KeyFinding finding;
  for (const std::string& key : KeysOf(calls)) {
    const KeyModel model(key, Project(key, calls));
    std::vector<Interval> intervals;
    for (const KeyCall& call : model.calls()) {
      intervals.push_back({.invoked = history.calls[call.number].invoked,
                           .returned = history.calls[call.number].returned,
                           .is_answered = call.is_answered});
    }
    const auto found = Linearizer<KeyModel>(&model, &intervals, steps_max).Run();
    finding.steps += found.steps;
    if (found.verdict == Verdict::kNotLinearizable) {
      finding.verdict = found.verdict;
      finding.text = Explain(key, history, model, found);
      return finding;
    }
    if (found.verdict == Verdict::kUndecided) {
      finding.verdict = found.verdict;
    }
  }
  return finding;
}

}  // namespace socle::linearizability
