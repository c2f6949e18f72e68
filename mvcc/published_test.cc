#include "mvcc/published.h"

#include <atomic>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/thread.h"

namespace socle::mvcc {
namespace {

struct Counts {
  std::atomic<int64_t> made{0};
  std::atomic<int64_t> retired{0};
};

// Two numbers that must always be equal, and must not change while the value is held.
class Value final : public PublishedBase {
 public:
  Value(int64_t number, Counts* counts) : first_(number), second_(number), counts_(counts) {
    counts_->made.fetch_add(1);
  }

  void OnLastRelease() {
    EXPECT_FALSE(is_retired_);
    is_retired_ = true;
    first_ = -1;
    counts_->retired.fetch_add(1);
    delete this;
  }

  int64_t first() const { return first_; }

  int64_t second() const { return second_; }

 private:
  int64_t first_;
  int64_t second_;
  bool is_retired_ = false;
  Counts* const counts_;
};

TEST(Published, RetiresAValueWhenItIsNeitherPublishedNorHeld) {
  Counts counts;
  Published<Value> published;
  EXPECT_FALSE(published.Take());
  published.Publish(new Value(1, &counts));
  PublishedRef<Value> held = published.Take();
  PublishedRef<Value> copy = held;
  published.Publish(new Value(2, &counts));
  EXPECT_EQ(counts.retired, 0);
  held = published.Take();
  EXPECT_EQ(copy->first(), 1);
  EXPECT_EQ(held->first(), 2);
  copy = PublishedRef<Value>();
  EXPECT_EQ(counts.retired, 1);
  published.Publish(nullptr);
  EXPECT_FALSE(published.Take());
  EXPECT_EQ(counts.retired, 1);
  held = PublishedRef<Value>();
  EXPECT_EQ(counts.retired, 2);
}

TEST(Published, CountsMoreReadersThanFitIntoItsWord) {
  Counts counts;
  Published<Value> published;
  for (int i = 0; i < 200'000; ++i) {
    ASSERT_FALSE(published.Take());  // Nothing is published: that must not count up for ever.
  }
  published.Publish(new Value(1, &counts));
  std::vector<PublishedRef<Value>> held;
  for (int i = 0; i < 200'000; ++i) {
    held.push_back(published.Take());
    ASSERT_EQ(held.back()->first(), 1);
  }
  published.Publish(nullptr);
  EXPECT_EQ(counts.retired, 0);
  held.resize(1);
  EXPECT_EQ(counts.retired, 0);
  held.clear();
  EXPECT_EQ(counts.retired, 1);
}

TEST(Published, RetiresEveryValueOnceUnderManyThreads) {
  Counts counts;
  {
    Published<Value> published;
    published.Publish(new Value(0, &counts));
    std::atomic<bool> is_done{false};
    std::atomic<int> running{0};
    std::vector<Thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back("reader", [&] {
        running.fetch_add(1);
        int64_t last = 0;
        std::vector<PublishedRef<Value>> held;
        while (!is_done.load()) {
          held.push_back(published.Take());
          ASSERT_EQ(held.back()->first(), held.back()->second());
          ASSERT_GE(held.back()->first(), last);
          last = held.back()->first();
          if (held.size() > 100) {
            held.clear();
          }
        }
      });
    }
    while (running.load() < 3) {
      published.Take();
    }
    for (int64_t i = 1; i < 30'000; ++i) {
      published.Publish(new Value(i, &counts));
    }
    is_done.store(true);
  }
  EXPECT_EQ(counts.made, 30'000);
  EXPECT_EQ(counts.retired, 30'000);
}

}  // namespace
}  // namespace socle::mvcc
