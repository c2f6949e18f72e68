// Names: which strings may name objects, labels, ports and the like, and the words of refusal.
//
// Laws     1. The texts are those of Kubernetes, letter by letter: clients match them.
// Threads  pure functions.
// Errors   a list of problems; empty means that the string will do.
#ifndef SOCLE_CONTROLLERS_API_NAMES_H_
#define SOCLE_CONTROLLERS_API_NAMES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kv/base/random.h"

namespace socle::api {

enum class Format : uint8_t {
  kNone,
  kDnsLabel,       // RFC 1123, at most 63
  kDnsSubdomain,   // RFC 1123, at most 253
  kDns1035Label,   // starts with a letter: services
  kQualifiedName,  // label and annotation keys, resource names: prefix/Name
  kLabelValue,
  kEnvName,
  kConfigKey,
  kPortName,
  kAbsolutePath,
  kIpAddress,
  kPathSegment,  // anything that can stand between two slashes of a URL
  kKruiseName,   // letters, digits, dashes; at most 63 (spec 4.9, 5.4)
};

std::vector<std::string> FormatProblems(Format format, std::string_view text);

// True for four numbers with dots or an RFC 4291 address.
bool IsIpAddress(std::string_view text);

// `base` cut so that the whole fits into 63 bytes, then five characters of an alphabet without
// vowels, so that no word comes out.
std::string GenerateName(std::string_view base, Random* random);

// `count` characters of that alphabet.
std::string RandomSuffix(size_t count, Random* random);

// The text (usually the digits of a hash) in that alphabet: suffixes of revision names.
std::string SafeEncode(std::string_view text);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_NAMES_H_
