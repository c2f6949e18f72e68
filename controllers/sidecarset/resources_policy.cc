#include "controllers/sidecarset/resources_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/quantity.h"
#include "controllers/sidecarset/annotations.h"
#include "kv/base/status_macros.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::Quantity;

constexpr int kDepthMax = 32;
constexpr size_t kBytesMax = 512;
constexpr double kAmountMax = 9.0e15;  // of units, so that thousandths fit into 64 bits

// sum := product {+|- product}   product := factor {*|/ factor}
// factor := [-] number | name | max(sum, sum …) | min(…) | (sum)      then any number of %
class ExpressionReader {
 public:
  ExpressionReader(std::string_view text, std::string_view variable, double value)
      : text_(text), variable_(variable), value_(value) {}

  absl::StatusOr<double> Run() {
    if (text_.size() > kBytesMax) {
      return Wrong("too long");
    }
    ASSIGN_OR_RETURN(const double result, Sum(0));
    SkipSpace();
    if (at_ != text_.size()) {
      return Wrong(fmt::format("unexpected '{}'", text_.substr(at_, 1)));
    }
    if (!std::isfinite(result)) {
      return Wrong("the result has no bound");
    }
    return result;
  }

 private:
  absl::Status Wrong(std::string_view why) const {
    return absl::InvalidArgumentError(fmt::format("expression \"{}\": {}", text_, why));
  }

  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  bool TakeIf(char c) {
    SkipSpace();
    if (at_ == text_.size() || text_[at_] != c) {
      return false;
    }
    ++at_;
    return true;
  }

  absl::StatusOr<double> Sum(int depth) {
    if (depth > kDepthMax) {
      return Wrong("nested too deep");
    }
    ASSIGN_OR_RETURN(double result, Product(depth));
    while (true) {
      if (TakeIf('+')) {
        ASSIGN_OR_RETURN(const double more, Product(depth));
        result += more;
      } else if (TakeIf('-')) {
        ASSIGN_OR_RETURN(const double less, Product(depth));
        result -= less;
      } else {
        return result;
      }
    }
  }

  absl::StatusOr<double> Product(int depth) {
    ASSIGN_OR_RETURN(double result, Factor(depth));
    while (true) {
      if (TakeIf('*')) {
        ASSIGN_OR_RETURN(const double by, Factor(depth));
        result *= by;
      } else if (TakeIf('/')) {
        ASSIGN_OR_RETURN(const double by, Factor(depth));
        if (by == 0.0) {
          return Wrong("division by zero");
        }
        result /= by;
      } else {
        return result;
      }
    }
  }

  absl::StatusOr<double> Factor(int depth) {
    ASSIGN_OR_RETURN(double result, Bare(depth));
    while (TakeIf('%')) {
      result /= 100;
    }
    return result;
  }

  static bool IsWord(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
  }

  absl::StatusOr<double> Bare(int depth) {
    if (depth > kDepthMax) {
      return Wrong("nested too deep");
    }
    if (TakeIf('-')) {
      ASSIGN_OR_RETURN(const double result, Factor(depth + 1));
      return -result;
    }
    if (TakeIf('(')) {
      ASSIGN_OR_RETURN(const double result, Sum(depth + 1));
      return TakeIf(')') ? absl::StatusOr<double>(result) : Wrong("missing )");
    }
    SkipSpace();
    const size_t begin = at_;
    while (at_ < text_.size() && IsWord(text_[at_])) {
      ++at_;
    }
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word.empty()) {
      return Wrong(at_ == text_.size() ? "unexpected end" : "unexpected sign");
    }
    if (word == "max" || word == "min") {
      return Extreme(word == "max", depth);
    }
    if (word == variable_) {
      return value_;
    }
    const absl::StatusOr<Quantity> number = Quantity::Parse(word);
    if (!number.ok()) {
      return Wrong(fmt::format("unknown name '{}'", word));
    }
    return static_cast<double>(number->Millis()) / 1000;
  }

  absl::StatusOr<double> Extreme(bool is_max, int depth) {
    if (!TakeIf('(')) {
      return Wrong("missing (");
    }
    ASSIGN_OR_RETURN(double result, Sum(depth + 1));
    while (TakeIf(',')) {
      ASSIGN_OR_RETURN(const double other, Sum(depth + 1));
      result = is_max ? std::max(result, other) : std::min(result, other);
    }
    return TakeIf(')') ? absl::StatusOr<double>(result) : Wrong("missing )");
  }

  const std::string_view text_;
  const std::string_view variable_;
  const double value_;
  size_t at_ = 0;
};

struct Wanted {
  std::string_view group;     // limits, requests
  std::string_view resource;  // cpu, memory
  const std::string* expression;
};

std::vector<Wanted> WantedOf(const ResourcesPolicy& policy) {
  return {{"limits", "cpu", &policy.cpu_limit},
          {"limits", "memory", &policy.memory_limit},
          {"requests", "cpu", &policy.cpu_request},
          {"requests", "memory", &policy.memory_request}};
}

// nullopt: without bound.
std::optional<double> Total(const ResourcesPolicy& policy, const Wanted& wanted,
                            const std::vector<const Json*>& targets) {
  double total = 0;
  for (const Json* target : targets) {
    if (!policy.targets->Matches(api::StringAt(*target, {"name"}))) {
      continue;
    }
    const Json* given = api::Find(*target, {"resources", wanted.group, wanted.resource});
    const absl::StatusOr<Quantity> amount =
        given == nullptr ? Quantity() : Quantity::FromJson(*given);
    if (given == nullptr && wanted.group == "limits") {
      return std::nullopt;
    }
    const double one = amount.ok() ? static_cast<double>(amount->Millis()) / 1000 : 0;
    total = policy.is_sum ? total + one : std::max(total, one);
  }
  return total;
}

std::string AmountText(std::string_view resource, double amount) {
  const double cut = std::clamp(amount, 0.0, kAmountMax);
  // What floating point adds behind the digits that count is no reason to round up.
  const auto up = [](double value) { return static_cast<int64_t>(std::ceil(value - 1e-6)); };
  return resource == "cpu" ? Quantity::FromMillis(up(cut * 1000)).ToString()
                           : Quantity::FromUnits(up(cut), Quantity::Family::kBinary).ToString();
}

}  // namespace

absl::StatusOr<double> Evaluate(std::string_view expression, std::string_view variable,
                                double value) {
  return ExpressionReader(expression, variable, value).Run();
}

std::shared_ptr<const ResourcesPolicy> ParseResourcesPolicy(const Json& sidecar) {
  const Json* given = api::Find(sidecar, {"resourcesPolicy"});
  if (given == nullptr) {
    return nullptr;
  }
  auto policy = std::make_shared<ResourcesPolicy>();
  policy->is_sum = api::StringAt(*given, {"targetContainersMode"}) != "max";
  const std::string_view pattern = api::StringAt(*given, {"targetContainersNameRegex"});
  absl::StatusOr<NamePattern> targets = NamePattern::Parse(pattern);
  if (!targets.ok()) {
    return nullptr;
  }
  policy->targets = *std::move(targets);
  policy->cpu_limit = api::StringAt(*given, {"resourcesExpr", "limits", "cpu"});
  policy->memory_limit = api::StringAt(*given, {"resourcesExpr", "limits", "memory"});
  policy->cpu_request = api::StringAt(*given, {"resourcesExpr", "requests", "cpu"});
  policy->memory_request = api::StringAt(*given, {"resourcesExpr", "requests", "memory"});
  return policy;
}

absl::Status CheckResourcesPolicy(const Json& sidecar) {
  const Json* given = api::Find(sidecar, {"resourcesPolicy"});
  if (given == nullptr) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(
      NamePattern::Parse(api::StringAt(*given, {"targetContainersNameRegex"})).status());
  const std::shared_ptr<const ResourcesPolicy> policy = ParseResourcesPolicy(sidecar);
  bool has_any = false;
  for (const Wanted& wanted : WantedOf(*policy)) {
    if (!wanted.expression->empty()) {
      has_any = true;
      RETURN_IF_ERROR(Evaluate(*wanted.expression, wanted.resource, 1).status());
    }
  }
  return has_any ? absl::OkStatus()
                 : absl::InvalidArgumentError("resourcesExpr must have an expression");
}

absl::Status ApplyResourcesPolicy(const ResourcesPolicy& policy,
                                  const std::vector<const Json*>& targets, Json* container) {
  for (const Wanted& wanted : WantedOf(policy)) {
    if (wanted.expression->empty()) {
      continue;
    }
    const std::optional<double> total = Total(policy, wanted, targets);
    if (!total.has_value()) {
      continue;
    }
    ASSIGN_OR_RETURN(const double amount, Evaluate(*wanted.expression, wanted.resource, *total));
    api::Set(&api::EnsureObject(container, {"resources", wanted.group}), wanted.resource,
             Text(AmountText(wanted.resource, amount)));
  }
  // A limit without a request is also the request; a request above its limit would be refused with the pod.
  for (const std::string_view resource : {"cpu", "memory"}) {
    const Json* limit = api::Find(*container, {"resources", "limits", resource});
    if (limit == nullptr) {
      continue;
    }
    const Json* request = api::Find(*container, {"resources", "requests", resource});
    const absl::StatusOr<Quantity> most = Quantity::FromJson(*limit);
    const absl::StatusOr<Quantity> least = request == nullptr ? most : Quantity::FromJson(*request);
    if (request == nullptr || (most.ok() && least.ok() && *least > *most)) {
      const Json same = *limit;
      api::Set(&api::EnsureObject(container, {"resources", "requests"}), resource, same);
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::sidecarset
