#include "server/service/error_table.h"

#include <set>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

TEST(ErrorTable, HasARowForEveryErrorInTheOrderOfTheEnum) {
  ASSERT_EQ(ErrorTable().size(), static_cast<size_t>(EtcdError::kDeadlineExceeded) + 1);
  for (size_t i = 0; i < ErrorTable().size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(ErrorTable()[i].error), i);
  }
}

TEST(ErrorTable, GivesEveryRowItsCodeAndItsOwnText) {
  std::set<std::string> texts;
  for (const ErrorRow& row : ErrorTable()) {
    SCOPED_TRACE(std::string(row.text));
    const absl::Status status = WireStatus(row.error);
    EXPECT_EQ(status.code(), row.code);
    EXPECT_EQ(MessageOf(status), row.text);
    EXPECT_TRUE(row.text.starts_with("etcdserver: "));
    EXPECT_TRUE(texts.insert(std::string(row.text)).second) << "two rows have one text";
  }
}

// Written down a second time, from the catalogue: code and text as a client receives them.
TEST(ErrorTable, SendsStoreErrorsAsEtcdDoes) {
  using mvcc::StoreError;

  struct Case {
    StoreError error;
    int grpc_code;
    const char* text;
  };

  constexpr Case kCases[] = {
      {StoreError::kKeyNotProvided, 3, "etcdserver: key is not provided"},
      {StoreError::kKeyNotFound, 3, "etcdserver: key not found"},
      {StoreError::kValueProvided, 3, "etcdserver: value is provided"},
      {StoreError::kLeaseProvided, 3, "etcdserver: lease is provided"},
      {StoreError::kTooManyOps, 3, "etcdserver: too many operations in txn request"},
      {StoreError::kDuplicateKey, 3, "etcdserver: duplicate key given in txn request"},
      {StoreError::kInvalidSortOption, 3, "etcdserver: invalid sort option"},
      {StoreError::kRequestTooLarge, 3, "etcdserver: request is too large"},
      {StoreError::kCompacted, 11, "etcdserver: mvcc: required revision has been compacted"},
      {StoreError::kFutureRevision, 11, "etcdserver: mvcc: required revision is a future revision"},
      {StoreError::kLeaseNotFound, 5, "etcdserver: requested lease not found"},
      {StoreError::kLeaseExists, 9, "etcdserver: lease already exists"},
      {StoreError::kLeaseTtlTooLarge, 11, "etcdserver: too large lease TTL"},
      {StoreError::kNoSpace, 8, "etcdserver: mvcc: database space exceeded"},
      {StoreError::kTooManyRequests, 2, "etcdserver: too many requests"},
      {StoreError::kCorrupt, 15, "etcdserver: corrupt cluster"},
      {StoreError::kStopped, 14, "etcdserver: server stopped"},
  };
  EXPECT_EQ(std::size(kCases), static_cast<size_t>(StoreError::kStopped) + 1);
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const absl::Status wire = WireStatus(mvcc::MakeError(c.error));
    EXPECT_EQ(static_cast<int>(wire.code()), c.grpc_code);
    EXPECT_EQ(MessageOf(wire), c.text);
  }
}

TEST(ErrorTable, SendsTheTwoQuirksAsUnknown) {
  EXPECT_EQ(WireStatus(EtcdError::kTooManyRequests).code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(WireStatus(EtcdError::kNotEnoughStartedMembers).code(), absl::StatusCode::kUnknown);
}

TEST(ErrorTable, PassesUnmappedErrorsThroughAsUnknownWithTheirText) {
  const absl::Status wire = WireStatus(absl::InternalError("disk on fire"));
  EXPECT_EQ(wire.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(MessageOf(wire), "disk on fire");
  EXPECT_TRUE(WireStatus(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace socle::server
