#include "controllers/gc/plan.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::gc {
namespace {

using registry::Propagation;
using testing::ElementsAre;
using enum OwnerState;
using Act = Verdict::Act;

registry::Object OwnedBy(size_t owners, std::vector<std::string> finalizers = {}) {
  registry::Object object;
  for (size_t i = 0; i < owners; ++i) {
    object.owners.push_back({.name = "o", .uid = "u" + std::to_string(i)});
  }
  object.finalizers = std::move(finalizers);
  return object;
}

TEST(GcPlan, DeletesWhatNoOwnerKeeps) {
  struct Case {
    const char* name;
    std::vector<OwnerState> owners;
    std::vector<std::string> finalizers;
    bool has_dependents;
    Act act;
    Propagation propagation;
    std::vector<std::string> strip;
  };

  const Case cases[] = {
      {"no owners", {}, {}, false, Act::kKeep, Propagation::kBackground, {}},
      {"one that stays", {kPresent}, {}, true, Act::kKeep, Propagation::kBackground, {}},
      {"one that is gone", {kGone}, {}, true, Act::kDelete, Propagation::kBackground, {}},
      {"one of two gone",
       {kGone, kPresent},
       {},
       false,
       Act::kStrip,
       Propagation::kBackground,
       {"u0"}},
      {"gone and going beside one that stays",
       {kGone, kPresent, kGoing},
       {},
       true,
       Act::kStrip,
       Propagation::kBackground,
       {"u0", "u2"}},
      {"all gone", {kGone, kGone}, {}, false, Act::kDelete, Propagation::kBackground, {}},
      {"waited for", {kGoing}, {}, false, Act::kDelete, Propagation::kBackground, {}},
      {"waited for, with dependents",
       {kGoing, kGone},
       {},
       true,
       Act::kDelete,
       Propagation::kForeground,
       {}},
      {"it asks to orphan", {kGone}, {"orphan"}, true, Act::kDelete, Propagation::kOrphan, {}},
      {"it asks for the foreground",
       {kGone},
       {"foregroundDeletion"},
       true,
       Act::kDelete,
       Propagation::kForeground,
       {}},
      {"finalizers of others", {kGone}, {"x/y"}, true, Act::kDelete, Propagation::kBackground, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    registry::Object object = OwnedBy(c.owners.size(), c.finalizers);
    const Verdict verdict = Judge(object, c.owners, c.has_dependents);
    EXPECT_EQ(verdict.act, c.act);
    EXPECT_EQ(verdict.propagation, c.propagation);
    EXPECT_EQ(verdict.strip, c.strip);
    object.is_deleting = true;
    EXPECT_EQ(Judge(object, c.owners, c.has_dependents).act, Act::kKeep);
  }
}

TEST(GcPlan, OnlyReferencesThatSaySoBlockTheirOwner) {
  registry::Object object = OwnedBy(2);
  object.owners[1].blocks_deletion = true;
  EXPECT_FALSE(BlocksOwner(object, "u0"));
  EXPECT_TRUE(BlocksOwner(object, "u1"));
  EXPECT_FALSE(BlocksOwner(object, "u2"));
}

}  // namespace
}  // namespace socle::gc
