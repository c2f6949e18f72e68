#include "controllers/apiserver/discovery.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/json.h"
#include "controllers/api/openapi.h"
#include "controllers/apiserver/resource_request.h"

namespace socle::apiserver {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::KindRegistry;
using api::ServedKind;

Json Text(std::string_view text) {
  return Json(JsonView(text));
}

Json Texts(const std::vector<std::string_view>& texts) {
  JsonArray list;
  for (const std::string_view text : texts) {
    list.push_back(Text(text));
  }
  return list;
}

JsonObject Document(std::string_view kind, std::string_view api_version) {
  JsonObject document;
  api::Set(&document, "kind", Text(kind));
  if (!api_version.empty()) {
    api::Set(&document, "apiVersion", Text(api_version));
  }
  return document;
}

// A resource or a part of one, before it is written in one of the forms.
struct Entry {
  std::string_view resource;
  std::string_view subresource;
  std::string_view singular;
  bool is_namespaced = true;
  std::string_view group;  // of the body
  std::string_view version;
  std::string_view kind;
  std::vector<std::string_view> verbs;
  std::vector<std::string_view> short_names = {};
  std::vector<std::string_view> categories = {};
};

void AddKind(const ServedKind& served, std::vector<Entry>* entries) {
  const api::Kind& kind = *served.kind;
  entries->push_back({.resource = kind.resource,
                      .singular = kind.singular,
                      .is_namespaced = kind.is_namespaced,
                      .group = kind.group,
                      .version = served.version,
                      .kind = kind.kind,
                      .verbs = kind.verbs,
                      .short_names = kind.short_names,
                      .categories = kind.categories});
  for (const api::Subresource& part : kind.subresources) {
    const bool is_own = part.version.empty();
    entries->push_back({.resource = kind.resource,
                        .subresource = part.name,
                        .is_namespaced = kind.is_namespaced,
                        .group = is_own ? kind.group : part.group,
                        .version = is_own ? served.version : part.version,
                        .kind = part.kind,
                        .verbs = part.verbs});
  }
}

// In the order of discovery.
std::vector<Entry> EntriesOf(const KindRegistry& kinds, std::string_view group,
                             std::string_view version) {
  std::vector<Entry> entries;
  for (const ServedKind& served : kinds.served()) {
    if (served.kind->group == group && served.version == version) {
      AddKind(served, &entries);
    }
  }
  if (group.empty()) {
    entries.push_back(
        {.resource = kBindingsResource, .version = "v1", .kind = "Binding", .verbs = {"create"}});
    entries.push_back({.resource = "pods",
                       .subresource = "log",
                       .version = "v1",
                       .kind = "Pod",
                       .verbs = {"get"}});
  } else if (group == kReviewGroup) {
    entries.push_back({.resource = kReviewResource,
                       .singular = "selfsubjectaccessreview",
                       .is_namespaced = false,
                       .group = kReviewGroup,
                       .version = "v1",
                       .kind = "SelfSubjectAccessReview",
                       .verbs = {"create"}});
  }
  return entries;
}

std::vector<std::string_view> GroupsOf(const KindRegistry& kinds) {
  std::vector<std::string_view> groups = kinds.groups();
  groups.insert(groups.end() - (groups.size() > 1 ? 1 : 0), kReviewGroup);
  return groups;
}

std::vector<std::string_view> VersionsOf(const KindRegistry& kinds, std::string_view group) {
  return group == kReviewGroup ? std::vector<std::string_view>{"v1"} : kinds.VersionsOf(group);
}

std::string GroupVersion(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

Json PlainEntry(const Entry& entry, std::string_view group, std::string_view version) {
  JsonObject resource;
  api::Set(
      &resource, "name",
      Text(entry.subresource.empty() ? std::string(entry.resource)
                                     : fmt::format("{}/{}", entry.resource, entry.subresource)));
  api::Set(&resource, "singularName", Text(entry.singular));
  api::Set(&resource, "namespaced", entry.is_namespaced);
  if (entry.group != group || entry.version != version) {
    api::Set(&resource, "group", Text(entry.group));
    api::Set(&resource, "version", Text(entry.version));
  }
  api::Set(&resource, "kind", Text(entry.kind));
  api::Set(&resource, "verbs", Texts(entry.verbs));
  if (!entry.short_names.empty()) {
    api::Set(&resource, "shortNames", Texts(entry.short_names));
  }
  if (!entry.categories.empty()) {
    api::Set(&resource, "categories", Texts(entry.categories));
  }
  return resource;
}

std::string ResourceList(const KindRegistry& kinds, std::string_view group,
                         std::string_view version) {
  JsonObject list = Document("APIResourceList", "v1");
  api::Set(&list, "groupVersion", Text(GroupVersion(group, version)));
  JsonArray resources;
  for (const Entry& entry : EntriesOf(kinds, group, version)) {
    resources.push_back(PlainEntry(entry, group, version));
  }
  api::Set(&list, "resources", std::move(resources));
  return api::Dump(list);
}

JsonObject Group(const KindRegistry& kinds, std::string_view group) {
  JsonArray versions;
  for (const std::string_view version : VersionsOf(kinds, group)) {
    JsonObject one;
    api::Set(&one, "groupVersion", Text(GroupVersion(group, version)));
    api::Set(&one, "version", Text(version));
    versions.emplace_back(std::move(one));
  }
  JsonObject document;
  api::Set(&document, "name", Text(group));
  api::Set(&document, "preferredVersion", versions.front());
  api::Set(&document, "versions", std::move(versions));
  return document;
}

Json ResponseKind(const Entry& entry) {
  JsonObject kind;
  api::Set(&kind, "group", Text(entry.group));
  api::Set(&kind, "version", Text(entry.version));
  api::Set(&kind, "kind", Text(entry.kind));
  return kind;
}

JsonArray AggregatedResources(const std::vector<Entry>& entries) {
  JsonArray resources;
  for (const Entry& entry : entries) {
    if (!entry.subresource.empty()) {
      continue;
    }
    JsonObject resource;
    api::Set(&resource, "resource", Text(entry.resource));
    api::Set(&resource, "responseKind", ResponseKind(entry));
    api::Set(&resource, "scope", entry.is_namespaced ? "Namespaced" : "Cluster");
    api::Set(&resource, "singularResource", Text(entry.singular));
    api::Set(&resource, "verbs", Texts(entry.verbs));
    if (!entry.short_names.empty()) {
      api::Set(&resource, "shortNames", Texts(entry.short_names));
    }
    if (!entry.categories.empty()) {
      api::Set(&resource, "categories", Texts(entry.categories));
    }
    JsonArray parts;
    for (const Entry& part : entries) {
      if (part.resource == entry.resource && !part.subresource.empty()) {
        JsonObject one;
        api::Set(&one, "subresource", Text(part.subresource));
        api::Set(&one, "responseKind", ResponseKind(part));
        api::Set(&one, "verbs", Texts(part.verbs));
        parts.emplace_back(std::move(one));
      }
    }
    if (!parts.empty()) {
      api::Set(&resource, "subresources", std::move(parts));
    }
    resources.emplace_back(std::move(resource));
  }
  return resources;
}

Json AggregatedGroup(const KindRegistry& kinds, std::string_view group) {
  JsonArray versions;
  for (const std::string_view version : VersionsOf(kinds, group)) {
    JsonObject one;
    api::Set(&one, "version", Text(version));
    api::Set(&one, "resources", AggregatedResources(EntriesOf(kinds, group, version)));
    api::Set(&one, "freshness", "Current");
    versions.emplace_back(std::move(one));
  }
  JsonObject document;
  JsonObject& metadata = document["metadata"].emplace_object();
  if (!group.empty()) {
    api::Set(&metadata, "name", Text(group));
  }
  api::Set(&metadata, "creationTimestamp", nullptr);
  api::Set(&document, "versions", std::move(versions));
  return document;
}

std::string Aggregated(const KindRegistry& kinds, bool is_core, std::string_view version) {
  JsonObject list =
      Document("APIGroupDiscoveryList", fmt::format("apidiscovery.k8s.io/{}", version));
  api::Set(&list, "metadata", JsonObject());
  JsonArray items;
  for (const std::string_view group : GroupsOf(kinds)) {
    if (group.empty() == is_core) {
      items.push_back(AggregatedGroup(kinds, group));
    }
  }
  api::Set(&list, "items", std::move(items));
  return api::Dump(list);
}

std::string CoreVersions(std::string_view server_address) {
  JsonObject versions = Document("APIVersions", {});
  api::Set(&versions, "versions", JsonArray{"v1"});
  JsonObject address;
  api::Set(&address, "clientCIDR", "0.0.0.0/0");
  api::Set(&address, "serverAddress", Text(server_address));
  api::Set(&versions, "serverAddressByClientCIDRs", JsonArray{std::move(address)});
  return api::Dump(versions);
}

// A version of Kubernetes whose clients find here what they look for.
std::string VersionText() {
  return R"({"major":"1","minor":"20","gitVersion":"v1.20.2+socle","gitCommit":"","gitTreeState":"clean","buildDate":"1970-01-01T00:00:00Z","goVersion":"none","compiler":"g++","platform":"linux/amd64"})";
}

std::string PathList(const StringMap<std::string>& documents) {
  std::vector<std::string> paths = {"/healthz", "/livez", "/metrics", "/readyz", "/openapi/v2"};
  for (const auto& [path, text] : documents) {
    paths.push_back(path);
  }
  std::sort(paths.begin(), paths.end());
  JsonArray list;
  for (const std::string& path : paths) {
    list.push_back(Text(path));
  }
  JsonObject document;
  api::Set(&document, "paths", std::move(list));
  return api::Dump(document);
}

}  // namespace

Discovery::Discovery(const KindRegistry* kinds, std::string_view server_address) : kinds_(kinds) {
  JsonArray groups;
  for (const std::string_view group : GroupsOf(*kinds)) {
    const std::string root = group.empty() ? "/api" : fmt::format("/apis/{}", group);
    for (const std::string_view version : VersionsOf(*kinds, group)) {
      documents_[fmt::format("{}/{}", root, version)] = ResourceList(*kinds, group, version);
    }
    if (group.empty()) {
      documents_[root] = CoreVersions(server_address);
      continue;
    }
    JsonObject document = Document("APIGroup", "v1");
    for (const auto& member : Group(*kinds, group)) {
      document[member.key()] = member.value();
    }
    documents_[root] = api::Dump(document);
    groups.emplace_back(Group(*kinds, group));
  }
  JsonObject list = Document("APIGroupList", "v1");
  api::Set(&list, "groups", std::move(groups));
  documents_["/apis"] = api::Dump(list);
  documents_["/version"] = VersionText();
  documents_["/"] = PathList(documents_);
  for (const bool is_core : {true, false}) {
    const std::string path = is_core ? "/api" : "/apis";
    aggregated_v2_[path] = Aggregated(*kinds, is_core, "v2");
    aggregated_v2beta1_[path] = Aggregated(*kinds, is_core, "v2beta1");
  }
}

const std::string* Discovery::Find(std::string_view path) const {
  if (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  const auto found = documents_.find(path);
  return found == documents_.end() ? nullptr : &found->second;
}

const std::string* Discovery::FindAggregated(std::string_view path, DiscoveryForm form) const {
  if (form == DiscoveryForm::kPlain) {
    return nullptr;
  }
  const auto& documents =
      form == DiscoveryForm::kAggregatedV2 ? aggregated_v2_ : aggregated_v2beta1_;
  const auto found = documents.find(path);
  return found == documents.end() ? nullptr : &found->second;
}

const std::string& Discovery::OpenApi(OpenApiForm form) {
  std::call_once(open_api_once_, [this] {
    const Json document = api::OpenApiV2(*kinds_);
    open_api_json_ = api::Dump(document);
    open_api_protobuf_ = api::OpenApiV2Proto(document);
  });
  return form == OpenApiForm::kJson ? open_api_json_ : open_api_protobuf_;
}

}  // namespace socle::apiserver
