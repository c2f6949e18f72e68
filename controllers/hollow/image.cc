#include "controllers/hollow/image.h"

#include <xxhash.h>

#include <fmt/format.h>

#include "controllers/hollow/controls.h"

namespace socle::hollow {
namespace {

constexpr size_t kDigestDigits = 64;

std::string Digest(std::string_view text) {
  std::string digits;
  digits.reserve(kDigestDigits);
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    digits += fmt::format("{:016x}", XXH3_64bits_withSeed(text.data(), text.size(), seed));
  }
  return digits;
}

// What comes after the last colon of the last path component; empty when there is none.
std::string_view TagOf(std::string_view image) {
  const size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const size_t colon = last.rfind(':');
  return colon == std::string_view::npos ? std::string_view() : last.substr(colon + 1);
}

}  // namespace

std::string ImageId(std::string_view image) {
  constexpr std::string_view kPinned = "@sha256:";
  const size_t pinned = image.find(kPinned);
  if (pinned != std::string_view::npos && image.size() - pinned - kPinned.size() == kDigestDigits) {
    return fmt::format("hollow://sha256:{}", image.substr(pinned + kPinned.size()));
  }
  const std::string_view tag = TagOf(image).empty() ? ":latest" : "";
  return fmt::format("hollow://sha256:{}", Digest(fmt::format("{}{}", image, tag)));
}

bool CanPull(std::string_view image, std::string_view refused) {
  return TagOf(image) != "does-not-exist" && !MatchesPattern(refused, image);
}

std::string ContainerId(std::string_view pod_uid, std::string_view container, int64_t attempt) {
  return fmt::format("hollow://{}", Digest(fmt::format("{}/{}/{}", pod_uid, container, attempt)));
}

}  // namespace socle::hollow
