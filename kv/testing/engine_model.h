// EngineModel: an Engine driven by random operations beside a map of maps; both must agree.
//
//   Random random(seed);
//   EngineModel model({.buckets = 4, .value_bytes_max = 20000}, &random, open);
//   for (...) ASSERT_NO_FATAL_FAILURE(model.Step());
//
// Laws     1. After every commit the engine passes Check, and holds what the model holds.
//          2. Readers that stay open see the model's copy from when they were opened.
// Threads  thread-compatible.
#ifndef SOCLE_KV_TESTING_ENGINE_MODEL_H_
#define SOCLE_KV_TESTING_ENGINE_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/engine.h"
#include "kv/testing/status_matchers.h"

namespace socle::kv {

using ModelBucket = std::map<std::string, std::string>;
using ModelState = std::map<std::string, ModelBucket>;

// Reads everything that a transaction sees.
inline ModelState Dump(const ReadTxn& txn) {
  ModelState state;
  const auto buckets = txn.Buckets();
  EXPECT_OK(buckets);
  for (const std::string& name : *buckets) {
    ModelBucket& bucket = state[name];
    const auto cursor = txn.NewCursor(name);
    EXPECT_OK(cursor);
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      bucket.emplace((*cursor)->key(), (*cursor)->value());
    }
    EXPECT_OK((*cursor)->status());
  }
  return state;
}

class EngineModel {
 public:
  struct Shape {
    uint64_t buckets = 4;
    uint64_t keys = 2000;           // distinct keys of each bucket
    uint64_t key_bytes_max = 40;    // most keys are short, a few this long
    uint64_t key_prefix_bytes = 0;  // that all keys of every third number begin with
    uint64_t value_bytes_max = 20000;
    uint64_t operations_max = 200;  // of one transaction
    uint64_t readers_max = 5;
    uint64_t operations_per_bucket = 30000;  // how long a bucket lives on average
    bool is_shrinking = false;               // steps of shrinking between the transactions
  };

  using Open = std::function<absl::StatusOr<std::unique_ptr<Engine>>()>;

  EngineModel(const Shape& shape, Random* random, Open open)
      : shape_(shape), random_(random), open_(std::move(open)) {}

  // One transaction, and now and then a reader opened or closed, or a reopen.
  void Step() {
    if (engine_ == nullptr || random_->OneIn(40)) {
      ASSERT_NO_FATAL_FAILURE(Reopen());
    }
    ModelState next = state_;
    ASSERT_OK_AND_ASSIGN(const auto txn, engine_->BeginWrite());
    const uint64_t operations = random_->Below(shape_.operations_max) + 1;
    const uint64_t style = random_->Below(6);
    for (uint64_t i = 0; i < operations; ++i) {
      ASSERT_NO_FATAL_FAILURE(Change(txn.get(), &next, style));
    }
    if (random_->OneIn(8)) {
      txn->Rollback();
    } else {
      ASSERT_OK(txn->Commit());
      state_ = std::move(next);
    }
    ASSERT_OK(engine_->Check());
    if (shape_.is_shrinking) {
      ASSERT_NO_FATAL_FAILURE(Shrink());
    }
    ASSERT_NO_FATAL_FAILURE(Compare());
    ChangeReaders();
  }

  // How many steps ended a shrinking, and how many waited for readers.
  uint64_t shrunk() const { return shrunk_; }

  uint64_t blocked() const { return blocked_; }

  Engine* engine() { return engine_.get(); }

  const ModelState& state() const { return state_; }

 private:
  struct Reader {
    std::unique_ptr<ReadTxn> txn;
    ModelState expected;
  };

  void Reopen() {
    readers_.clear();
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, open_());
    ASSERT_OK(engine_->Check());
  }

  // A few steps, now and then all.
  void Shrink() {
    uint64_t steps = random_->OneIn(10) ? 100'000 : random_->Below(4);
    for (; steps > 0; --steps) {
      ASSERT_OK_AND_ASSIGN(const ShrinkProgress progress,
                           engine_->ShrinkStep(random_->Below(300'000)));
      ASSERT_OK(engine_->Check());
      ASSERT_EQ(progress.total_bytes, engine_->Size().total_bytes);
      if (progress.state != ShrinkProgress::State::kMore) {
        const bool is_done = progress.state == ShrinkProgress::State::kDone;
        ASSERT_TRUE(is_done || !readers_.empty()) << "blocked by no reader";
        ASSERT_EQ(progress.written_bytes, 0U);
        ++(is_done ? shrunk_ : blocked_);
        return;
      }
      for (const Reader& reader : readers_) {
        ASSERT_TRUE(Dump(*reader.txn) == reader.expected) << "shrinking changed what a reader sees";
      }
    }
  }

  std::string BucketName() { return "bucket" + std::to_string(random_->Below(shape_.buckets)); }

  std::string Key() {
    const uint64_t number = random_->Below(shape_.keys);
    std::string key(number % 3 == 0 ? shape_.key_prefix_bytes : 0, 'p');
    key += "k" + std::to_string(number);
    if (number % 17 == 0) {
      key.append(number * 31 % shape_.key_bytes_max, static_cast<char>('a' + number % 26));
    }
    return key;
  }

  std::string Value() {
    const uint64_t limit = random_->OneIn(20) ? shape_.value_bytes_max : 300;
    std::string value(random_->Below(limit + 1), '\0');
    for (char& byte : value) {
      byte = static_cast<char>('a' + random_->Below(26));
    }
    return value;
  }

  void Change(WriteTxn* txn, ModelState* next, uint64_t style) {
    const std::string name = BucketName();
    const auto bucket = next->find(name);
    if (bucket == next->end() || random_->OneIn(shape_.operations_per_bucket)) {
      ASSERT_NO_FATAL_FAILURE(ChangeBucket(txn, next, name));
      return;
    }
    const uint64_t dice = random_->Below(10);
    if (style == 3 && random_->OneIn(60)) {
      // A run of neighbours, as compaction deletes them.
      auto at = bucket->second.lower_bound(Key());
      for (uint64_t i = random_->Below(shape_.keys / 4); i > 0 && at != bucket->second.end(); --i) {
        ASSERT_OK(txn->Delete(name, at->first));
        at = bucket->second.erase(at);
      }
      return;
    }
    const std::string key = style == 2 ? "seq" + std::to_string(1'000'000 + sequence_++) : Key();
    if (dice < (style == 1 ? 8U : 3U)) {
      ASSERT_OK(txn->Delete(name, key));
      bucket->second.erase(key);
    } else if (dice == 9) {
      ASSERT_OK_AND_ASSIGN(const auto value, txn->Get(name, key));
      const auto expected = bucket->second.find(key);
      ASSERT_EQ(value.has_value(), expected != bucket->second.end());
      if (value.has_value()) {
        ASSERT_EQ(*value, expected->second);
      }
    } else {
      const std::string value = Value();
      ASSERT_OK(txn->Put(name, key, value));
      bucket->second[key] = value;
    }
  }

  void ChangeBucket(WriteTxn* txn, ModelState* next, const std::string& name) {
    if (next->erase(name) > 0) {
      ASSERT_OK(txn->DeleteBucket(name));
    } else {
      ASSERT_OK(txn->CreateBucket(name));
      next->try_emplace(name);
    }
  }

  void Compare() {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine_->BeginRead());
    ASSERT_TRUE(Dump(*txn) == state_) << "the engine differs from the model";
    const std::string bucket = BucketName();
    const std::string key = Key();
    ASSERT_OK_AND_ASSIGN(const auto value, txn->Get(bucket, key));
    const auto model = state_.find(bucket);
    const bool expected = model != state_.end() && model->second.contains(key);
    ASSERT_EQ(value.has_value(), expected);
  }

  void ChangeReaders() {
    if (!readers_.empty() && random_->OneIn(3)) {
      const size_t chosen = random_->Below(readers_.size());
      ASSERT_TRUE(Dump(*readers_[chosen].txn) == readers_[chosen].expected)
          << "an old reader sees something new";
      readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
    if (readers_.size() < shape_.readers_max && random_->OneIn(3)) {
      ASSERT_OK_AND_ASSIGN(auto txn, engine_->BeginRead());
      readers_.push_back({std::move(txn), state_});
    }
  }

  const Shape shape_;
  Random* const random_;
  const Open open_;
  std::unique_ptr<Engine> engine_;
  std::vector<Reader> readers_;
  ModelState state_;
  uint64_t sequence_ = 0;
  uint64_t shrunk_ = 0;
  uint64_t blocked_ = 0;
};

}  // namespace socle::kv

#endif  // SOCLE_KV_TESTING_ENGINE_MODEL_H_
