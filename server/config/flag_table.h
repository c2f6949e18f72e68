// FlagTable: every flag of socle-kv, one row each: name, second spelling, group, default, help, and
// what becomes of it.
//
// Laws     1. Every flag of the etcd servers 3.4 to 3.7 has a row: none is "unknown", and none is
//             silently ignored.
//          2. The environment name is ETCD_ and the flag in capitals with underscores.
//          3. A flag that etcd does not have is marked as an extension.
// Threads  pure functions.
// Source   spec etcd 1.12.
#ifndef SOCLE_SERVER_CONFIG_FLAG_TABLE_H_
#define SOCLE_SERVER_CONFIG_FLAG_TABLE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "server/config/settings.h"

namespace socle::server {

enum class FlagUse {
  kUsed,
  kNoEffect,  // makes no sense on one node: accepted with a warning
  kMissing,   // a feature that is not there yet: any value but the default is refused
};

// What values are made of. On the command line a list has commas; the configuration file has YAML's types.
enum class FlagKind { kText, kBool, kInteger, kDuration, kList };

struct FlagRow {
  std::string_view name;
  std::string_view second_spelling = {};  // empty: none
  std::string_view group;
  std::string_view default_text;
  std::string_view help = {};  // for kNoEffect and kMissing: why, as said in the message
  FlagUse use = FlagUse::kUsed;
  FlagKind kind = FlagKind::kText;
  std::span<const std::string_view> choices = {};  // empty: not a choice of a few words
  bool is_extension = false;
  // Fails with what is wrong with the text, without the flag's name. Without kUsed: null, or a judge
  // that sets nothing.
  absl::Status (*set)(std::string_view text, Settings* settings) = nullptr;

  bool is_bool() const { return kind == FlagKind::kBool; }
};

std::span<const FlagRow> FlagTable();

// By name or second spelling; null when there is none.
const FlagRow* FindFlag(std::string_view name);

std::string EnvironmentNameOf(const FlagRow& row);

// Go's spelling: "100ms", "1h30m", "1.5s", "0".
absl::StatusOr<int64_t> ParseDurationNanos(std::string_view text);
// Go's spelling: 1, t, T, true, TRUE, True, 0, f …
absl::StatusOr<bool> ParseBool(std::string_view text);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_FLAG_TABLE_H_
