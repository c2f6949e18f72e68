#include "controllers/apiserver/object_form.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/kind_registry.h"
#include "controllers/api/timestamp.h"
#include "kv/base/clock.h"

namespace socle::apiserver {
namespace {

using Shape = Form::Shape;
using Include = Form::Include;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kConfigMap =
    R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"n","creationTimestamp":"2026-01-01T00:00:00Z"},"data":{"x":"1"}})";

const api::ServedKind* Served(std::string_view resource) {
  return api::KindRegistry::Builtin().ByResource({"", "v1", resource});
}

int64_t FiveMinutesLater() {
  return *api::ParseTime("2026-01-01T00:05:00Z");
}

api::Json ListOf(const Form& form) {
  const ObjectForm object_form(Served("configmaps"), form);
  std::string out;
  object_form.AppendListHead({.revision = 9, .continue_token = "more", .remaining = 3}, &out);
  object_form.AppendItem(kConfigMap, 7, true, FiveMinutesLater(), &out);
  object_form.AppendItem(kConfigMap, 8, false, FiveMinutesLater(), &out);
  ObjectForm::AppendListTail(&out);
  const absl::StatusOr<api::Json> parsed = api::ParseJson(out);
  EXPECT_TRUE(parsed.ok()) << out;
  return *parsed;
}

TEST(ObjectForm, WritesAListOfWholeObjects) {
  const api::Json list = ListOf({});
  EXPECT_EQ(api::StringAt(list, {"kind"}), "ConfigMapList");
  EXPECT_EQ(api::StringAt(list, {"apiVersion"}), "v1");
  EXPECT_EQ(api::StringAt(list, {"metadata", "resourceVersion"}), "9");
  EXPECT_EQ(api::StringAt(list, {"metadata", "continue"}), "more");
  EXPECT_EQ(api::IntAt(list, {"metadata", "remainingItemCount"}), 3);
  const api::JsonArray& items = *api::FindArray(list, {"items"});
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(api::StringAt(items[1], {"metadata", "resourceVersion"}), "8");
  EXPECT_EQ(api::StringAt(items[1], {"data", "x"}), "1");
}

TEST(ObjectForm, WritesMetadataOnly) {
  const api::Json list = ListOf({.shape = Shape::kMetadata});
  EXPECT_EQ(api::StringAt(list, {"kind"}), "PartialObjectMetadataList");
  EXPECT_EQ(api::StringAt(list, {"apiVersion"}), "meta.k8s.io/v1");
  const api::Json& item = (*api::FindArray(list, {"items"}))[0];
  EXPECT_EQ(api::StringAt(item, {"kind"}), "PartialObjectMetadata");
  EXPECT_EQ(api::StringAt(item, {"metadata", "resourceVersion"}), "7");
  EXPECT_EQ(api::Find(item, {"data"}), nullptr);
}

TEST(ObjectForm, WritesATableWithItsColumns) {
  const api::Json table = ListOf({.shape = Shape::kTable, .is_v1beta1 = true});
  EXPECT_EQ(api::StringAt(table, {"kind"}), "Table");
  EXPECT_EQ(api::StringAt(table, {"apiVersion"}), "meta.k8s.io/v1beta1");
  EXPECT_EQ(api::StringAt(table, {"metadata", "resourceVersion"}), "9");
  const api::JsonArray& columns = *api::FindArray(table, {"columnDefinitions"});
  const api::JsonArray& rows = *api::FindArray(table, {"rows"});
  ASSERT_EQ(rows.size(), 2U);
  ASSERT_EQ(api::FindArray(rows[0], {"cells"})->size(), columns.size());
  EXPECT_EQ(api::StringAt(columns[0], {"name"}), "Name");
  EXPECT_EQ(api::StringAt(columns[0], {"format"}), "name");
  EXPECT_EQ((*api::FindArray(rows[0], {"cells"}))[0], api::Json("a"));
  EXPECT_EQ(api::FindArray(rows[0], {"cells"})->back(), api::Json("5m"));
  EXPECT_EQ(api::StringAt(rows[0], {"object", "kind"}), "PartialObjectMetadata");
}

TEST(ObjectForm, PutsTheWantedObjectIntoRows) {
  const auto row = [](Include include) {
    return (*api::FindArray(ListOf({.shape = Shape::kTable, .include = include}), {"rows"}))[0];
  };
  EXPECT_EQ(api::Find(row(Include::kNone), {"object"}), nullptr);
  EXPECT_EQ(api::StringAt(row(Include::kObject), {"object", "data", "x"}), "1");
}

TEST(ObjectForm, WideColumnsHaveAPriority) {
  const ObjectForm form(Served("pods"), {.shape = Shape::kTable});
  std::string out;
  form.AppendListHead({.revision = 1}, &out);
  ObjectForm::AppendListTail(&out);
  const api::Json table = *api::ParseJson(out);
  const api::JsonArray& columns = *api::FindArray(table, {"columnDefinitions"});
  ASSERT_EQ(columns.size(), 9U);
  EXPECT_EQ(api::IntAt(columns[4], {"priority"}), 0);
  EXPECT_EQ(api::StringAt(columns[6], {"name"}), "Node");
  EXPECT_EQ(api::IntAt(columns[6], {"priority"}), 1);
  EXPECT_EQ(api::Find(table, {"metadata", "continue"}), nullptr);
}

TEST(ObjectForm, SaysColumnsInTheFirstEventOnly) {
  const ObjectForm form(Served("configmaps"), {.shape = Shape::kTable});
  std::string first;
  form.AppendEventObject(kConfigMap, 7, FiveMinutesLater(), true, &first);
  std::string second;
  form.AppendEventObject(kConfigMap, 7, FiveMinutesLater(), false, &second);
  EXPECT_THAT(first, HasSubstr(R"("columnDefinitions":[{)"));
  EXPECT_THAT(second, HasSubstr(R"("columnDefinitions":null)"));
  EXPECT_EQ(api::FindArray(*api::ParseJson(second), {"rows"})->size(), 1U);
}

TEST(ObjectForm, ABookmarkHasTheRevisionAndNothingElse) {
  std::string out;
  ObjectForm(Served("configmaps"), {}).AppendBookmark(12, false, &out);
  EXPECT_EQ(
      out,
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"12","creationTimestamp":null}})");
  out.clear();
  ObjectForm(Served("configmaps"), {}).AppendBookmark(12, true, &out);
  EXPECT_THAT(out, HasSubstr(R"("annotations":{"k8s.io/initial-events-end":"true"})"));
  out.clear();
  ObjectForm(Served("configmaps"), {.shape = Shape::kTable}).AppendBookmark(12, false, &out);
  EXPECT_EQ(api::StringAt(*api::ParseJson(out), {"kind"}), "Table");
}

TEST(ObjectForm, FormsThatDifferHaveOtherEncodings) {
  std::set<uint64_t> ids;
  for (const std::string_view resource : {"pods", "configmaps"}) {
    ids.insert(ObjectForm(Served(resource), {}).EncodingId());
    ids.insert(ObjectForm(Served(resource), {.shape = Shape::kMetadata}).EncodingId());
    for (const Include include : {Include::kNone, Include::kMetadata, Include::kObject}) {
      for (const bool is_v1beta1 : {false, true}) {
        ids.insert(
            ObjectForm(Served(resource),
                       {.shape = Shape::kTable, .include = include, .is_v1beta1 = is_v1beta1})
                .EncodingId());
      }
    }
  }
  EXPECT_EQ(ids.size(), 16U);
}

TEST(ObjectForm, QuotesWhatJsonEscapes) {
  std::string out;
  AppendQuoted("a\"b\\c\n\x01", &out);
  EXPECT_EQ(out, R"("a\"b\\c\u000a\u0001")");
}

}  // namespace
}  // namespace socle::apiserver
