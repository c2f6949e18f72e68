// RETURN_IF_ERROR and ASSIGN_OR_RETURN: hand a failed Status to the caller.
//
//   RETURN_IF_ERROR(file->Sync());
//   ASSIGN_OR_RETURN(std::unique_ptr<File> file, env->Open(path));
//
// Annotate adds where it happened when an error crosses a floor: "open /x/db: page 17: ...".
#ifndef SOCLE_KV_BASE_STATUS_MACROS_H_
#define SOCLE_KV_BASE_STATUS_MACROS_H_

#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

namespace socle {

// The same code and payloads with "context: " in front of the message.
inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) {
    return status;
  }
  const absl::string_view old = status.message();
  absl::Status annotated(status.code(),
                         fmt::format("{}: {}", context, std::string_view(old.data(), old.size())));
  status.ForEachPayload([&annotated](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

// The message of a Status as a standard view; valid as long as the Status.
inline std::string_view MessageOf(const absl::Status& status) {
  const absl::string_view message = status.message();
  return {message.data(), message.size()};
}

}  // namespace socle

#define SOCLE_MACRO_JOIN_INNER(a, b) a##b
#define SOCLE_MACRO_JOIN(a, b) SOCLE_MACRO_JOIN_INNER(a, b)

#define RETURN_IF_ERROR(expression)                  \
  do {                                               \
    absl::Status socle_return_status = (expression); \
    if (!socle_return_status.ok()) [[unlikely]] {    \
      return socle_return_status;                    \
    }                                                \
  } while (false)

#define SOCLE_ASSIGN_OR_RETURN(result, declaration, expression) \
  auto result = (expression);                                   \
  if (!result.ok()) [[unlikely]] {                              \
    return std::move(result).status();                          \
  }                                                             \
  declaration = *std::move(result)

#define ASSIGN_OR_RETURN(declaration, expression) \
  SOCLE_ASSIGN_OR_RETURN(SOCLE_MACRO_JOIN(socle_status_or_, __COUNTER__), declaration, expression)

#endif  // SOCLE_KV_BASE_STATUS_MACROS_H_
