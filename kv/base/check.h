// CHECK: aborts on a broken invariant of our own memory, printing both operands.
//
// Laws     1. Never used for anything that came from outside (input, files, the network): those are
//             Status.
//          2. CHECK is on in every build; DCHECK only without NDEBUG, for what is too costly to
//             ship.
// Threads  thread-safe.
// Source   GUIDE 4: errors in three kinds.
#ifndef SOCLE_KV_BASE_CHECK_H_
#define SOCLE_KV_BASE_CHECK_H_

#include <string>
#include <type_traits>

#include <fmt/format.h>

namespace socle::internal {

// Prints the message with a backtrace to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression,
                              const std::string& operands);

template <typename T>
std::string Printable(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}", static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_pointer_v<T>) {
    return fmt::format("{}", static_cast<const void*>(value));
  } else if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return "<unprintable>";
  }
}

template <typename A, typename B>
[[noreturn]] void CheckOpFailed(const char* file, int line, const char* expression, const A& a,
                                const B& b) {
  CheckFailed(file, line, expression, fmt::format("{} vs {}", Printable(a), Printable(b)));
}

}  // namespace socle::internal

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) [[unlikely]] {                                      \
      ::socle::internal::CheckFailed(__FILE__, __LINE__, #condition, ""); \
    }                                                                     \
  } while (false)

#define SOCLE_CHECK_OP(a, op, b)                                                             \
  do {                                                                                       \
    const auto& socle_check_a = (a);                                                         \
    const auto& socle_check_b = (b);                                                         \
    if (!(socle_check_a op socle_check_b)) [[unlikely]] {                                    \
      ::socle::internal::CheckOpFailed(__FILE__, __LINE__, #a " " #op " " #b, socle_check_a, \
                                       socle_check_b);                                       \
    }                                                                                        \
  } while (false)

#define CHECK_EQ(a, b) SOCLE_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) SOCLE_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) SOCLE_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) SOCLE_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) SOCLE_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) SOCLE_CHECK_OP(a, >=, b)

// Aborts when a Status is not OK: for calls that cannot fail unless our own memory is broken.
#define CHECK_OK(expression)                                          \
  do {                                                                \
    const auto socle_check_status = (expression);                     \
    if (!socle_check_status.ok()) [[unlikely]] {                      \
      ::socle::internal::CheckFailed(__FILE__, __LINE__, #expression, \
                                     socle_check_status.ToString());  \
    }                                                                 \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false && (condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif

#endif  // SOCLE_KV_BASE_CHECK_H_
