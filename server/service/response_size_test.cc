#include "server/service/response_size.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "server/service/convert.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

mvcc::KeyValueView Kv(std::string_view key, std::string_view value, int64_t number) {
  return {.key = key,
          .create_revision = number,
          .mod_revision = number,
          .version = number,
          .value = value,
          .lease = mvcc::LeaseId{number}};
}

// One of every kind, with numbers and lengths on both sides of where their varints grow.
std::vector<mvcc::ResponseOp> EveryOp(std::string_view large, int depth) {
  std::vector<mvcc::ResponseOp> ops;
  for (const int64_t number : {int64_t{0}, int64_t{1}, int64_t{127}, int64_t{128}, int64_t{-1},
                               std::numeric_limits<int64_t>::max()}) {
    ops.emplace_back(mvcc::RangeResult{.revision = number,
                                       .kvs = {Kv("k", "", number), Kv("", large, number)},
                                       .more = number == 1,
                                       .count = number});
    ops.emplace_back(mvcc::PutResult{.revision = number});
    ops.emplace_back(mvcc::PutResult{.revision = number, .prev_kv = Kv("k", large, number)});
    ops.emplace_back(mvcc::DeleteRangeResult{
        .revision = number, .deleted = number, .prev_kvs = {Kv("k", "v", number), Kv("", "", 0)}});
  }
  for (int level = 0; level < depth; ++level) {
    auto nested = std::make_unique<mvcc::TxnResult>();
    nested->succeeded = level % 2 == 0;
    nested->responses = EveryOp(large, depth - 1);
    ops.emplace_back(std::move(nested));
  }
  return ops;
}

template <typename Response, typename Result>
void ExpectSize(const Result& result) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{1} << 63U}) {
    Response response;
    FromStore(result, &response);
    response.mutable_header()->set_cluster_id(id);
    response.mutable_header()->set_member_id(id);
    EXPECT_EQ(ResponseBytes(response.header(), result), response.ByteSizeLong());
  }
}

TEST(ResponseSize, IsThatOfTheMessage) {
  for (const size_t bytes : {size_t{0}, size_t{100}, size_t{127}, size_t{128}, size_t{20'000}}) {
    const std::string large(bytes, 'v');
    for (const bool succeeded : {false, true}) {
      mvcc::TxnResult result{.revision = 9, .succeeded = succeeded, .responses = EveryOp(large, 2)};
      ExpectSize<pb::TxnResponse>(result);
    }
    ExpectSize<pb::DeleteRangeResponse>(mvcc::DeleteRangeResult{
        .revision = 9, .deleted = 2, .prev_kvs = {Kv("a", large, 1), Kv("b", large, 300)}});
  }
  ExpectSize<pb::TxnResponse>(mvcc::TxnResult());
  ExpectSize<pb::DeleteRangeResponse>(mvcc::DeleteRangeResult());
}

}  // namespace
}  // namespace socle::server
