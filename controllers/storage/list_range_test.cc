#include "controllers/storage/list_range.h"

#include <absl/strings/escaping.h>
#include <gtest/gtest.h>

#include "controllers/storage/errors.h"
#include "kv/testing/status_matchers.h"

namespace socle::storage {
namespace {

std::string Token(std::string_view bytes) {
  return absl::WebSafeBase64Escape(std::string(bytes));
}

TEST(ListRange, OfAPrefixEndsBeforeTheFirstKeyThatHasItNot) {
  const std::string zero(1, '\0');

  const struct {
    std::string prefix;
    std::string key;
    std::string range_end;
  } kCases[] = {{"/r/", "/r/", "/r0"},
                {"a\xFF", "a\xFF", "b"},
                {"\xFF\xFF", "\xFF\xFF", zero},
                {"", zero, zero}};

  for (const auto& row : kCases) {
    const ListRange range = RangeOfPrefix(row.prefix);
    EXPECT_EQ(range.key, row.key);
    EXPECT_EQ(range.range_end, row.range_end);
  }
}

TEST(ListRange, ATokenGoesOnAfterTheLastKeyAtTheSameRevision) {
  const ListRequest request{.prefix = "/r/", .limit = 1};
  ListPage page;
  page.objects.push_back({.key = "/r/a", .document = "x", .create_revision = 4, .mod_revision = 4});
  FinishPage(request, 300, 3, &page);
  EXPECT_EQ(page.remaining, 2);
  ASSERT_OK_AND_ASSIGN(const ListRange next,
                       RangeOf({.prefix = "/r/", .continue_token = page.continue_token}));
  EXPECT_EQ(next.key, std::string("/r/a\0", 5));
  EXPECT_EQ(next.range_end, "/r0");
  EXPECT_EQ(next.revision, 300);
  ASSERT_OK_AND_ASSIGN(const std::string newest, ContinueAtNewest(page.continue_token));
  ASSERT_OK_AND_ASSIGN(const ListRange at_newest,
                       RangeOf({.prefix = "/r/", .continue_token = newest}));
  EXPECT_EQ(at_newest.key, next.key);
  EXPECT_EQ(at_newest.revision, 0);
}

TEST(ListRange, TheLastPageHasNoToken) {
  ListPage page;
  page.objects.push_back({.key = "/r/a", .document = "x", .create_revision = 4, .mod_revision = 4});
  FinishPage({.prefix = "/r/"}, 5, 1, &page);
  EXPECT_EQ(page.continue_token, "");
}

TEST(ListRange, AForgedTokenIsRefusedOrStaysInsideThePrefix) {
  const std::string bad[] = {"%%%",
                             "!",
                             Token("\x02\x05"),
                             Token("\x01"),
                             Token("\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
                             Token("\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")};
  for (const std::string& token : bad) {
    SCOPED_TRACE(token);
    const auto range = RangeOf({.prefix = "/r/", .continue_token = token});
    EXPECT_EQ(ErrorOf(range.status()), StorageError::kInvalidContinue) << range.status();
    EXPECT_EQ(ErrorOf(ContinueAtNewest(token).status()), StorageError::kInvalidContinue);
  }
  ASSERT_OK_AND_ASSIGN(
      const ListRange range,
      RangeOf({.prefix = "/r/", .continue_token = Token("\x01\x05../../secrets")}));
  EXPECT_TRUE(range.key.starts_with("/r/"));
  EXPECT_EQ(range.range_end, "/r0");
  EXPECT_THAT(RangeOf({.prefix = "/r/", .revision = 5, .continue_token = Token("\x01\x05x")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace socle::storage
