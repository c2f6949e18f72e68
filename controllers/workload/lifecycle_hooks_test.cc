// Hooks: the transitions of spec controllers 3, rows L1 - L11 of 7.5.
#include "controllers/workload/lifecycle_hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/workload/document_edits.h"

namespace socle::workload {
namespace {

using enum LifecycleState;
using api::Json;

registry::Object PodWith(std::vector<std::pair<std::string, std::string>> labels,
                         std::vector<std::string> finalizers = {}) {
  registry::Object pod;
  pod.labels = std::move(labels);
  pod.finalizers = std::move(finalizers);
  return pod;
}

LifecycleHooks Hooks(std::string_view text) {
  const Json lifecycle = api::Literal(text);
  return ReadLifecycleHooks(&lifecycle);
}

constexpr std::string_view kAll = R"({
  "preDelete":{"labelsHandler":{"d":"1"}},
  "inPlaceUpdate":{"labelsHandler":{"u":"1"},"finalizersHandler":["f/u"],"markPodNotReady":true},
  "preNormal":{"labelsHandler":{"n":"1"},"finalizersHandler":["f/n"]}})";

TEST(LifecycleHooks, AnyHoldsAndAllSatisfies) {
  const LifecycleHooks hooks = Hooks(kAll);

  const struct Case {
    const char* name;
    registry::Object pod;
    bool is_hooked;
    bool is_all;
  } kCases[] = {
      {"neither", PodWith({}), false, false},
      {"label", PodWith({{"u", "1"}}), true, false},
      {"another value", PodWith({{"u", "2"}}), false, false},
      {"finalizer", PodWith({}, {"f/u"}), true, false},
      {"both", PodWith({{"u", "1"}}, {"f/u"}), true, true},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(IsHooked(hooks.in_place_update, c.pod), c.is_hooked);
    EXPECT_EQ(IsAllHooked(hooks.in_place_update, c.pod), c.is_all);
  }
  EXPECT_TRUE(hooks.in_place_update.marks_not_ready);
  EXPECT_FALSE(IsHooked(LifecycleHook(), PodWith({})));
  EXPECT_TRUE(IsAllHooked(LifecycleHook(), PodWith({})));
}

TEST(LifecycleHooks, ANewPodIsNormalOnlyWithAllThatPreNormalAsksFor) {
  const Json bare = api::Literal("{}");
  const Json partly = api::Literal(R"({"metadata":{"labels":{"n":"1"}}})");
  const Json whole = api::Literal(R"({"metadata":{"labels":{"n":"1"},"finalizers":["f/n"]}})");
  EXPECT_EQ(StateOfNewPod({}, bare), kNormal);
  EXPECT_EQ(StateOfNewPod(Hooks(kAll), bare), kPreparingNormal);
  EXPECT_EQ(StateOfNewPod(Hooks(kAll), partly), kPreparingNormal);
  EXPECT_EQ(StateOfNewPod(Hooks(kAll), whole), kNormal);
}

TEST(LifecycleHooks, PodsMoveByThemselves) {
  const registry::Object bare = PodWith({});
  const registry::Object normal = PodWith({{"n", "1"}}, {"f/n"});
  const registry::Object partly = PodWith({{"n", "1"}});
  const registry::Object hooked = PodWith({{"u", "1"}}, {"f/u"});

  const struct Case {
    const char* name;
    const registry::Object* pod;
    bool has_hooks;
    LifecycleState state;
    bool is_updated;
    bool is_done;
    LifecycleState next;  // kNone: stays
  } kCases[] = {
      {"not hooked, stays", &bare, true, kPreparingNormal, true, true, kNone},
      {"partly hooked, stays", &partly, true, kPreparingNormal, true, true, kNone},
      {"fully hooked", &normal, true, kPreparingNormal, true, true, kNormal},
      {"the hook is gone", &bare, false, kPreparingNormal, true, true, kNormal},
      {"held, wanted", &hooked, true, kPreparingUpdate, false, true, kNone},
      {"held, rolled back, hooked", &hooked, true, kPreparingUpdate, true, true, kNormal},
      {"held, rolled back, unhooked", &bare, true, kPreparingUpdate, true, true, kUpdated},
      {"rolled back, no hook", &bare, false, kPreparingUpdate, true, true, kNormal},
      {"updating, node at work", &bare, true, kUpdating, true, false, kNone},
      {"updating, done, unhooked", &bare, true, kUpdating, true, true, kUpdated},
      {"updating, done, hooked", &hooked, true, kUpdating, true, true, kNormal},
      {"updating, done, no hook", &bare, false, kUpdating, true, true, kNormal},
      {"updated, hooked again", &hooked, true, kUpdated, true, true, kNormal},
      {"updated, unhooked", &bare, true, kUpdated, true, true, kNone},
      {"updated, no hook", &bare, false, kUpdated, true, true, kNormal},
      {"no way back", &bare, true, kPreparingDelete, true, true, kNone},
      {"normal", &bare, true, kNormal, false, true, kNone},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const LifecycleHooks hooks = c.has_hooks ? Hooks(kAll) : LifecycleHooks();
    EXPECT_EQ(NextLifecycleState(hooks, *c.pod, c.state, c.is_updated, c.is_done).value_or(kNone),
              c.next);
  }
}

TEST(LifecycleHooks, AnUpdateIsHeldByAnythingOfItsHook) {
  const registry::Object bare = PodWith({});
  const registry::Object hooked = PodWith({{"u", "1"}});

  const struct Case {
    const registry::Object* pod;
    LifecycleState state;
    UpdateGate gate;
  } kCases[] = {
      {&bare, kNone, UpdateGate::kOpen},
      {&bare, kNormal, UpdateGate::kOpen},
      {&hooked, kNormal, UpdateGate::kPrepare},
      {&bare, kPreparingNormal, UpdateGate::kOpen},
      {&hooked, kPreparingNormal, UpdateGate::kPrepare},
      {&hooked, kPreparingUpdate, UpdateGate::kWait},
      {&bare, kPreparingUpdate, UpdateGate::kOpen},
      {&bare, kUpdating, UpdateGate::kOpen},
      {&bare, kUpdated, UpdateGate::kRearm},
      {&hooked, kPreparingDelete, UpdateGate::kWait},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(LifecycleStateText(c.state));
    EXPECT_EQ(GateForUpdate(Hooks(kAll), *c.pod, c.state), c.gate);
  }
  EXPECT_EQ(GateForUpdate({}, bare, kUpdated), UpdateGate::kOpen);
}

TEST(LifecycleHooks, ADeletionIsHeldByAnythingOfItsHook) {
  const registry::Object bare = PodWith({});
  const registry::Object hooked = PodWith({{"d", "1"}});
  for (const LifecycleState state : {kNone, kNormal, kPreparingNormal, kUpdating, kUpdated}) {
    EXPECT_EQ(GateForDelete(Hooks(kAll), bare, state), DeleteGate::kOpen);
    EXPECT_EQ(GateForDelete(Hooks(kAll), hooked, state), DeleteGate::kPrepare);
    EXPECT_EQ(GateForDelete({}, hooked, state), DeleteGate::kOpen);
  }
  EXPECT_EQ(GateForDelete(Hooks(kAll), hooked, kPreparingDelete), DeleteGate::kWait);
  EXPECT_EQ(GateForDelete(Hooks(kAll), bare, kPreparingDelete), DeleteGate::kOpen);
}

TEST(LifecycleHooks, StatesHaveTheTextsOfTheLabel) {
  for (const LifecycleState state :
       {kPreparingNormal, kNormal, kPreparingUpdate, kUpdating, kUpdated, kPreparingDelete}) {
    EXPECT_EQ(ParseLifecycleState(LifecycleStateText(state)), state);
  }
  EXPECT_EQ(ParseLifecycleState("other"), kNone);
  Json pod = api::Literal("{}");
  SetLifecycleState(kUpdating, 0, &pod);
  AddHook(Hooks(kAll).in_place_update, &pod);
  EXPECT_EQ(pod, api::Literal(R"({"metadata":{"labels":{"lifecycle.apps.kruise.io/state":"Updating",
      "u":"1"},"annotations":{"lifecycle.apps.kruise.io/timestamp":"1970-01-01T00:00:00Z"},
      "finalizers":["f/u"]}})"));
}

}  // namespace
}  // namespace socle::workload
