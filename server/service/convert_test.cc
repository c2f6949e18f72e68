#include "server/service/convert.h"

#include <memory>
#include <utility>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

TEST(Convert, CarriesEveryFieldOfARange) {
  pb::RangeRequest request;
  request.set_key("a");
  request.set_range_end("b");
  request.set_limit(3);
  request.set_revision(4);
  request.set_sort_order(pb::RangeRequest::DESCEND);
  request.set_sort_target(pb::RangeRequest::VALUE);
  request.set_keys_only(true);
  request.set_count_only(true);
  request.set_min_mod_revision(5);
  request.set_max_mod_revision(6);
  request.set_min_create_revision(7);
  request.set_max_create_revision(8);
  const mvcc::RangeRequest out = ToStore(request);
  EXPECT_EQ(out.key, "a");
  EXPECT_EQ(out.range_end, "b");
  EXPECT_EQ(out.limit, 3);
  EXPECT_EQ(out.revision, 4);
  EXPECT_EQ(out.sort_order, mvcc::SortOrder::kDescend);
  EXPECT_EQ(out.sort_target, mvcc::SortTarget::kValue);
  EXPECT_TRUE(out.keys_only);
  EXPECT_TRUE(out.count_only);
  EXPECT_EQ(out.min_mod_revision, 5);
  EXPECT_EQ(out.max_mod_revision, 6);
  EXPECT_EQ(out.min_create_revision, 7);
  EXPECT_EQ(out.max_create_revision, 8);
}

TEST(Convert, CarriesUnknownEnumNumbersForTheStoreToRefuse) {
  pb::RangeRequest request;
  request.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(7));
  EXPECT_EQ(static_cast<int>(ToStore(request).sort_order), 7);
}

TEST(Convert, ReadsTheUnionOfACompareByItsTarget) {
  struct Case {
    const char* name;
    pb::Compare::CompareTarget target;
    void (*set)(pb::Compare*);
    int64_t number;
    const char* value;
  };

  const Case kCases[] = {
      {"version", pb::Compare::VERSION, [](pb::Compare* c) { c->set_version(1); }, 1, ""},
      {"create", pb::Compare::CREATE, [](pb::Compare* c) { c->set_create_revision(2); }, 2, ""},
      {"mod", pb::Compare::MOD, [](pb::Compare* c) { c->set_mod_revision(3); }, 3, ""},
      {"value", pb::Compare::VALUE, [](pb::Compare* c) { c->set_value("v"); }, 0, "v"},
      {"lease", pb::Compare::LEASE, [](pb::Compare* c) { c->set_lease(5); }, 5, ""},
      {"unset is zero", pb::Compare::MOD, [](pb::Compare*) {}, 0, ""},
      {"another target's value is zero", pb::Compare::MOD,
       [](pb::Compare* c) { c->set_version(9); }, 0, ""},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    pb::TxnRequest request;
    pb::Compare* compare = request.add_compare();
    compare->set_key("k");
    compare->set_range_end("z");
    compare->set_result(pb::Compare::NOT_EQUAL);
    compare->set_target(c.target);
    c.set(compare);
    const mvcc::TxnRequest out = ToStore(request);
    ASSERT_EQ(out.compares.size(), 1U);
    EXPECT_EQ(out.compares[0].op, mvcc::CompareOp::kNotEqual);
    EXPECT_EQ(static_cast<int>(out.compares[0].target), static_cast<int>(c.target));
    EXPECT_EQ(out.compares[0].key, "k");
    EXPECT_EQ(out.compares[0].range_end, "z");
    EXPECT_EQ(out.compares[0].number, c.number);
    EXPECT_EQ(out.compares[0].value, c.value);
  }
}

TEST(Convert, CarriesEveryKindOfOperationIntoATransaction) {
  pb::TxnRequest request;
  request.add_success()->mutable_request_range()->set_key("r");
  request.add_success()->mutable_request_put()->set_key("p");
  request.add_success()->mutable_request_delete_range()->set_key("d");
  request.add_success()->mutable_request_txn()->add_failure()->mutable_request_put()->set_key("n");
  request.add_success();
  const mvcc::TxnRequest out = ToStore(request);
  ASSERT_EQ(out.success.size(), 5U);
  EXPECT_EQ(std::get<mvcc::RangeRequest>(out.success[0]).key, "r");
  EXPECT_EQ(std::get<mvcc::PutRequest>(out.success[1]).key, "p");
  EXPECT_EQ(std::get<mvcc::DeleteRangeRequest>(out.success[2]).key, "d");
  const auto& nested = std::get<std::unique_ptr<mvcc::TxnRequest>>(out.success[3]);
  EXPECT_EQ(std::get<mvcc::PutRequest>(nested->failure[0]).key, "n");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(out.success[4]));
}

TEST(Convert, GivesSubResponsesAHeaderWithOnlyTheirRevision) {
  mvcc::TxnResult result{.revision = 9, .succeeded = true, .responses = {}};
  result.responses.emplace_back(mvcc::PutResult{.revision = 9, .prev_kv = {}, .pin = {}});
  auto nested = std::make_unique<mvcc::TxnResult>();
  nested->responses.emplace_back(
      mvcc::DeleteRangeResult{.revision = 9, .deleted = 2, .prev_kvs = {}, .pin = {}});
  result.responses.emplace_back(std::move(nested));
  pb::TxnResponse out;
  FromStore(result, &out);
  EXPECT_EQ(out.header().revision(), 9);
  EXPECT_TRUE(out.succeeded());
  EXPECT_EQ(out.responses(0).response_put().header().revision(), 9);
  EXPECT_EQ(out.responses(0).response_put().header().cluster_id(), 0U);
  EXPECT_FALSE(out.responses(0).response_put().has_prev_kv());
  EXPECT_TRUE(out.responses(1).response_txn().has_header());
  EXPECT_EQ(out.responses(1).response_txn().header().revision(), 0);
  EXPECT_EQ(out.responses(1).response_txn().responses(0).response_delete_range().deleted(), 2);
}

TEST(Convert, CarriesBytesWithZeros) {
  const std::string key("a\0b", 3);
  mvccpb::KeyValue out;
  FromStore(mvcc::KeyValueView{.key = key,
                               .create_revision = 2,
                               .mod_revision = 3,
                               .version = 4,
                               .value = key,
                               .lease = mvcc::LeaseId{5}},
            &out);
  EXPECT_EQ(out.key(), key);
  EXPECT_EQ(out.value(), key);
  EXPECT_EQ(out.create_revision(), 2);
  EXPECT_EQ(out.mod_revision(), 3);
  EXPECT_EQ(out.version(), 4);
  EXPECT_EQ(out.lease(), 5);
}

TEST(Convert, CarriesWatchFilters) {
  pb::WatchCreateRequest request;
  request.add_filters(pb::WatchCreateRequest::NODELETE);
  request.set_start_revision(-3);
  request.set_fragment(true);
  const mvcc::WatchRequest out = ToStore(request);
  EXPECT_FALSE(out.no_put);
  EXPECT_TRUE(out.no_delete);
  EXPECT_EQ(out.start_revision, -3);
  EXPECT_TRUE(out.fragment);
}

}  // namespace
}  // namespace socle::server
