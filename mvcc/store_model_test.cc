#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/store.h"
#include "mvcc/testing/map_lease_hook.h"
#include "mvcc/testing/model_store.h"
#include "mvcc/testing/random_operations.h"
#include "mvcc/testing/store_driver.h"
#include "mvcc/validate.h"

namespace socle::mvcc {
namespace {

struct Variant {
  const char* name;
  freelist::FreelistType freelist_type;
  int64_t batch_limit;
  uint64_t pending_bytes_max;
  // On the machine's file system instead of a simulated one.
  std::optional<kv::EngineKind> engine = std::nullopt;
  bool has_quotas = false;  // others at each start
};

constexpr Variant kVariants[] = {
    {"a commit now and then", freelist::FreelistType::kHashmap, 10'000, uint64_t{256} << 20U},
    {"a commit every few changes", freelist::FreelistType::kArray, 3, uint64_t{256} << 20U},
    {"writers wait for room", freelist::FreelistType::kHashmap, 10'000, 70'000},
    {"prefixes have quotas", freelist::FreelistType::kHashmap, 20, uint64_t{256} << 20U,
     std::nullopt, /*has_quotas=*/true},
};

constexpr Variant kEngineVariants[] = {
    {"bolt", freelist::FreelistType::kHashmap, 20, uint64_t{256} << 20U, kv::EngineKind::kBolt},
    {"lmdb", freelist::FreelistType::kHashmap, 20, uint64_t{256} << 20U, kv::EngineKind::kLmdb},
    {"rocksdb", freelist::FreelistType::kHashmap, 20, uint64_t{256} << 20U,
     kv::EngineKind::kRocksdb},
};

// The store and the model side by side.
class Pair {
 public:
  Pair(uint64_t seed, const Variant& variant)
      : env_(seed), variant_(variant), operations_(seed ^ 0xA5) {
    Open();
  }

  void Open() {
    store_.reset();
    hook_ = std::make_unique<MapLeaseHook>();
    StoreOptions options;
    if (variant_.engine) {
      options.directory = dir_.PathOf("s");
      options.engine = variant_.engine;
    } else {
      options.directory = "/s";
      options.env = &env_;
    }
    options.lease_hook = hook_.get();
    options.map_size_bytes = uint64_t{64} << 20U;
    options.wal_segment_bytes = 1 << 16;
    options.batch_interval_nanos = kNanosPerMilli;
    options.batch_limit = variant_.batch_limit;
    options.pending_bytes_max = variant_.pending_bytes_max;
    options.freelist_type = variant_.freelist_type;
    options.compaction_batch_limit = 2;
    options.compaction_sleep_nanos = 1000;
    ++opens_;
    options.restore_threads = opens_ % 3 + 1;
    options.restore_run_revisions = opens_ % 2 == 0 ? 3 : 40;
    if (variant_.has_quotas && opens_ % 4 == 2) {
      // Those that the directory has stay.
    } else if (variant_.has_quotas && opens_ % 4 != 0) {
      quotas_ = {{.prefix = "a", .limit_bytes = Limit()},
                 {.prefix = "d", .limit_bytes = Limit()},
                 {.prefix = "aa", .limit_bytes = Limit()},
                 {.prefix = "", .limit_bytes = 2 * Limit()}};
      options.prefix_quotas = quotas_;
    } else {
      quotas_.clear();
      options.prefix_quotas = quotas_;
    }
    model_.set_quotas(quotas_);
    auto store = Store::Open(options);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    ASSERT_THAT(store_->Corruption(), IsOk());
  }

  void Step() {
    Random* const random = operations_.random();
    const uint64_t choice = random->Below(100);
    if (choice < 45) {
      const RangeRequest range = operations_.Range(model_.revision());
      ASSERT_EQ(Describe(store_->Range(range)), model_.Read(range));
    } else if (choice == 99 && random->OneIn(3)) {
      Open();
      Compare();
    } else if (choice == 98) {
      const int64_t at = model_.revision() - static_cast<int64_t>(random->Below(3));
      ASSERT_EQ(Describe(store_->Compact(at, /*physical=*/true)),
                model_.Apply(CompactOp{.revision = at}));
    } else {
      Operation operation = operations_.Next(model_.revision());
      const auto* const txn = std::get_if<TxnRequest>(&operation);
      const absl::Status valid = txn == nullptr ? absl::OkStatus() : Validate(*txn, 128);
      if (txn != nullptr || IsLogged(operation)) {
        const std::string expected = valid.ok() ? model_.Apply(operation) : DescribeError(valid);
        ASSERT_EQ(Run(store_.get(), std::move(operation)).text, expected);
      }
    }
  }

  void Compare() {
    ASSERT_EQ(Difference(*store_, &model_, *hook_), "");
    const std::vector<PrefixUsage> usages = store_->PrefixUsages();
    ASSERT_EQ(usages.size(), quotas_.size());
    for (const PrefixUsage& usage : usages) {
      ASSERT_EQ(usage.used_bytes, model_.LiveBytes(usage.prefix)) << usage.prefix;
    }
    ASSERT_THAT(store_->Check(), IsOk());
  }

 private:
  int64_t Limit() { return static_cast<int64_t>(100 + operations_.random()->Below(4'000)); }

  FaultEnv env_;
  const TempDir dir_;
  const Variant variant_;
  RandomOperations operations_;
  ModelStore model_;
  std::unique_ptr<MapLeaseHook> hook_;
  int opens_ = 0;
  std::vector<PrefixQuota> quotas_;
  std::unique_ptr<Store> store_;
};

TEST(StoreModel, AnswersAsTheModelDoesOnEveryEngine) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  for (const Variant& variant : kEngineVariants) {
    SCOPED_TRACE(variant.name);
#ifdef __SANITIZE_THREAD__
    if (variant.engine == kv::EngineKind::kRocksdb) {
      continue;  // Its library is not instrumented: all that it hands from thread to thread looks like a race.
    }
#endif
    Pair pair(seed, variant);
    for (int i = 0; i < 400; ++i) {
      SCOPED_TRACE(i);
      pair.Step();
      ASSERT_FALSE(::testing::Test::HasFatalFailure());
    }
    pair.Open();
    pair.Compare();
  }
}

TEST(StoreModel, AnswersAsTheModelDoesInEveryField) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    Pair pair(seed, variant);
    for (int i = 0; i < 1500; ++i) {
      SCOPED_TRACE(i);
      pair.Step();
      if (i % 250 == 0) {
        pair.Compare();
      }
      if (::testing::Test::HasFatalFailure()) {
        return;
      }
    }
    pair.Open();
    pair.Compare();
  }
}

}  // namespace
}  // namespace socle::mvcc
