// FlagSetters: how the text of a flag becomes a setting; what the rows of FlagTable are made of.
//
// Threads  pure functions.
// Errors   InvalidArgument with what is wrong with the text, without the flag's name.
#ifndef SOCLE_SERVER_CONFIG_FLAG_SETTERS_H_
#define SOCLE_SERVER_CONFIG_FLAG_SETTERS_H_

#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/config/flag_table.h"
#include "server/config/settings.h"
#include "server/config/url.h"

namespace socle::server {

// Parts that are empty are left out.
std::vector<std::string> SplitByComma(std::string_view text);
absl::Status SetOneOf(std::span<const std::string_view> allowed, std::string_view text,
                      std::string* out);
absl::Status SetOrigins(std::string_view text, Settings* settings);
// PREFIX=BYTES, with commas.
absl::Status SetPrefixQuotas(std::string_view text, Settings* settings);
absl::Status SetLogOutputs(std::string_view text, Settings* settings);
// etcd refuses gates that it does not know; here none of them changes anything.
absl::Status JudgeFeatureGates(std::string_view text, Settings* /*settings*/);

template <auto kMember>
absl::Status SetText(std::string_view text, Settings* settings) {
  settings->*kMember = std::string(text);
  return absl::OkStatus();
}

template <auto kMember>
absl::Status SetNonEmptyText(std::string_view text, Settings* settings) {
  if (text.empty()) {
    return absl::InvalidArgumentError("must not be empty");
  }
  return SetText<kMember>(text, settings);
}

template <auto kMember>
absl::Status SetBool(std::string_view text, Settings* settings) {
  ASSIGN_OR_RETURN(settings->*kMember, ParseBool(text));
  return absl::OkStatus();
}

template <auto kMember, int64_t kMin, int64_t kMax>
absl::Status SetInteger(std::string_view text, Settings* settings) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not an integer", text));
  }
  if (value < kMin || value > kMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} is not between {} and {}", value, kMin, kMax));
  }
  settings->*kMember = value;
  return absl::OkStatus();
}

// From 0 (off) to below 1.
template <auto kMember>
absl::Status SetRatio(std::string_view text, Settings* settings) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !(value >= 0) ||
      value >= 1) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not a number from 0 to below 1", text));
  }
  settings->*kMember = value;
  return absl::OkStatus();
}

template <auto kMember, int64_t kMin>
absl::Status SetDuration(std::string_view text, Settings* settings) {
  ASSIGN_OR_RETURN(const int64_t nanos, ParseDurationNanos(text));
  if (nanos < kMin) {
    return absl::InvalidArgumentError(
        fmt::format("{} is too short: the least is {} ms", text, kMin / kNanosPerMilli));
  }
  settings->*kMember = nanos;
  return absl::OkStatus();
}

template <auto kMember>
absl::Status SetMoreUrls(std::string_view text, Settings* settings) {
  const std::vector<std::string> urls = SplitByComma(text);
  for (const std::string& url : urls) {
    RETURN_IF_ERROR(ParseUrl(url).status());
  }
  settings->*kMember = urls;
  return absl::OkStatus();
}

template <auto kMember>
absl::Status SetUrls(std::string_view text, Settings* settings) {
  RETURN_IF_ERROR(SetMoreUrls<kMember>(text, settings));
  return (settings->*kMember).empty() ? absl::InvalidArgumentError("needs at least one URL")
                                      : absl::OkStatus();
}

template <auto kMember>
absl::Status SetList(std::string_view text, Settings* settings) {
  settings->*kMember = SplitByComma(text);
  return absl::OkStatus();
}

template <auto kMember, const auto& kAllowed>
absl::Status SetChoice(std::string_view text, Settings* settings) {
  return SetOneOf(kAllowed, text, &(settings->*kMember));
}

template <auto kMember, const auto& kAllowed>
absl::Status SetChoiceOrNothing(std::string_view text, Settings* settings) {
  return text.empty() ? absl::OkStatus() : SetChoice<kMember, kAllowed>(text, settings);
}

// How a flag's text becomes a setting, and what kind of text that is.
struct Setter {
  FlagKind kind;
  absl::Status (*set)(std::string_view text, Settings* settings);
  std::span<const std::string_view> choices = {};
};

constexpr Setter Text(absl::Status (*set)(std::string_view, Settings*)) {
  return {FlagKind::kText, set};
}

template <auto kMember, int64_t kMin, int64_t kMax>
inline constexpr Setter kInteger = {FlagKind::kInteger, &SetInteger<kMember, kMin, kMax>};
template <auto kMember, const auto& kAllowed>
inline constexpr Setter kChoice = {FlagKind::kText, &SetChoice<kMember, kAllowed>, kAllowed};
template <auto kMember, const auto& kAllowed>
inline constexpr Setter kChoiceOrNothing = {FlagKind::kText, &SetChoiceOrNothing<kMember, kAllowed>,
                                            kAllowed};
template <auto kMember, int64_t kMin>
inline constexpr Setter kDuration = {FlagKind::kDuration, &SetDuration<kMember, kMin>};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_FLAG_SETTERS_H_
