// FieldSelector: `spec.nodeName=n1,status.phase!=Failed`, on the fields that a kind lets select.
//
// Laws     1. A missing field has the text that the kind gives for it, mostly empty.
// Threads  immutable after parsing.
// Errors   InvalidArgument: `field label not supported: x` and bad syntax (400).
#ifndef SOCLE_CONTROLLERS_API_FIELD_SELECTOR_H_
#define SOCLE_CONTROLLERS_API_FIELD_SELECTOR_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"

namespace socle::api {

// A field that lists and watches may be selected by.
struct SelectableField {
  std::string_view label;              // as the selector says it: spec.nodeName
  std::vector<std::string_view> path;  // where it stands
  std::string_view when_missing = {};  // "false" for booleans
};

struct FieldTerm {
  std::string label;
  std::string value;
  bool is_negated = false;
};

// The text of the field in `object`: strings as they are, numbers and booleans printed.
std::string FieldText(const SelectableField& field, const Json& object);

class FieldSelector {
 public:
  // Every label must be one of `fields`, which outlive the selector.
  static absl::StatusOr<FieldSelector> Parse(std::string_view text,
                                             const std::vector<SelectableField>& fields);

  bool Matches(const Json& object) const;

  bool is_everything() const { return terms_.empty(); }

  const std::vector<FieldTerm>& terms() const { return terms_; }

  // The value that `label` must have, or nullptr: an index by node name asks this.
  const std::string* ExactValue(std::string_view label) const;

 private:
  std::vector<FieldTerm> terms_;
  std::vector<const SelectableField*> fields_;  // of terms_, in step
};

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_FIELD_SELECTOR_H_
