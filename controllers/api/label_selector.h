// LabelSelector: which labels match, from query text or from the JSON of an object.
//
//   app=web,tier in (a,b),!legacy,size>3
//
// Laws     1. `!=` and `notin` match objects that lack the key.
//          2. An empty selector matches everything; that of a null object matches nothing.
// Threads  immutable after parsing.
// Errors   InvalidArgument in words near those of Kubernetes.
#ifndef SOCLE_CONTROLLERS_API_LABEL_SELECTOR_H_
#define SOCLE_CONTROLLERS_API_LABEL_SELECTOR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/causes.h"
#include "controllers/api/json.h"

namespace socle::api {

struct LabelRequirement {
  enum class Op : uint8_t { kIn, kNotIn, kExists, kAbsent, kGreater, kLess };

  std::string key;
  Op op = Op::kExists;
  std::vector<std::string> values;  // sorted
};

// Labels by key, sorted, each once.
using SortedLabels = std::vector<std::pair<std::string, std::string>>;

class LabelSelector {
 public:
  static LabelSelector Everything() { return LabelSelector(); }

  static LabelSelector Nothing();
  static absl::StatusOr<LabelSelector> Parse(std::string_view text);
  // {matchLabels, matchExpressions}; nullptr or null matches nothing, {} everything.
  static absl::StatusOr<LabelSelector> FromJson(const Json* selector);
  // Expressions of node selectors: also Gt and Lt.
  static absl::StatusOr<LabelSelector> FromExpressions(const JsonArray& expressions);

  // `labels` may be nullptr: an object without labels.
  bool Matches(const JsonObject* labels) const;
  bool MatchesSorted(const SortedLabels& labels) const;

  bool is_everything() const { return !is_nothing_ && requirements_.empty(); }

  bool is_nothing() const { return is_nothing_; }

  // Sorted by key. An index by label reads the In terms.
  const std::vector<LabelRequirement>& requirements() const { return requirements_; }

  // The text that parses to the same selector: app=web,tier in (a,b).
  std::string ToString() const;

 private:
  void Sort();

  std::vector<LabelRequirement> requirements_;
  bool is_nothing_ = false;
};

// Causes of a selector object: operators, value counts, keys and values.
void CheckLabelSelector(const Json& selector, std::string_view path, Causes* causes);
// As above, for a list of expressions; node selectors also know Gt and Lt.
void CheckExpressions(const JsonArray& expressions, std::string_view path, bool is_node_selector,
                      Causes* causes);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_LABEL_SELECTOR_H_
