#include "controllers/apiserver/resource_request.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "controllers/registry/errors.h"
#include "kv/base/status_macros.h"

namespace socle::apiserver {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbTexts = {
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"};
constexpr size_t kSegmentsMax = 16;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Well-formed UTF-8: what is told back to the client stands in JSON.
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t size = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                                       : 4;
    if (size == 0 || first > 0xF4 || i + size > text.size()) {
      return false;
    }
    uint32_t point = size == 1 ? first : first & (0x7FU >> size);
    for (size_t k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0U) != 0x80U) {
        return false;
      }
      point = (point << 6U) | (next & 0x3FU);
    }
    const bool is_long = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
    if (is_long || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
      return false;
    }
    i += size;
  }
  return true;
}

// May stand between two slashes of a key.
bool IsSegment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         std::none_of(text.begin(), text.end(), [](char c) {
           return c == '/' || c == '%' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
         });
}

absl::StatusOr<std::vector<std::string>> SplitPath(std::string_view path) {
  std::vector<std::string> segments;
  segments.reserve(8);
  if (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  while (path.starts_with('/') && segments.size() < kSegmentsMax) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    std::optional<std::string> segment = PercentDecode(path.substr(0, end), false);
    if (!segment.has_value() || !IsSegment(*segment)) {
      return ResourceNotFound();
    }
    segments.push_back(*std::move(segment));
    path.remove_prefix(end);
  }
  return segments;
}

// What stands behind group and version.
struct Place {
  bool is_watch = false;
  std::string ns;
  std::string resource;
  std::string name;
  std::string subresource;
  size_t more = 0;  // segments that follow
};

bool IsNamespacePart(std::string_view segment) {
  return segment == "status" || segment == "finalize";
}

Place PlaceOf(std::vector<std::string> segments, size_t at) {
  Place place;
  if (at + 1 < segments.size() && segments[at] == "watch") {
    place.is_watch = true;
    ++at;
  }
  const size_t left = segments.size() - at;
  const bool is_inside = segments[at] == "namespaces" && left >= 3 &&
                         !(left == 3 && IsNamespacePart(segments[at + 2]));
  if (is_inside) {
    place.ns = std::move(segments[at + 1]);
    at += 2;
  }
  for (std::string* const part : {&place.resource, &place.name, &place.subresource}) {
    if (at < segments.size()) {
      *part = std::move(segments[at++]);
    }
  }
  place.more = segments.size() - at;
  return place;
}

absl::StatusOr<Verb> VerbOf(std::string_view method, const Place& place, bool is_namespaced) {
  const bool is_everywhere = is_namespaced && place.ns.empty();
  const bool is_collection = place.name.empty();
  if (method == "GET") {
    return place.is_watch ? Verb::kWatch : is_collection ? Verb::kList : Verb::kGet;
  }
  if (place.is_watch) {
    return MethodNotAllowed();
  }
  if (method == "POST" && is_collection && !is_everywhere) {
    return Verb::kCreate;
  }
  if (method == "DELETE" && !(is_collection && is_everywhere)) {
    return is_collection ? Verb::kDeleteCollection : Verb::kDelete;
  }
  if (!is_collection && method == "PUT") {
    return Verb::kUpdate;
  }
  if (!is_collection && method == "PATCH") {
    return Verb::kPatch;
  }
  return MethodNotAllowed();
}

absl::StatusOr<Verb> VerbOfSubresource(std::string_view method,
                                       const api::Subresource& subresource) {
  const Verb verb = method == "GET"     ? Verb::kGet
                    : method == "POST"  ? Verb::kCreate
                    : method == "PUT"   ? Verb::kUpdate
                    : method == "PATCH" ? Verb::kPatch
                                        : Verb::kDelete;
  const auto& verbs = subresource.verbs;
  if (verb == Verb::kDelete ||
      std::find(verbs.begin(), verbs.end(), VerbText(verb)) == verbs.end()) {
    return MethodNotAllowed();
  }
  return verb;
}

// Resources that are no kind's.
absl::StatusOr<ResourceRequest> ParseVirtual(const api::KindRegistry& kinds,
                                             const api::GroupKindVersion& wanted,
                                             std::string_view method, Place place) {
  ResourceRequest asked{.verb = Verb::kCreate};
  const bool is_collection = place.name.empty();
  if (wanted.group.empty() && wanted.version == "v1" && wanted.name == kBindingsResource &&
      is_collection && !place.ns.empty()) {
    asked.endpoint = ResourceRequest::Endpoint::kBindings;
    asked.served = kinds.ByResource({"", "v1", "pods"});
    asked.ns = std::move(place.ns);
  } else if (wanted.group == kReviewGroup && wanted.version == "v1" &&
             wanted.name == kReviewResource && is_collection && place.ns.empty()) {
    asked.endpoint = ResourceRequest::Endpoint::kReview;
  } else {
    return ResourceNotFound();
  }
  if (method != "POST") {
    return MethodNotAllowed();
  }
  return asked;
}

// Parts of a pod that are conversations with its node.
std::optional<ResourceRequest::Endpoint> PodEndpoint(const api::Kind& kind, const Place& place) {
  if (!kind.group.empty() || kind.resource != "pods") {
    return std::nullopt;
  }
  const std::string_view part = place.subresource;
  if (part == "log" && place.more == 0) {
    return ResourceRequest::Endpoint::kLog;
  }
  if (part == "proxy" ||
      (place.more == 0 && (part == "exec" || part == "attach" || part == "portforward"))) {
    return ResourceRequest::Endpoint::kStream;
  }
  return std::nullopt;
}

absl::Status ParseSubresource(std::string_view method, const Place& place, ResourceRequest* asked) {
  const api::Kind& kind = *asked->served->kind;
  if (const auto endpoint = PodEndpoint(kind, place); endpoint.has_value()) {
    if (*endpoint == ResourceRequest::Endpoint::kLog && method != "GET") {
      return MethodNotAllowed();
    }
    asked->endpoint = *endpoint;
    return absl::OkStatus();
  }
  const auto found =
      std::find_if(kind.subresources.begin(), kind.subresources.end(),
                   [&place](const auto& one) { return one.name == place.subresource; });
  if (found == kind.subresources.end() || place.more > 0 || place.is_watch) {
    return ResourceNotFound();
  }
  asked->endpoint = ResourceRequest::Endpoint::kSubresource;
  asked->subresource = &*found;
  ASSIGN_OR_RETURN(asked->verb, VerbOfSubresource(method, *found));
  return absl::OkStatus();
}

}  // namespace

std::string_view VerbText(Verb verb) {
  return kVerbTexts[static_cast<size_t>(verb)];
}

std::optional<std::string> PercentDecode(std::string_view text, bool is_query) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      plain.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      plain.push_back(is_query && text[i] == '+' ? ' ' : text[i]);
    }
  }
  if (!IsUtf8(plain)) {
    return std::nullopt;
  }
  return plain;
}

absl::Status ResourceNotFound() {
  return registry::MakeStatus({.reason = registry::Reason::kNotFound,
                               .message = "the server could not find the requested resource"});
}

absl::Status MethodNotAllowed() {
  return registry::MakeStatus(
      {.reason = registry::Reason::kMethodNotAllowed,
       .message = "the server does not allow this method on the requested resource"});
}

absl::StatusOr<ResourceRequest> ParsePath(const api::KindRegistry& kinds, std::string_view method,
                                          std::string_view path) {
  ASSIGN_OR_RETURN(std::vector<std::string> segments, SplitPath(path));
  const bool is_core = !segments.empty() && segments[0] == "api";
  const size_t head = is_core ? 2 : 3;  // api, version; apis, group, version
  if (segments.size() <= head || segments.size() >= kSegmentsMax ||
      (!is_core && segments[0] != "apis")) {
    return ResourceNotFound();
  }
  const std::string group = is_core ? std::string() : segments[1];
  const std::string version = segments[head - 1];
  Place place = PlaceOf(std::move(segments), head);
  const std::string resource = place.resource;
  const api::GroupKindVersion wanted{group, version, resource};
  ResourceRequest asked;
  asked.served = kinds.ByResource(wanted);
  if (asked.served == nullptr) {
    return ParseVirtual(kinds, wanted, method, std::move(place));
  }
  const api::Kind& kind = *asked.served->kind;
  const bool lacks_namespace = kind.is_namespaced && place.ns.empty() && !place.name.empty();
  if (lacks_namespace || (!kind.is_namespaced && !place.ns.empty())) {
    return ResourceNotFound();
  }
  if (!place.subresource.empty()) {
    RETURN_IF_ERROR(ParseSubresource(method, place, &asked));
  } else {
    ASSIGN_OR_RETURN(asked.verb, VerbOf(method, place, kind.is_namespaced));
    if (std::find(kind.verbs.begin(), kind.verbs.end(), VerbText(asked.verb)) == kind.verbs.end()) {
      return MethodNotAllowed();
    }
  }
  asked.ns = std::move(place.ns);
  asked.name = std::move(place.name);
  return asked;
}

}  // namespace socle::apiserver
