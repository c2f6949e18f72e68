#include "controllers/workload/container_hash.h"

#include <xxhash.h>

#include <bit>
#include <optional>

#include <fmt/format.h>

namespace socle::workload {
namespace {

uint64_t HashText(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

uint64_t HashNumber(uint64_t number, uint64_t seed) {
  return XXH3_64bits_withSeed(&number, sizeof(number), seed);
}

// Seeds keep apart values of different types.
constexpr uint64_t kSeedText = 1;
constexpr uint64_t kSeedNumber = 2;
constexpr uint64_t kSeedFraction = 3;
constexpr uint64_t kSeedBool = 4;
constexpr uint64_t kSeedArray = 5;
constexpr uint64_t kSeedObject = 6;
constexpr uint64_t kSeedVariable = 7;

// Members are summed, so that their order counts nothing. Depth is that of a parsed document.
uint64_t HashValue(const api::Json& value) {
  if (const auto* text = value.if_string()) {
    return HashText(api::View(*text), kSeedText);
  }
  if (const std::optional<int64_t> number = api::AsInt(value)) {
    return HashNumber(static_cast<uint64_t>(*number), kSeedNumber);
  }
  if (const auto* members = value.if_object()) {
    uint64_t sum = 0;
    for (const auto& member : *members) {
      if (!member.value().is_null()) {
        sum += HashText(api::View(member.key()), HashValue(member.value()));
      }
    }
    return HashNumber(sum, kSeedObject);
  }
  if (const auto* items = value.if_array()) {
    uint64_t chain = items->size();
    for (const api::Json& item : *items) {
      chain = HashNumber(HashValue(item), chain);
    }
    return HashNumber(chain, kSeedArray);
  }
  if (value.is_bool()) {
    return HashNumber(value.get_bool() ? 1 : 0, kSeedBool);
  }
  if (value.is_double()) {
    return HashNumber(std::bit_cast<uint64_t>(value.get_double()), kSeedFraction);
  }
  if (value.is_uint64()) {
    return HashNumber(value.get_uint64(), kSeedNumber);
  }
  return 0;
}

// What a field path like metadata.labels['x'] reads; nullopt for other paths.
std::optional<std::string_view> ReadPath(std::string_view path, const api::Json& metadata) {
  for (const std::string_view group : {"labels", "annotations"}) {
    const std::string head = fmt::format("metadata.{}['", group);
    if (path.starts_with(head) && path.ends_with("']") && path.size() > head.size() + 2) {
      return api::StringAt(metadata,
                           {group, path.substr(head.size(), path.size() - head.size() - 2)});
    }
  }
  return std::nullopt;
}

// By these a hot upgrade of sidecars tells the container that serves about the one that will: it is to hear
// of it when it starts, not to be restarted for it (spec controllers 4.7).
bool IsHotUpgradeVersion(std::string_view path) {
  return path.starts_with("metadata.annotations['version.sidecarset.kruise.io/") ||
         path.starts_with("metadata.annotations['versionalt.sidecarset.kruise.io/");
}

}  // namespace

uint64_t ContainerHash(const api::Json& container) {
  return HashValue(container);
}

uint64_t EnvFromMetadataHash(const api::Json& container, const api::Json& metadata) {
  const api::JsonArray* env = api::FindArray(container, {"env"});
  uint64_t chain = 0;
  for (size_t i = 0; env != nullptr && i < env->size(); ++i) {
    const std::string_view path = api::StringAt((*env)[i], {"valueFrom", "fieldRef", "fieldPath"});
    const std::optional<std::string_view> read =
        path.empty() || IsHotUpgradeVersion(path) ? std::nullopt : ReadPath(path, metadata);
    if (read.has_value()) {
      const uint64_t name = HashText(api::StringAt((*env)[i], {"name"}), kSeedVariable);
      chain = HashNumber(HashText(*read, name), chain);
    }
  }
  return chain;
}

std::string EncodeRuntimeContainers(const std::vector<RuntimeContainer>& containers) {
  api::JsonArray list;
  list.reserve(containers.size());
  for (const RuntimeContainer& container : containers) {
    api::JsonObject hashes;
    api::Set(&hashes, "plainHash", container.plain_hash);
    api::Set(&hashes, "extractedEnvFromMetadataHash", container.env_hash);
    api::JsonObject one;
    api::Set(&one, "name", api::Json(api::JsonView(container.name)));
    api::Set(&one, "containerID", api::Json(api::JsonView(container.container_id)));
    api::Set(&one, "restartCount", container.restart_count);
    api::Set(&one, "hashes", std::move(hashes));
    list.emplace_back(std::move(one));
  }
  api::JsonObject root;
  api::Set(&root, "containers", std::move(list));
  return api::Dump(api::Json(std::move(root)));
}

std::vector<RuntimeContainer> ParseRuntimeContainers(std::string_view text) {
  std::vector<RuntimeContainer> containers;
  const absl::StatusOr<api::Json> root = api::ParseJson(text);
  const api::JsonArray* list = root.ok() ? api::FindArray(*root, {"containers"}) : nullptr;
  // Hashes use all 64 bits: a JSON number above 2^63 is an unsigned one.
  const auto number = [](const api::Json* value) -> uint64_t {
    if (value != nullptr && value->is_uint64()) {
      return value->get_uint64();
    }
    return value != nullptr && value->is_int64() ? static_cast<uint64_t>(value->get_int64()) : 0;
  };
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const api::Json& one = (*list)[i];
    containers.push_back(
        {.name = std::string(api::StringAt(one, {"name"})),
         .container_id = std::string(api::StringAt(one, {"containerID"})),
         .restart_count = api::IntAt(one, {"restartCount"}).value_or(0),
         .plain_hash = number(api::Find(one, {"hashes", "plainHash"})),
         .env_hash = number(api::Find(one, {"hashes", "extractedEnvFromMetadataHash"}))});
  }
  return containers;
}

}  // namespace socle::workload
