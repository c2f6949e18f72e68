#include "freelist/pending_pages.h"

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::freelist {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

PageSpan Span(uint64_t first, uint64_t count) {
  return {PageId{first}, count};
}

std::vector<TxnId> Readers(std::initializer_list<uint64_t> at) {
  std::vector<TxnId> readers;
  for (const uint64_t reader : at) {
    readers.push_back(TxnId{reader});
  }
  return readers;
}

TEST(PendingPages, ForgetsBirthsThatNoReaderIsTooOldFor) {
  PendingPages pending;
  for (uint64_t txn = 1; txn <= 100; ++txn) {
    pending.Release(Readers({}));
    EXPECT_EQ(pending.birth_spans(), 0U);
    pending.NoteTaken(TxnId{txn}, Span(1000 + txn * 10, 2));
    pending.Commit(TxnId{txn});
    pending.CheckInvariants();
  }
}

TEST(PendingPages, RemembersBirthsOnlySinceTheOldestReader) {
  PendingPages pending;
  for (uint64_t txn = 1; txn <= 100; ++txn) {
    pending.Release(Readers({txn > 10 ? txn - 10 : 0, txn - 1}));
    EXPECT_LE(pending.birth_spans(), 10U);
    pending.NoteTaken(TxnId{txn}, Span(1000 + txn * 10, 2));
    pending.Commit(TxnId{txn});
  }
  pending.Release(Readers({}));
  EXPECT_EQ(pending.birth_spans(), 0U);
}

TEST(PendingPages, KeepsBirthsWhenNoReleaseComesBetweenTransactions) {
  PendingPages pending;
  pending.NoteTaken(TxnId{5}, Span(10, 1));
  pending.Commit(TxnId{5});
  EXPECT_THAT(pending.Free(TxnId{6}, Span(10, 1)), IsEmpty());
  pending.Commit(TxnId{6});
  EXPECT_THAT(pending.Release(Readers({4})), ElementsAre(Span(10, 1)));
}

TEST(PendingPages, AnUnexpectedReaderInThePastOnlyDelays) {
  PendingPages pending;
  pending.Free(TxnId{5}, Span(10, 1));
  pending.Commit(TxnId{5});
  pending.Free(TxnId{7}, Span(20, 1));
  pending.Commit(TxnId{7});
  EXPECT_THAT(pending.Release(Readers({3})), IsEmpty());
  EXPECT_THAT(pending.Release(Readers({6})), IsEmpty());  // 10 could go, but went with 20
  EXPECT_THAT(pending.Release(Readers({7})), ElementsAre(Span(10, 1), Span(20, 1)));
}

TEST(PendingPages, JoinsWhatItReleases) {
  PendingPages pending;
  pending.Free(TxnId{5}, Span(12, 1));
  pending.Free(TxnId{5}, Span(10, 2));
  pending.Commit(TxnId{5});
  pending.Free(TxnId{6}, Span(13, 4));
  pending.Commit(TxnId{6});
  EXPECT_EQ(pending.pages(), 7U);
  EXPECT_THAT(pending.Release(Readers({})), ElementsAre(Span(10, 7)));
  EXPECT_EQ(pending.pages(), 0U);
}

}  // namespace
}  // namespace socle::freelist
