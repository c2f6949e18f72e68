#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"
#include "mvcc/index.h"
#include "mvcc/range.h"

namespace socle::mvcc {
namespace {

struct ModelRevision {
  Revision at;
  bool is_tombstone = false;
};

using ModelHistories = std::map<std::string, std::vector<ModelRevision>>;

// The newest revision <= main.
std::optional<ModelRevision> At(const std::vector<ModelRevision>& history, int64_t main) {
  std::optional<ModelRevision> found;
  for (const ModelRevision& revision : history) {
    if (revision.at.main <= main) {
      found = revision;
    }
  }
  return found;
}

// Forwards every change to the index and to a map, and compares.
class CheckedIndex {
 public:
  ~CheckedIndex() {
    while (!views_.empty()) {
      CloseView(0);
    }
    index_.Collect();
    EXPECT_EQ(index_.waiting(), 0U);
  }

  bool IsLive(const std::string& key) const {
    const auto at = model_.find(key);
    return at != model_.end() && !at->second.back().is_tombstone;
  }

  void Add(const std::string& key, bool is_tombstone) {
    const Revision at{++main_, 0};
    const auto added = index_.Add(key, at, is_tombstone);
    ASSERT_EQ(added.superseded.has_value(), model_.contains(key));
    model_[key].push_back({at, is_tombstone});
    ASSERT_EQ(added.entry->newest.revision(), at);
    ASSERT_EQ(added.entry->is_live(), !is_tombstone);
  }

  // As compaction does, key by key.
  void Compact(int64_t main) {
    compacted_ = main;
    for (auto at = model_.begin(); at != model_.end();) {
      index_.Compact(at->first, main);
      std::vector<ModelRevision>& history = at->second;
      const auto kept = At(history, main);
      std::erase_if(history, [&](const ModelRevision& revision) {
        const bool is_kept_one =
            kept && revision.at == kept->at && (!revision.is_tombstone || revision.at.main == main);
        return revision.at.main <= main && !is_kept_one;
      });
      at = history.empty() ? model_.erase(at) : std::next(at);
    }
  }

  void OpenView() {
    const Index::Version version = index_.Publish();
    views_.push_back({version, main_, compacted_, model_});
  }

  void CloseView(size_t i) {
    index_.NoteViewClosed(views_[i].version.version);
    views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(i));
    index_.Collect();
  }

  size_t views() const { return views_.size(); }

  void Check() {
    index_.CheckInvariants();
    ASSERT_EQ(index_.keys(), model_.size());
    CompareRoot(index_.root(), main_, compacted_, model_);
    for (const View& view : views_) {
      CompareRoot(view.version.root, view.main, view.compacted, view.model);
    }
  }

  int64_t main() const { return main_; }

 private:
  struct View {
    Index::Version version;
    int64_t main;
    int64_t compacted;
    ModelHistories model;
  };

  static void CompareRoot(const IndexRoot& root, int64_t main, int64_t compacted,
                          const ModelHistories& model) {
    IndexIterator it(root);
    it.Seek("");
    uint64_t live = 0;
    for (const auto& [key, history] : model) {
      ASSERT_TRUE(it.Valid());
      ASSERT_EQ(it.entry().key(), key);
      ASSERT_EQ(root.LiveBelow(key), live);
      live += history.back().is_tombstone ? 0 : 1;
      const KeyEntry* const entry = root.Find(key);
      ASSERT_EQ(entry, &it.entry());
      for (const int64_t at : {compacted, (compacted + main) / 2, main, main - 3}) {
        if (at < compacted) {
          continue;
        }
        const auto expected = At(history, at);
        const auto found = entry->At(at);
        ASSERT_EQ(found.has_value(), expected.has_value()) << key << " at " << at;
        ASSERT_TRUE(!found || found->revision() == expected->at);
        ASSERT_TRUE(!found || found->is_tombstone() == expected->is_tombstone);
      }
      it.Next();
    }
    ASSERT_FALSE(it.Valid());
    ASSERT_EQ(root.live, live);
    ASSERT_EQ(root.LiveBelow("\xff\xff"), live);
    ASSERT_EQ(root.Find("no such key"), nullptr);
  }

  Index index_;
  int64_t main_ = 1;
  int64_t compacted_ = 0;
  ModelHistories model_;
  std::vector<View> views_;
};

// Neighbours share much, others nothing.
std::string KeyOf(uint64_t i) {
  return fmt::format("{}{:06}", i / 700 % 2 == 0 ? "/registry/pods/default/" : "key", i);
}

// Random operations; views are held over many versions.
TEST(IndexModel, AgreesWithAMapAndKeepsOldVersions) {
  const uint64_t seed = TestSeed();
  for (const uint64_t keys : {3U, 60U, 900U}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " keys " << keys);
    Random random(seed + keys);
    CheckedIndex index;
    for (int i = 0; i < 6000 && !::testing::Test::HasFatalFailure(); ++i) {
      const std::string key = KeyOf(random.Below(keys));
      const bool wants_delete = random.OneIn(i % 2000 < 1200 ? 4 : 2);
      index.Add(key, wants_delete && index.IsLive(key));
      if (random.OneIn(20)) {
        index.OpenView();
      }
      while (index.views() > 5 || (index.views() > 0 && random.OneIn(30))) {
        index.CloseView(random.Below(index.views()));
      }
      if (random.OneIn(100)) {
        index.Compact(index.main() - static_cast<int64_t>(random.Below(random.OneIn(2) ? 400 : 3)));
      }
      if (random.OneIn(200)) {
        index.Check();
      }
    }
    index.Check();
  }
}

enum class Order { kAscending, kDescending, kRandom };

std::vector<uint64_t> Numbers(Order order, uint64_t count, Random* random) {
  std::vector<uint64_t> numbers(count);
  for (uint64_t i = 0; i < count; ++i) {
    numbers[i] = order == Order::kDescending ? count - i : i;
    if (order == Order::kRandom) {
      std::swap(numbers[i], numbers[random->Below(i + 1)]);
    }
  }
  return numbers;
}

TEST(IndexModel, GrowsAndShrinksInEveryOrder) {
  constexpr uint64_t kCount = 9000;  // Three levels.
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (const Order grow : {Order::kAscending, Order::kDescending, Order::kRandom}) {
    for (const Order shrink : {Order::kAscending, Order::kDescending, Order::kRandom}) {
      CheckedIndex index;
      for (const uint64_t i : Numbers(grow, kCount, &random)) {
        index.Add(KeyOf(i), /*is_tombstone=*/false);
      }
      index.Check();
      index.OpenView();
      uint64_t removed = 0;
      for (const uint64_t i : Numbers(shrink, kCount, &random)) {
        index.Add(KeyOf(i), /*is_tombstone=*/true);
        if (++removed % 3000 == 0) {
          index.OpenView();
          index.Compact(index.main() + 1);
          index.Check();
        }
        if (::testing::Test::HasFatalFailure()) {
          return;
        }
      }
      index.CloseView(0);
      index.Check();
    }
  }
}

TEST(Index, TheOldestViewAlonePinsOnlyWhatItCanSee) {
  Index index;
  index.Add("a", {2, 0}, false);
  const auto old = index.Publish();
  for (int64_t main = 3; main < 2000; ++main) {
    index.Add("a", {main, 0}, false);
    const auto version = index.Publish();
    index.NoteViewClosed(version.version);
    index.Collect();
    ASSERT_LT(index.waiting(), 6U);
  }
  EXPECT_EQ(old.root.Find("a")->newest.main(), 2);
  index.NoteViewClosed(old.version);
  index.Collect();
  EXPECT_EQ(index.waiting(), 0U);
}

TEST(Index, AKeyMayBePutAndDeletedInOneMainRevision) {
  Index index;
  index.Add("a", {2, 0}, false);
  index.Add("a", {3, 0}, false);
  index.Add("a", {3, 1}, true);  // The hole in the duplicate check lets it in (trap 11).
  index.Add("a", {5, 0}, false);
  EXPECT_TRUE(index.Find("a")->At(3)->is_tombstone());
  EXPECT_EQ(index.Find("a")->create_revision, 5);
  index.Compact("a", 3);
  EXPECT_TRUE(index.Find("a")->At(3)->is_tombstone());  // Kept at exactly 3 (trap 23).
  EXPECT_EQ(index.Find("a")->older_count, 1U);
  index.Compact("a", 4);
  EXPECT_EQ(index.Find("a")->older_count, 0U);
  EXPECT_FALSE(index.Find("a")->At(4).has_value());
  index.CheckInvariants();
}

}  // namespace
}  // namespace socle::mvcc
