#include "freelist/freelist.h"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
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

class FreelistTest : public testing::TestWithParam<FreelistType> {
 protected:
  ~FreelistTest() override { freelist_->CheckInvariants(); }

  void Load(const std::vector<PageSpan>& spans) { freelist_->Load(spans); }

  std::optional<uint64_t> Allocate(uint64_t txn, uint64_t count) {
    const std::optional<PageId> id = freelist_->Allocate(TxnId{txn}, count);
    return id.has_value() ? std::optional(Raw(*id)) : std::nullopt;
  }

  void Free(uint64_t txn, uint64_t first, uint64_t count = 1) {
    freelist_->Free(TxnId{txn}, Span(first, count));
  }

  void Release(const std::vector<uint64_t>& readers) {
    std::vector<TxnId> ids;
    for (const uint64_t reader : readers) {
      ids.push_back(TxnId{reader});
    }
    freelist_->ReleasePending(ids);
  }

  void Commit(uint64_t txn) { freelist_->Commit(TxnId{txn}); }

  bool is_hashmap() const { return GetParam() == FreelistType::kHashmap; }

  std::unique_ptr<Freelist> freelist_ = NewFreelist(GetParam());
};

TEST_P(FreelistTest, StartsEmptyAndHasNothingToGive) {
  EXPECT_EQ(freelist_->free_pages(), 0U);
  EXPECT_EQ(freelist_->pending_pages(), 0U);
  EXPECT_EQ(Allocate(1, 1), std::nullopt);
  EXPECT_THAT(freelist_->FreeAndPendingSpans(), IsEmpty());
  EXPECT_FALSE(freelist_->IsFreed(PageId{2}));
}

TEST_P(FreelistTest, LoadJoinsTouchingSpansAndReplacesEverything) {
  Load({Span(5, 1)});
  Free(1, 9);
  Commit(1);
  Load({Span(3, 2), Span(5, 4), Span(20, 1)});
  EXPECT_EQ(freelist_->free_pages(), 7U);
  EXPECT_EQ(freelist_->pending_pages(), 0U);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(3, 6), Span(20, 1)));
  EXPECT_FALSE(freelist_->IsFreed(PageId{9}));
  Load({});
  EXPECT_EQ(freelist_->free_pages(), 0U);
}

TEST_P(FreelistTest, PlacesAsItsTypeSays) {
  struct Case {
    const char* name;
    std::vector<PageSpan> free;
    uint64_t count;
    std::optional<uint64_t> hashmap;
    std::optional<uint64_t> array;
  };

  const Case cases[] = {
      {"exact length wins over lower address", {Span(3, 5), Span(10, 2)}, 2, 10, 3},
      {"lowest of a class", {Span(30, 2), Span(40, 2), Span(50, 2)}, 2, 30, 30},
      {"shortest sufficient, not the first", {Span(3, 9), Span(20, 4), Span(30, 7)}, 3, 20, 3},
      {"lowest of the shortest sufficient", {Span(3, 9), Span(20, 4), Span(30, 4)}, 3, 20, 3},
      {"nothing long enough", {Span(3, 2), Span(6, 2), Span(9, 2)}, 3, {}, {}},
      {"long lengths", {Span(3, 900), Span(2000, 300), Span(3000, 299)}, 299, 3000, 3},
      {"long, next length", {Span(3, 900), Span(2000, 300), Span(3000, 299)}, 257, 3000, 3},
      {"short wanted, only long there", {Span(3, 900), Span(2000, 300)}, 1, 2000, 3},
      {"longest short class", {Span(3, 255), Span(2000, 256)}, 255, 3, 3},
      {"one past the short classes", {Span(3, 255), Span(2000, 256)}, 256, 2000, 2000},
      {"one too long", {Span(3, 255), Span(2000, 256)}, 257, {}, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Load(c.free);
    const uint64_t before = freelist_->free_pages();
    const std::optional<uint64_t> want = is_hashmap() ? c.hashmap : c.array;
    EXPECT_EQ(Allocate(1, c.count), want);
    EXPECT_EQ(freelist_->free_pages(), before - (want.has_value() ? c.count : 0));
    freelist_->CheckInvariants();
  }
}

TEST_P(FreelistTest, CutsFromTheFrontAndKeepsTheRemainder) {
  Load({Span(10, 5)});
  EXPECT_EQ(Allocate(1, 2), 10U);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(12, 3)));
  EXPECT_EQ(Allocate(1, 3), 12U);
  EXPECT_THAT(freelist_->FreeSpans(), IsEmpty());
}

TEST_P(FreelistTest, JoinsNeighboursOnBothSides) {
  Load({Span(10, 2), Span(14, 2)});
  Free(1, 12, 2);
  Commit(1);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 2), Span(14, 2)));
  EXPECT_THAT(freelist_->FreeAndPendingSpans(), ElementsAre(Span(10, 6)));
  Release({});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 6)));
  EXPECT_EQ(Allocate(2, 6), 10U);
}

TEST_P(FreelistTest, ReusesPagesOnlyAfterTheOldestReaderThatSeesThemIsGone) {
  Free(5, 10);
  Commit(5);
  Release({4});
  EXPECT_EQ(Allocate(6, 1), std::nullopt);
  Release({4, 7});
  EXPECT_EQ(freelist_->pending_pages(), 1U);
  Release({5});  // a reader at 5 sees the file as transaction 5 left it
  EXPECT_EQ(freelist_->pending_pages(), 0U);
  EXPECT_EQ(Allocate(6, 1), 10U);
}

TEST_P(FreelistTest, OneLongReaderDoesNotPinPagesBornAndFreedAfterIt) {
  Load({Span(10, 1)});
  Release({3});
  EXPECT_EQ(Allocate(4, 1), 10U);
  Commit(4);
  Release({3, 3});
  Free(5, 10);
  Commit(5);
  Release({3, 3, 5});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 1)));
}

TEST_P(FreelistTest, AReaderBetweenBirthAndFreeingPins) {
  Load({Span(10, 1)});
  Release({3});
  EXPECT_EQ(Allocate(4, 1), 10U);
  Commit(4);
  Release({3, 4});
  Free(5, 10);
  Commit(5);
  Release({3, 4});
  EXPECT_EQ(freelist_->free_pages(), 0U);
  Release({3, 5});  // 4 is gone: nobody between 4 and 5
  EXPECT_EQ(freelist_->free_pages(), 1U);
}

TEST_P(FreelistTest, KnowsTheBirthOfPagesFromAboveTheHighWaterMark) {
  Release({3});
  freelist_->NoteAllocated(TxnId{4}, Span(100, 4));
  Commit(4);
  Release({3});
  Free(5, 101, 2);
  Commit(5);
  Release({3});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(101, 2)));
}

TEST_P(FreelistTest, OneSpanMayHoldPagesOfDifferentBirths) {
  Load({Span(10, 2)});
  Release({3});
  EXPECT_EQ(Allocate(4, 2), 10U);
  Commit(4);
  Release({3});
  Free(5, 8, 6);  // 8, 9, 12 and 13 are older than the reader
  Commit(5);
  Release({3});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 2)));
  EXPECT_THAT(freelist_->FreeAndPendingSpans(), ElementsAre(Span(8, 6)));
  Release({});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(8, 6)));
}

TEST_P(FreelistTest, PagesOfTheSameTransactionAreFreeAtOnce) {
  Load({Span(10, 4)});
  EXPECT_EQ(Allocate(1, 4), 10U);
  Free(1, 11, 2);
  EXPECT_EQ(freelist_->pending_pages(), 0U);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(11, 2)));
  EXPECT_EQ(Allocate(1, 1), 11U);
  Free(1, 9, 2);  // 9 is older, 10 is its own
  EXPECT_EQ(freelist_->pending_pages(), 1U);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 1), Span(12, 1)));
}

TEST_P(FreelistTest, RollbackRestoresFreeAndPendingPages) {
  Load({Span(10, 4), Span(20, 1)});
  Free(1, 30, 2);
  Commit(1);
  Release({0});
  EXPECT_EQ(Allocate(2, 3), 10U);
  Free(2, 11, 1);
  Free(2, 40, 3);
  EXPECT_EQ(Allocate(2, 1), 11U);
  EXPECT_EQ(freelist_->pending_pages(), 5U);
  freelist_->Rollback(TxnId{2});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 4), Span(20, 1)));
  EXPECT_EQ(freelist_->pending_pages(), 2U);
  EXPECT_FALSE(freelist_->IsFreed(PageId{40}));
  freelist_->Rollback(TxnId{2});  // nothing left to undo
  EXPECT_EQ(freelist_->free_pages(), 5U);
}

TEST_P(FreelistTest, RollbackForgetsPagesFromAboveTheHighWaterMark) {
  Load({Span(98, 2)});
  freelist_->NoteAllocated(TxnId{2}, Span(100, 2));
  freelist_->NoteAllocated(TxnId{2}, Span(102, 6));
  Free(2, 100, 3);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(98, 5)));
  EXPECT_EQ(Allocate(2, 4), 98U);
  freelist_->Rollback(TxnId{2});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(98, 2)));
  EXPECT_FALSE(freelist_->IsFreed(PageId{100}));
}

TEST_P(FreelistTest, RollbackRestoresTheBirthsOfPagesThatItHadFreed) {
  Load({Span(10, 1)});
  Release({3});
  EXPECT_EQ(Allocate(4, 1), 10U);
  Commit(4);
  Release({3});
  Free(5, 10);
  freelist_->Rollback(TxnId{5});
  Release({3});
  Free(5, 10);
  Commit(5);
  Release({3});
  EXPECT_EQ(freelist_->free_pages(), 1U);
}

TEST_P(FreelistTest, ReleaseDuringATransactionLeavesItsOwnFreedPagesPending) {
  Free(5, 10);
  Release({});
  EXPECT_EQ(freelist_->pending_pages(), 1U);
  freelist_->Rollback(TxnId{5});
  EXPECT_FALSE(freelist_->IsFreed(PageId{10}));
}

TEST_P(FreelistTest, IsFreedTellsFreeAndPendingPagesFromUsedOnes) {
  Load({Span(10, 3), Span(1000, 400)});
  Free(1, 13);
  Free(1, 20, 2);
  Commit(1);
  for (const uint64_t id : std::initializer_list<uint64_t>{10, 11, 12, 13, 20, 21, 1000, 1399}) {
    EXPECT_TRUE(freelist_->IsFreed(PageId{id})) << id;
  }
  for (const uint64_t id : std::initializer_list<uint64_t>{2, 9, 14, 19, 22, 999, 1400}) {
    EXPECT_FALSE(freelist_->IsFreed(PageId{id})) << id;
  }
}

using FreelistDeathTest = FreelistTest;

TEST_P(FreelistDeathTest, AbortsOnMisuse) {
  Load({Span(10, 5)});
  Free(1, 20, 3);
  EXPECT_DEATH(Free(1, 21), "Overlaps");
  EXPECT_DEATH(Free(1, 19, 2), "Overlaps");
  EXPECT_DEATH(Free(1, 12), "HasFree");
  EXPECT_DEATH(Free(1, 1), "kFirstPage");
  EXPECT_DEATH(Free(2, 50), "open_txn_");
  EXPECT_DEATH(Allocate(1, 0), "count");
  EXPECT_DEATH(Load({Span(1, 3)}), "kFirstPage");
  EXPECT_DEATH(Load({Span(5, 3), Span(7, 1)}), "first");
}

TEST_P(FreelistTest, HandsOutAWithheldTailOnlyWhenNothingBelowSuffices) {
  Load({Span(10, 2), Span(20, 10)});
  freelist_->Withhold(PageId{24});
  EXPECT_EQ(freelist_->free_pages(), 12U);
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 2), Span(20, 10)));
  EXPECT_EQ(Allocate(1, 5), 24U);  // 20 to 23 are too few, and nothing crosses the line
  EXPECT_EQ(Allocate(1, 4), 20U);
  EXPECT_EQ(Allocate(1, 2), 10U);
  EXPECT_EQ(Allocate(1, 1), 29U);
  EXPECT_EQ(Allocate(1, 1), std::nullopt);
  freelist_->Rollback(TxnId{1});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 2), Span(20, 10)));
  freelist_->Withhold(kNothingWithheld);
  EXPECT_EQ(Allocate(1, 10), 20U);
}

TEST_P(FreelistTest, ForgetsAFreeTailAndHandsItOutNoMore) {
  Load({Span(10, 2), Span(20, 10)});
  EXPECT_EQ(freelist_->FreeTail(PageId{30}), PageId{30});  // not withheld
  freelist_->Withhold(PageId{15});
  EXPECT_EQ(freelist_->FreeTail(PageId{31}), PageId{31});  // page 30 is used
  EXPECT_EQ(freelist_->FreeTail(PageId{30}), PageId{20});
  freelist_->ForgetTail(PageId{20});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 2)));
  EXPECT_EQ(freelist_->free_pages(), 2U);
  EXPECT_EQ(Allocate(1, 5), std::nullopt);
  freelist_->NoteAllocated(TxnId{1}, Span(20, 5));
  freelist_->Rollback(TxnId{1});
  EXPECT_THAT(freelist_->FreeSpans(), ElementsAre(Span(10, 2)));
}

TEST_P(FreelistTest, PagesOfAWithheldTailThatReadersSeeAreNoFreeTail) {
  Load({Span(10, 2)});
  freelist_->Withhold(PageId{20});
  Free(5, 20, 10);
  Commit(5);
  Release({4});
  EXPECT_EQ(freelist_->FreeTail(PageId{30}), PageId{30});
  Release({});
  EXPECT_EQ(freelist_->FreeTail(PageId{30}), PageId{20});
  EXPECT_EQ(Allocate(6, 1), 10U);
}

INSTANTIATE_TEST_SUITE_P(Freelists, FreelistTest,
                         testing::Values(FreelistType::kHashmap, FreelistType::kArray),
                         [](const auto& param) {
                           return param.param == FreelistType::kHashmap ? "Hashmap" : "Array";
                         });
INSTANTIATE_TEST_SUITE_P(Freelists, FreelistDeathTest,
                         testing::Values(FreelistType::kHashmap, FreelistType::kArray),
                         [](const auto& param) {
                           return param.param == FreelistType::kHashmap ? "Hashmap" : "Array";
                         });

TEST(FreelistType, IsNamedAsInTheFlag) {
  EXPECT_EQ(ParseFreelistType("map"), FreelistType::kHashmap);
  EXPECT_EQ(ParseFreelistType("hashmap"), FreelistType::kHashmap);
  EXPECT_EQ(ParseFreelistType("array"), FreelistType::kArray);
  EXPECT_EQ(ParseFreelistType(""), std::nullopt);
  EXPECT_EQ(ParseFreelistType("Map"), std::nullopt);
}

}  // namespace
}  // namespace socle::freelist
