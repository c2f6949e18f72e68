// Matchers for Status and StatusOr with readable output.
//
//   EXPECT_THAT(file->SyncData(), IsOk());
//   EXPECT_THAT(file->Size(), IsOkAndHolds(12));
//   EXPECT_THAT(env->Remove("x"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("unlink x")));
//   ASSERT_OK_AND_ASSIGN(auto file, env->Open("x", OpenMode::kReadOnly));
#ifndef SOCLE_KV_TESTING_STATUS_MATCHERS_H_
#define SOCLE_KV_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/status_macros.h"

namespace socle {
namespace internal {

inline absl::Status StatusOf(const absl::Status& status) {
  return status;
}

template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <typename StatusOrType>
  operator ::testing::Matcher<StatusOrType>() const {  // NOLINT: matchers convert implicitly
    return ::testing::Matcher<StatusOrType>(new Implementation<StatusOrType>(inner_));
  }

 private:
  template <typename StatusOrType>
  class Implementation : public ::testing::MatcherInterface<StatusOrType> {
   public:
    using Value = typename std::remove_cv_t<std::remove_reference_t<StatusOrType>>::value_type;

    explicit Implementation(const Inner& inner)
        : matcher_(::testing::SafeMatcherCast<const Value&>(inner)) {}

    void DescribeTo(std::ostream* out) const override {
      *out << "is OK and holds a value that ";
      matcher_.DescribeTo(out);
    }

    bool MatchAndExplain(StatusOrType actual,
                         ::testing::MatchResultListener* listener) const override {
      if (!actual.ok()) {
        *listener << "which is " << actual.status().ToString();
        return false;
      }
      return matcher_.MatchAndExplain(*actual, listener);
    }

   private:
    const ::testing::Matcher<const Value&> matcher_;
  };

  const Inner inner_;
};

}  // namespace internal

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const absl::Status& status = internal::StatusOf(arg);
  if (!status.ok()) {
    *result_listener << "which is " << status.ToString();
  }
  return status.ok();
}

MATCHER_P2(StatusIs, code, message,
           "is " + absl::StatusCodeToString(code) + " with a message that " +
               ::testing::DescribeMatcher<const std::string&>(message, negation)) {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "which is " << status.ToString();
  return status.code() == code && ::testing::Matches(::testing::SafeMatcherCast<const std::string&>(
                                      message))(std::string(MessageOf(status)));
}

inline auto StatusIs(absl::StatusCode code) {
  return StatusIs(code, ::testing::_);
}

template <typename Inner>
auto IsOkAndHolds(Inner inner) {
  return internal::IsOkAndHoldsMatcher<Inner>(std::move(inner));
}

}  // namespace socle

#define ASSERT_OK(expression) ASSERT_THAT(expression, ::socle::IsOk())
#define EXPECT_OK(expression) EXPECT_THAT(expression, ::socle::IsOk())

#define SOCLE_ASSERT_OK_AND_ASSIGN(result, declaration, expression) \
  auto result = (expression);                                       \
  ASSERT_THAT(result, ::socle::IsOk());                             \
  declaration = *std::move(result)

#define ASSERT_OK_AND_ASSIGN(declaration, expression)                                           \
  SOCLE_ASSERT_OK_AND_ASSIGN(SOCLE_MACRO_JOIN(socle_test_status_or_, __COUNTER__), declaration, \
                             expression)

#endif  // SOCLE_KV_TESTING_STATUS_MATCHERS_H_
