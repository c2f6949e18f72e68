#include "controllers/registry/testing/registry_fixture.h"

namespace socle::registry {
namespace {

using api::StringAt;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Match = ListRequest::Match;

class ListTest : public RegistryFixture {
 protected:
  void MakePods(int count) {
    for (int i = 0; i < count; ++i) {
      Make("pods",
           PodText(fmt::format("p{:02}", i), fmt::format(R"("labels":{{"parity":"{}"}})", i % 2)));
    }
  }

  ListRequest Pods(std::string_view labels = {}, std::string_view fields = {}) {
    ListRequest request{.served = Served("pods"), .ns = "default"};
    request.labels = *api::LabelSelector::Parse(labels);
    request.fields = *api::FieldSelector::Parse(fields, request.served->kind->fields);
    return request;
  }

  static std::vector<std::string> Names(const ListResult& result) {
    std::vector<std::string> names;
    for (const ListItem& item : result.items) {
      names.emplace_back(StringAt(*api::ParseJson(item.document), {"metadata", "name"}));
    }
    return names;
  }

  std::vector<std::string> NamesOf(ListRequest request) {
    auto result = registry()->List(std::move(request));
    EXPECT_THAT(result, IsOk());
    return result.ok() ? Names(*result) : std::vector<std::string>();
  }
};

TEST_F(ListTest, SelectsByLabelsFieldsAndNamespaceAndSeesEveryWrite) {
  MakePods(4);
  ASSERT_OK(
      TryPatch("pods", "p02", R"({"status":{"phase":"Running"}})", PatchType::kMerge, "status"));
  EXPECT_THAT(NamesOf(Pods()), ElementsAre("p00", "p01", "p02", "p03"));
  EXPECT_THAT(NamesOf(Pods("parity=1")), ElementsAre("p01", "p03"));
  EXPECT_THAT(NamesOf(Pods("parity=0", "status.phase!=Running")), ElementsAre("p00"));
  EXPECT_THAT(NamesOf(Pods("", "metadata.name=p03")), ElementsAre("p03"));
  ListRequest all = Pods("parity=1");
  all.ns = "";
  EXPECT_THAT(NamesOf(all), ElementsAre("p01", "p03"));
  all.ns = "kube-system";
  EXPECT_THAT(NamesOf(all), IsEmpty());
}

TEST_F(ListTest, PagesWithoutASelectorAreOneRevisionAndCountTheRest) {
  MakePods(5);
  ListRequest request = Pods();
  request.limit = 2;
  ASSERT_OK_AND_ASSIGN(const ListResult first, registry()->List(request));
  EXPECT_THAT(Names(first), ElementsAre("p00", "p01"));
  EXPECT_EQ(first.remaining, 3);
  ASSERT_OK(TryDelete("pods", "p02"));
  Make("pods", PodText("p04a"));
  request.continue_token = first.continue_token;
  request.limit = 0;
  ASSERT_OK_AND_ASSIGN(const ListResult rest, registry()->List(request));
  EXPECT_THAT(Names(rest), ElementsAre("p02", "p03", "p04"));
  EXPECT_EQ(rest.revision, first.revision);
  EXPECT_EQ(rest.continue_token, "");
  EXPECT_EQ(rest.remaining, std::nullopt);
}

TEST_F(ListTest, PagesWithASelectorAreOneRevisionWhileWritesGoOn) {
  MakePods(10);
  ListRequest request = Pods("parity=1");
  request.limit = 2;
  ASSERT_OK_AND_ASSIGN(ListResult page, registry()->List(request));
  std::vector<std::string> names = Names(page);
  const int64_t revision = page.revision;
  for (int round = 0; !page.continue_token.empty(); ++round) {
    EXPECT_THAT(page.items, SizeIs(2));
    EXPECT_EQ(page.remaining, std::nullopt);
    // One leaves the selection, one comes into it, one goes.
    ASSERT_OK(TryPatch("pods", "p05", R"({"metadata":{"labels":{"parity":"x"}}})"));
    ASSERT_OK(TryPatch("pods", "p08", R"({"metadata":{"labels":{"parity":"1"}}})"));
    if (round == 0) {
      ASSERT_OK(TryDelete("pods", "p07"));
    }
    request.continue_token = page.continue_token;
    ASSERT_OK_AND_ASSIGN(page, registry()->List(request));
    EXPECT_EQ(page.revision, revision);
    for (std::string& name : Names(page)) {
      names.push_back(std::move(name));
    }
  }
  EXPECT_THAT(names, ElementsAre("p01", "p03", "p05", "p07", "p09"));
  EXPECT_THAT(NamesOf(Pods("parity=1")), ElementsAre("p01", "p03", "p08", "p09"));
}

TEST_F(ListTest, AFilteredListGoesOverMoreObjectsThanOneReadHas) {
  // Straight into the store: a thousand and some, of which two are wanted, the last of them the last.
  const api::Kind& maps = *Served("configmaps")->kind;
  constexpr int kMaps = 1100;
  std::vector<storage::Write> writes;
  for (int i = 0; i < kMaps; ++i) {
    const std::string name = fmt::format("m{:04}", i);
    const bool is_wanted = i == 3 || i == kMaps - 1;
    writes.push_back(
        {.key = ObjectKey(maps, "default", name),
         .document = fmt::format(
             R"({{"metadata":{{"name":"{}","namespace":"default","labels":{{"w":"{}"}}}}}})", name,
             is_wanted ? "yes" : "no")});
  }
  for (const storage::WriteResult& result : store()->RunAll(std::move(writes))) {
    ASSERT_OK(result.status);
  }
  ASSERT_OK_AND_ASSIGN(const int64_t now, store()->CurrentRevision());
  ListRequest request{.served = Served("configmaps"), .ns = "default"};
  request.labels = *api::LabelSelector::Parse("w=yes");
  request.resource_version = now;
  request.match = Match::kExact;
  ASSERT_OK_AND_ASSIGN(const ListResult whole, registry()->List(request));
  EXPECT_THAT(Names(whole), ElementsAre("m0003", "m1099"));
  // A page that ends with the last object has none after it.
  request.limit = 2;
  ASSERT_OK_AND_ASSIGN(const ListResult page, registry()->List(request));
  EXPECT_THAT(page.items, SizeIs(2));
  EXPECT_EQ(page.continue_token, "");
}

TEST_F(ListTest, ARevisionMeansAnyNotOlderOrExactlyThat) {
  MakePods(2);
  ASSERT_OK_AND_ASSIGN(const int64_t then, store()->CurrentRevision());
  ASSERT_OK(TryDelete("pods", "p00"));
  ASSERT_OK(cache()->WaitUntilFresh());

  struct Case {
    const char* name;
    const char* labels;
    std::optional<int64_t> revision;
    Match match;
    int64_t limit;
    size_t count;
  };

  const Case cases[] = {
      {"consistent", "", std::nullopt, Match::kUnset, 0, 1},
      {"any", "", 0, Match::kUnset, 0, 1},
      {"any, selected", "parity", 0, Match::kUnset, 0, 1},
      {"any, said so", "parity", 0, Match::kNotOlderThan, 0, 1},
      {"not older", "", then, Match::kNotOlderThan, 0, 1},
      {"not older, selected", "parity", then, Match::kNotOlderThan, 0, 1},
      {"not older by default", "parity", then, Match::kUnset, 0, 1},
      {"exactly", "", then, Match::kExact, 0, 2},
      {"exactly, selected", "parity", then, Match::kExact, 0, 2},
      {"exactly, because of a limit", "parity", then, Match::kUnset, 5, 2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ListRequest request = Pods(c.labels);
    request.resource_version = c.revision;
    request.match = c.match;
    request.limit = c.limit;
    ASSERT_OK_AND_ASSIGN(const ListResult result, registry()->List(request));
    EXPECT_THAT(result.items, SizeIs(c.count));
  }
}

TEST_F(ListTest, RefusesInTheWordsOfKubernetes) {
  MakePods(3);
  ListRequest paged = Pods();
  paged.limit = 1;
  ASSERT_OK_AND_ASSIGN(const ListResult page, registry()->List(paged));
  ASSERT_OK_AND_ASSIGN(const int64_t now, store()->CurrentRevision());

  struct Case {
    const char* name;
    std::optional<int64_t> revision;
    Match match;
    std::string token;
    Reason reason;
    std::string message;
  };

  const Case cases[] = {
      {"match without revision", std::nullopt, Match::kExact, "", Reason::kInvalid,
       "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
       "resourceVersionMatch is forbidden unless resourceVersion is provided"},
      {"match with continue", 0, Match::kNotOlderThan, page.continue_token, Reason::kInvalid,
       "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
       "resourceVersionMatch is forbidden when continue is provided"},
      {"exactly any", 0, Match::kExact, "", Reason::kInvalid,
       "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
       "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""},
      {"revision with continue", 5, Match::kUnset, page.continue_token, Reason::kBadRequest,
       "specifying resource version is not allowed when using continue"},
      {"ahead of the store", now + 100, Match::kNotOlderThan, "", Reason::kTimeout,
       fmt::format("Too large resource version: {}, current: {}", now + 100, now)},
      {"a bad token", std::nullopt, Match::kUnset, "garbage", Reason::kBadRequest,
       "continue key is not valid: not a continue token of this list"},
  };
  for (const Case& c : cases) {
    for (const char* labels : {"", "parity"}) {
      SCOPED_TRACE(fmt::format("{} {}", c.name, labels));
      ListRequest request = Pods(labels);
      request.resource_version = c.revision;
      request.match = c.match;
      request.continue_token = c.token;
      EXPECT_THAT(registry()->List(request), IsRefused(c.reason, c.message));
    }
  }
  ListRequest ahead = Pods();
  ahead.resource_version = now + 100;
  const ApiError error = ErrorOf(registry()->List(ahead).status());
  ASSERT_THAT(error.causes, SizeIs(1));
  EXPECT_EQ(error.causes[0].reason, "ResourceVersionTooLarge");
}

TEST_F(ListTest, AnExpiredListCanGoOnAtTheNewestRevision) {
  for (const char* labels : {"", "parity"}) {
    SCOPED_TRACE(labels);
    if (*labels == '\0') {
      MakePods(4);
    } else {
      Make("pods", PodText("p04", R"("labels":{"parity":"0"})"));
    }
    ListRequest request = Pods(labels);
    request.limit = 2;
    ASSERT_OK_AND_ASSIGN(const ListResult first, registry()->List(request));
    ASSERT_OK(TryDelete("pods", *labels == '\0' ? "p02" : "p03"));
    ASSERT_OK_AND_ASSIGN(const int64_t now, store()->CurrentRevision());
    ASSERT_OK(store()->Compact(now));
    request.continue_token = first.continue_token;
    const auto expired = registry()->List(request);
    EXPECT_THAT(expired, IsRefused(Reason::kExpired,
                                   HasSubstr("The provided continue parameter is too old to "
                                             "display a consistent list result.")));
    request.continue_token = ErrorOf(expired.status()).continue_token;
    EXPECT_THAT(NamesOf(request), ElementsAre(*labels == '\0' ? "p03" : "p04"));
    ListRequest exact = Pods(labels);
    exact.resource_version = first.revision;
    exact.match = Match::kExact;
    EXPECT_THAT(
        registry()->List(exact),
        IsRefused(Reason::kExpired, "The resourceVersion for the provided list is too old."));
  }
}

TEST_F(ListTest, BothNamesOfASetListTheSameObjects) {
  Make("inplacesets", SetText("a"));
  Make("statefulsets", SetText("b"));
  for (const char* resource : {"inplacesets", "statefulsets", "statefulsets.v1alpha1"}) {
    SCOPED_TRACE(resource);
    EXPECT_THAT(NamesOf({.served = Served(resource), .ns = "default"}), ElementsAre("a", "b"));
    ListRequest selective{.served = Served(resource), .ns = "default"};
    selective.fields =
        *api::FieldSelector::Parse("metadata.name=b", Served(resource)->kind->fields);
    EXPECT_THAT(NamesOf(selective), ElementsAre("b"));
  }
}

}  // namespace
}  // namespace socle::registry
