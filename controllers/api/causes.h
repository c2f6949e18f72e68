// Causes: what is wrong with an object, field by field, in the words that Kubernetes clients know.
//
// Laws     1. Each cause names its field and has the message `<Type>: <value>: <detail>` that
//             field.Error of Kubernetes prints.
//          2. At most kCausesMax are kept; hostile objects can't make a bigger answer than that.
// Threads  confined to the request.
// Errors   this is the error.
#ifndef SOCLE_CONTROLLERS_API_CAUSES_H_
#define SOCLE_CONTROLLERS_API_CAUSES_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"

namespace socle::api {

inline constexpr size_t kCausesMax = 200;

enum class CauseType : uint8_t {
  kNotFound,
  kRequired,
  kDuplicate,
  kInvalid,
  kNotSupported,
  kForbidden,
  kTooLong,
  kTooMany,
  kTypeInvalid,
};

// The `reason` of a cause in metav1.Status: FieldValueRequired …
std::string_view ReasonOf(CauseType type);

struct Cause {
  CauseType type = CauseType::kInvalid;
  std::string field;
  // Without the field: `Invalid value: -1: must be greater than or equal to 0`.
  std::string message;

  bool operator==(const Cause&) const = default;
};

class Causes {
 public:
  void NotFound(std::string_view field, const Json& value);
  void Required(std::string_view field, std::string_view detail = {});
  void Duplicate(std::string_view field, const Json& value);
  void Invalid(std::string_view field, const Json& value, std::string_view detail);
  void NotSupported(std::string_view field, const Json& value,
                    const std::vector<std::string_view>& supported);
  void Forbidden(std::string_view field, std::string_view detail);
  void TooLong(std::string_view field, int64_t bytes_max);
  void TooMany(std::string_view field, int64_t actual, int64_t items_max);
  void TypeInvalid(std::string_view field, const Json& value, std::string_view type);

  bool empty() const { return items_.empty(); }

  const std::vector<Cause>& items() const { return items_; }

  bool full() const { return items_.size() >= kCausesMax; }

  // `field: message`, several as `[a, b]`, each once.
  std::string Text() const;

 private:
  void Add(CauseType type, std::string_view field, std::string message);

  std::vector<Cause> items_;
};

// The message of the 422 Status: `Pod "a" is invalid: …`; the group follows the kind with a dot.
std::string InvalidMessage(std::string_view group, std::string_view kind, std::string_view name,
                           const Causes& causes);

// A value as Kubernetes prints it in a cause: strings quoted, objects as JSON, long ones cut.
std::string Shown(const Json& value);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_CAUSES_H_
