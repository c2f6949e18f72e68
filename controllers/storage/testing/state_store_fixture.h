// StateStoreSuite, the fixture: a store of the case at hand, on an empty directory.
// Threads  the functions that write may be called from any thread of the test.
#ifndef SOCLE_CONTROLLERS_STORAGE_TESTING_STATE_STORE_FIXTURE_H_
#define SOCLE_CONTROLLERS_STORAGE_TESTING_STATE_STORE_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/storage/errors.h"
#include "controllers/storage/state_store.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::storage {

// A store, and what must be there as long as it is.
struct StoreUnderTest {
  std::shared_ptr<void> surroundings;
  std::unique_ptr<StateStore> store;
  bool answers_bookmark_requests = true;
};

struct StateStoreCase {
  std::string name;
  // On an empty directory. NotFound: what it needs is not installed.
  std::function<absl::StatusOr<StoreUnderTest>(const std::string& directory)> open;
};

inline std::string StateStoreCaseName(const testing::TestParamInfo<StateStoreCase>& row) {
  return row.param.name;
}

MATCHER_P(HasError, error, "") {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "which is " << status.ToString();
  return ErrorOf(status) == error;
}

class StateStoreSuite : public testing::TestWithParam<StateStoreCase> {
 protected:
  void SetUp() override {
    auto opened = GetParam().open(dir_.path());
    if (absl::IsNotFound(opened.status())) {
      GTEST_SKIP() << opened.status();
    }
    ASSERT_THAT(opened, IsOk());
    under_test_ = *std::move(opened);
  }

  void TearDown() override {
    under_test_.store.reset();
    under_test_.surroundings.reset();
  }

  StateStore* store() { return under_test_.store.get(); }

  // Each returns the revision written, 0 after a failure.
  int64_t Create(const std::string& key, const std::string& document) {
    const WriteResult result = store()->Run({.key = key, .document = document});
    EXPECT_OK(result.status);
    return result.ok() ? result.revision : 0;
  }

  int64_t Update(const std::string& key, const std::string& document, int64_t expected) {
    const WriteResult result = store()->Run({.kind = WriteKind::kUpdate,
                                             .key = key,
                                             .document = document,
                                             .expected_revision = expected});
    EXPECT_OK(result.status);
    return result.ok() ? result.revision : 0;
  }

  int64_t Delete(const std::string& key, int64_t expected) {
    const WriteResult result =
        store()->Run({.kind = WriteKind::kDelete, .key = key, .expected_revision = expected});
    EXPECT_OK(result.status);
    return result.ok() ? result.revision : 0;
  }

  // "-" when there is none.
  std::string DocumentOf(const std::string& key, int64_t revision = 0) {
    const auto got = store()->Get({.key = key, .revision = revision});
    EXPECT_OK(got);
    return got.ok() && got->object ? std::string(got->object->document) : "-";
  }

  static std::vector<std::string> KeysOf(const ListPage& page) {
    std::vector<std::string> keys;
    for (const ObjectView& object : page.objects) {
      keys.emplace_back(object.key);
    }
    return keys;
  }

  TempDir dir_;
  StoreUnderTest under_test_;
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_TESTING_STATE_STORE_FIXTURE_H_
