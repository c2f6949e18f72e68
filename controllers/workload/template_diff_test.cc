// Which differences of templates may be made in place: rows D2, D10, D11 of spec controllers 7.4.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/json_patch.h"
#include "controllers/workload/in_place_update.h"
#include "kv/base/status_macros.h"

namespace socle::workload {
namespace {

using api::Json;
using ::testing::HasSubstr;

constexpr std::string_view kTemplate = R"({"metadata":{"labels":{"app":"web","old":"1"}},
  "spec":{"containers":[
    {"name":"a","image":"a:1","imagePullPolicy":"IfNotPresent",
     "resources":{"requests":{"cpu":"1","memory":"1Gi"}},"env":[{"name":"X","value":"1"}]},
    {"name":"b","image":"b:1"}],
  "initContainers":[{"name":"i","image":"i:1"}],"volumes":[]}})";

// Adds or replaces the value at the pointer.
void Put(std::string_view pointer, const Json& value, Json* document) {
  const Json patch = {{{"op", "add"}, {"path", api::JsonView(pointer)}, {"value", value}}};
  const bool is_element = pointer.back() >= '0' && pointer.back() <= '9';
  ASSERT_FALSE(is_element) << "would be inserted";
  const absl::Status applied = api::ApplyJsonPatch(patch, document);
  ASSERT_TRUE(applied.ok()) << applied;
}

Json Changed(std::string_view pointer, std::string_view value) {
  Json changed = api::Literal(kTemplate);
  Put(pointer, api::Literal(value), &changed);
  return changed;
}

absl::StatusOr<InPlaceUpdate> Diff(const Json& after, InPlaceOptions options = {}) {
  return DiffTemplates(api::Literal(kTemplate), after, "r2", options);
}

TEST(TemplateDiff, RefusesWhatOnlyANewPodCanHaveAndSaysWhere) {
  const struct Case {
    const char* pointer;
    const char* value;
    const char* place;
  } kCases[] = {
      {"/spec/containers/0/env/0/value", R"("2")", "spec.containers[0].env"},
      {"/spec/containers/1/command", R"(["x"])", "spec.containers[1].command"},
      {"/spec/containers/1/name", R"("c")", "spec.containers[1].name"},
      {"/spec/containers", R"([{"name":"a","image":"a:1"}])", "spec.containers"},
      {"/spec/initContainers/0/image", R"("i:2")", "spec.initContainers"},
      {"/spec/volumes", R"([{"name":"v"}])", "spec.volumes"},
      {"/spec/nodeSelector", R"({"a":"b"})", "spec.nodeSelector"},
      {"/metadata/finalizers", R"(["f"])", "metadata.finalizers"},
      {"/spec/containers/0/imagePullPolicy", R"("Always")", "spec.containers[0].imagePullPolicy"},
      {"/spec/containers/0/resources/requests/cpu", R"("2")", "spec.containers[0].resources"},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.pointer);
    const absl::StatusOr<InPlaceUpdate> update = Diff(Changed(c.pointer, c.value));
    ASSERT_FALSE(update.ok());
    EXPECT_THAT(std::string(MessageOf(update.status())), HasSubstr(c.place));
  }
}

TEST(TemplateDiff, NamesTheImagesThatChangeAndTheMetadata) {
  Json after = Changed("/spec/containers/1/image", R"("b:2")");
  after = [&] {
    Json one = after;
    api::EnsureObject(&one, {"metadata", "labels"}).erase("old");
    api::EnsureObject(&one, {"metadata", "labels"})["new"] = "2";
    api::EnsureObject(&one, {"metadata", "annotations"})["note"] = "x";
    return one;
  }();
  const absl::StatusOr<InPlaceUpdate> update = Diff(after);
  ASSERT_TRUE(update.ok()) << update.status();
  ASSERT_EQ(update->images.size(), 1U);
  EXPECT_EQ(update->images[0], (std::pair<std::string, std::string>("b", "b:2")));
  EXPECT_EQ(Json(update->labels), api::Literal(R"({"old":null,"new":"2"})"));
  EXPECT_EQ(Json(update->annotations), api::Literal(R"({"note":"x"})"));
}

TEST(TemplateDiff, APullPolicyMayFollowItsImage) {
  Json after = Changed("/spec/containers/0/image", R"("a:latest")");
  Put("/spec/containers/0/imagePullPolicy", "Always", &after);
  EXPECT_TRUE(Diff(after).ok());
}

TEST(TemplateDiff, ResourcesChangeBehindTheirGateWhileTheQosClassStays) {
  const struct Case {
    const char* name;
    const char* resources;
    bool is_allowed;
  } kCases[] = {
      {"cpu", R"({"requests":{"cpu":"2","memory":"1Gi"}})", true},
      {"memory and limits", R"({"requests":{"cpu":"1","memory":"2Gi"},"limits":{"cpu":"4"}})",
       true},
      {"another resource", R"({"requests":{"cpu":"1","memory":"1Gi","gpu":"1"}})", false},
      {"to BestEffort", R"({})", false},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Json after = Changed("/spec/containers/0/resources", c.resources);
    EXPECT_EQ(Diff(after, {.allows_resources = true}).ok(), c.is_allowed);
    EXPECT_FALSE(Diff(after).ok());
  }
  Json both = Changed("/spec/containers/0/resources/requests/cpu", R"("2")");
  Put("/spec/containers/1/image", "b:2", &both);
  const absl::StatusOr<InPlaceUpdate> update = Diff(both, {.allows_resources = true});
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->images.size(), 1U);
  EXPECT_EQ(update->resources.size(), 1U);
}

TEST(TemplateDiff, OtherClaimsForbidItUnlessTheyAreIgnoredOrUnknown) {
  const struct Case {
    const char* before;
    const char* after;
    bool ignores;
    bool is_allowed;
  } kCases[] = {
      {"", "", false, true},     {"h1", "", false, true},    {"", "h1", false, true},
      {"h1", "h1", false, true}, {"h1", "h2", false, false}, {"h1", "h2", true, true},
      {"h1", "h1", true, true},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(fmt::format("{} {} {}", c.before, c.after, c.ignores));
    EXPECT_EQ(
        Diff(Changed("/spec/containers/1/image", R"("b:2")"),
             {.old_claims_hash = c.before, .new_claims_hash = c.after, .ignores_claims = c.ignores})
            .ok(),
        c.is_allowed);
  }
}

}  // namespace
}  // namespace socle::workload
