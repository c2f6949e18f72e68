// Any order of calls to a freelist: both implementations do exactly what the model does.
//
// Input    kind of freelist, then one byte of operation and one of argument at a time.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "freelist/freelist.h"
#include "freelist/testing/model_freelist.h"
#include "kv/base/check.h"

namespace socle::freelist {
namespace {

// The model looks at every page in every call.
constexpr uint64_t kPagesMax = 120;

class Pair {
 public:
  explicit Pair(FreelistType type) : real_(NewFreelist(type)), model_(type) {
    std::set<uint64_t> free;
    for (uint64_t id = 2; id < 40; ++id) {
      if (id % 3 == 0 || id % 7 < 2) {
        free.insert(id);
      }
    }
    model_.Load(40, free, 10);
    real_->Load(ModelFreelist::SpansOf(free));
  }

  void Step(uint8_t operation, uint8_t argument) {
    switch (operation % 8) {
      case 0:
      case 1:
      case 2:
        Allocate(1 + (operation / 8 == 0 ? argument % 4 : argument % 30));
        return;
      case 3:
      case 4:
        Free(argument);
        return;
      case 5:
        if (model_.readers().size() < 4) {
          model_.OpenReader();
        }
        return;
      case 6:
        if (!is_open_ && !model_.readers().empty()) {
          model_.CloseReader(
              *std::next(model_.readers().begin(), argument % std::ssize(model_.readers())));
        }
        return;
      default:
        End(argument % 4 != 0);
    }
  }

  void End(bool commits) {
    if (!is_open_) {
      return;
    }
    is_open_ = false;
    if (commits) {
      real_->Commit(txn_);
      model_.Commit();
    } else {
      real_->Rollback(txn_);
      model_.Rollback();
    }
    Compare();
  }

 private:
  void Begin() {
    if (is_open_) {
      return;
    }
    is_open_ = true;
    txn_ = TxnId{model_.committed() + 1};
    std::vector<TxnId> readers;
    for (const uint64_t reader : model_.readers()) {
      readers.push_back(TxnId{reader});
    }
    model_.Begin();
    real_->ReleasePending(readers);
    Compare();
  }

  void Allocate(uint64_t count) {
    if (model_.high_water() > kPagesMax) {
      return;
    }
    Begin();
    const std::optional<PageId> got = real_->Allocate(txn_, count);
    const std::optional<uint64_t> want = model_.Allocate(count);
    CHECK_EQ(got.has_value(), want.has_value());
    if (got.has_value()) {
      CHECK_EQ(Raw(*got), *want);
    } else {
      real_->NoteAllocated(txn_, {PageId{model_.Grow(count)}, count});
    }
  }

  void Free(uint8_t argument) {
    Begin();
    auto it = model_.used().lower_bound(2 + argument / 4 * model_.high_water() / 64);
    if (it == model_.used().end()) {
      return;
    }
    PageSpan span{PageId{*it}, 1};
    while (span.count <= argument % 4U && model_.used().contains(Raw(span.end()))) {
      ++span.count;
    }
    model_.Free(span);
    real_->Free(txn_, span);
  }

  void Compare() {
    real_->CheckInvariants();
    CHECK(real_->FreeSpans() == ModelFreelist::SpansOf(model_.free()));
    std::set<uint64_t> all = model_.free();
    all.insert(model_.pending().begin(), model_.pending().end());
    CHECK(real_->FreeAndPendingSpans() == ModelFreelist::SpansOf(all));
    CHECK_EQ(real_->free_pages(), model_.free().size());
    CHECK_EQ(real_->pending_pages(), model_.pending().size());
  }

  std::unique_ptr<Freelist> real_;
  ModelFreelist model_;
  bool is_open_ = false;
  TxnId txn_{};
};

}  // namespace
}  // namespace socle::freelist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using socle::freelist::FreelistType;
  const std::span<const uint8_t> input(bytes, size);
  if (input.empty() || input.size() > 256) {
    return 0;
  }
  socle::freelist::Pair pair(input[0] % 2 == 0 ? FreelistType::kHashmap : FreelistType::kArray);
  for (size_t i = 1; i + 1 < input.size(); i += 2) {
    pair.Step(input[i], input[i + 1]);
  }
  pair.End(true);
  return 0;
}
