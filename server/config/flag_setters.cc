#include "server/config/flag_setters.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace socle::server {

std::vector<std::string> SplitByComma(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (const std::string_view part = text.substr(0, comma); !part.empty()) {
      parts.emplace_back(part);
    }
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return parts;
}

absl::Status SetOneOf(std::span<const std::string_view> allowed, std::string_view text,
                      std::string* out) {
  std::string choices;
  for (const std::string_view choice : allowed) {
    if (choice == text) {
      *out = std::string(text);
      return absl::OkStatus();
    }
    choices += choices.empty() ? "" : ", ";
    choices += choice;
  }
  return absl::InvalidArgumentError(fmt::format("'{}' is not one of {}", text, choices));
}

absl::Status SetOrigins(std::string_view text, Settings* settings) {
  const std::vector<std::string> origins = SplitByComma(text);
  for (const std::string_view origin : origins) {
    if (origin != "*" && !origin.starts_with("http://") && !origin.starts_with("https://")) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is no origin: say https://host:port, or * for all", origin));
    }
  }
  settings->cors = origins;
  return absl::OkStatus();
}

absl::Status SetPrefixQuotas(std::string_view text, Settings* settings) {
  std::vector<PrefixLimit> limits;
  const std::vector<std::string> parts = SplitByComma(text);
  for (const std::string& part : parts) {
    const size_t equals = part.rfind('=');  // a prefix may have one
    int64_t bytes = -1;
    const char* const end = part.data() + part.size();
    if (equals == std::string::npos ||
        std::from_chars(part.data() + equals + 1, end, bytes).ptr != end || bytes < 0) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is not PREFIX=BYTES, such as /app/=1000000", part));
    }
    const std::string prefix = part.substr(0, equals);
    if (std::any_of(limits.begin(), limits.end(),
                    [&prefix](const PrefixLimit& limit) { return limit.prefix == prefix; })) {
      return absl::InvalidArgumentError(fmt::format("'{}' is there twice", prefix));
    }
    limits.push_back({.prefix = prefix, .bytes = bytes});
  }
  constexpr size_t kLimitsMax = 1'000;  // each write looks at all of them
  if (limits.size() > kLimitsMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} prefixes are more than {}", limits.size(), kLimitsMax));
  }
  settings->prefix_quotas = limits;
  return absl::OkStatus();
}

absl::Status SetLogOutputs(std::string_view text, Settings* settings) {
  const std::vector<std::string> outputs = SplitByComma(text);
  for (const std::string& output : outputs) {
    if (output == "systemd/journal") {
      return absl::InvalidArgumentError(
          "systemd/journal is not written to: use stderr, which systemd collects");
    }
  }
  settings->log_outputs = outputs;
  return outputs.empty() ? absl::InvalidArgumentError("needs at least one output")
                         : absl::OkStatus();
}

absl::Status JudgeFeatureGates(std::string_view text, Settings* /*settings*/) {
  static constexpr std::array<std::string_view, 9> kGates = {"AllAlpha",
                                                             "AllBeta",
                                                             "CompactHashCheck",
                                                             "InitialCorruptCheck",
                                                             "LeaseCheckpoint",
                                                             "LeaseCheckpointPersist",
                                                             "PriorityRequest",
                                                             "SetMemberLocalAddr",
                                                             "StopGRPCServiceOnDefrag"};
  static constexpr std::array<std::string_view, 2> kGatesOn = {"FastLeaseKeepAlive",
                                                               "TxnModeWriteWithSharedBuffer"};
  const std::vector<std::string> gates = SplitByComma(text);
  for (const std::string_view gate : gates) {
    const size_t equals = gate.find('=');
    const std::string_view name = gate.substr(0, equals);
    if (std::find(kGates.begin(), kGates.end(), name) == kGates.end() &&
        std::find(kGatesOn.begin(), kGatesOn.end(), name) == kGatesOn.end()) {
      return absl::InvalidArgumentError(fmt::format("unrecognized feature gate: {}", name));
    }
    if (equals == std::string_view::npos || !ParseBool(gate.substr(equals + 1)).ok()) {
      return absl::InvalidArgumentError(
          fmt::format("'{}': a gate is switched by name=true or name=false", gate));
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::server
