#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "freelist/freelist.h"
#include "freelist/testing/model_freelist.h"
#include "kv/base/random.h"

namespace socle::freelist {
namespace {

// How a run leans; every number is one in so many.
struct Shape {
  const char* name;
  uint64_t pages;         // of the file at first
  uint64_t count_max;     // of one allocation
  uint64_t ops_max;       // of one transaction
  uint64_t close_reader;  // between transactions
  uint64_t open_reader;
  uint64_t rollback;
  int transactions;
};

constexpr Shape kShapes[] = {
    {"small pages, few readers", 60, 2, 12, 2, 4, 5, 400},
    {"many readers of all ages", 80, 3, 16, 3, 1, 6, 400},
    {"one old reader that never closes", 80, 3, 16, 1'000'000, 60, 6, 300},
    {"long spans", 3'000, 400, 8, 3, 3, 4, 120},
    {"rollback mostly", 60, 4, 20, 3, 3, 1, 300},
    {"no readers", 100, 5, 30, 1, 1'000'000, 10, 300},
};

// The freelist and the model, given the same calls.
class Pair {
 public:
  Pair(FreelistType type, const Shape& shape, uint64_t seed)
      : shape_(shape), random_(seed), real_(NewFreelist(type)), model_(type) {
    std::set<uint64_t> free;
    for (uint64_t id = 2; id < shape.pages; ++id) {
      if (random_.OneIn(3)) {
        free.insert(id);
      }
    }
    model_.Load(shape.pages, free, 10);
    real_->Load(ModelFreelist::SpansOf(free));
  }

  void Transaction() {
    MoveReaders();
    MoveWithheld();
    const std::multiset<uint64_t>& at = model_.readers();
    std::vector<TxnId> readers;
    for (const uint64_t reader : at) {
      readers.push_back(TxnId{reader});
    }
    const TxnId txn{model_.committed() + 1};
    model_.Begin();
    real_->ReleasePending(readers);
    Compare();
    for (uint64_t ops = random_.Below(shape_.ops_max + 1); ops > 0; --ops) {
      if (random_.OneIn(2) || model_.used().empty()) {
        Allocate(txn);
      } else {
        Free(txn);
      }
      if (random_.OneIn(50)) {
        model_.OpenReader();  // while the transaction runs: it reads the last commit
      }
    }
    Compare();
    if (random_.OneIn(shape_.rollback)) {
      real_->Rollback(txn);
      model_.Rollback();
    } else {
      const uint64_t tail = model_.FreeTail();
      ASSERT_EQ(Raw(real_->FreeTail(PageId{model_.high_water()})), tail);
      real_->Commit(txn);
      model_.Commit();
      if (random_.OneIn(3) && tail < model_.high_water()) {
        real_->ForgetTail(PageId{tail});
        model_.ForgetTail(tail);
      }
    }
    Compare();
  }

 private:
  void MoveReaders() {
    while (!model_.readers().empty() && random_.OneIn(shape_.close_reader)) {
      const auto victim = static_cast<ptrdiff_t>(random_.Below(model_.readers().size()));
      model_.CloseReader(*std::next(model_.readers().begin(), victim));
      if (random_.OneIn(2)) {
        break;
      }
    }
    if (random_.OneIn(shape_.open_reader)) {
      model_.OpenReader();
    }
  }

  void MoveWithheld() {
    if (random_.OneIn(8)) {
      const uint64_t first =
          random_.OneIn(3) ? Raw(kNothingWithheld) : 2 + random_.Below(model_.high_water());
      real_->Withhold(PageId{first});
      model_.Withhold(first);
    }
  }

  void Allocate(TxnId txn) {
    const uint64_t count = 1 + random_.Below(shape_.count_max);
    const std::optional<PageId> got = real_->Allocate(txn, count);
    // The model itself checks that no reader sees what it hands out: law 2.
    const std::optional<uint64_t> want = model_.Allocate(count);
    ASSERT_EQ(got.has_value(), want.has_value());
    if (got.has_value()) {
      ASSERT_EQ(Raw(*got), *want);
      return;
    }
    real_->NoteAllocated(txn, {PageId{model_.Grow(count)}, count});
  }

  // Any run of used pages, whoever allocated them.
  void Free(TxnId txn) {
    auto it = model_.used().lower_bound(2 + random_.Below(model_.high_water()));
    if (it == model_.used().end()) {
      it = model_.used().begin();
    }
    PageSpan span{PageId{*it}, 1};
    while (span.count < shape_.count_max && model_.used().contains(Raw(span.end())) &&
           !random_.OneIn(shape_.count_max)) {
      ++span.count;
    }
    model_.Free(span);
    real_->Free(txn, span);
  }

  void Compare() {
    real_->CheckInvariants();
    // Safety and liveness at once: exactly the pages that nobody sees are free.
    ASSERT_EQ(real_->FreeSpans(), ModelFreelist::SpansOf(model_.free()));
    std::set<uint64_t> all = model_.free();
    all.insert(model_.pending().begin(), model_.pending().end());
    ASSERT_EQ(real_->FreeAndPendingSpans(), ModelFreelist::SpansOf(all));
    ASSERT_EQ(real_->free_pages(), model_.free().size());
    ASSERT_EQ(real_->pending_pages(), model_.pending().size());
    for (int i = 0; i < 20; ++i) {
      const uint64_t id = 2 + random_.Below(model_.high_water());
      ASSERT_EQ(real_->IsFreed(PageId{id}), all.contains(id)) << id;
    }
  }

  const Shape& shape_;
  Random random_;
  std::unique_ptr<Freelist> real_;
  ModelFreelist model_;
};

class FreelistModelTest : public testing::TestWithParam<FreelistType> {};

TEST_P(FreelistModelTest, GivesExactlyThePagesThatNobodySees) {
  uint64_t first_seed = 1;
  uint64_t seeds = 3;
  if (const char* seed = std::getenv("SOCLE_SEED"); seed != nullptr) {
    first_seed = std::strtoull(seed, nullptr, 10);
    seeds = 1;
  }
  for (const Shape& shape : kShapes) {
    for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
      Pair pair(GetParam(), shape, seed);
      for (int i = 0; i < shape.transactions; ++i) {
        SCOPED_TRACE(fmt::format("{}, SOCLE_SEED={}, transaction {}", shape.name, seed, i));
        pair.Transaction();
        if (HasFatalFailure()) {
          return;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Freelists, FreelistModelTest,
                         testing::Values(FreelistType::kHashmap, FreelistType::kArray),
                         [](const auto& param) {
                           return param.param == FreelistType::kHashmap ? "Hashmap" : "Array";
                         });

}  // namespace
}  // namespace socle::freelist
