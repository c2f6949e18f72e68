#include "server/service/identity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <openssl/sha.h>

#include "kv/base/bytes.h"
#include "kv/base/log.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

namespace json = boost::json;

uint64_t FirstBytesOfSha1(std::string_view bytes) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return GetBigEndian64(reinterpret_cast<const char*>(digest.data()));
}

std::vector<std::string> StringsOf(const json::object& object, std::string_view field) {
  std::vector<std::string> strings;
  const json::value* value = object.if_contains({field.data(), field.size()});
  if (value != nullptr && value->is_array()) {
    for (const json::value& item : value->get_array()) {
      if (item.is_string()) {
        strings.emplace_back(item.get_string().data(), item.get_string().size());
      }
    }
  }
  return strings;
}

json::array ArrayOf(const std::vector<std::string>& strings) {
  json::array array;
  for (const std::string& text : strings) {
    array.emplace_back(json::string(text));
  }
  return array;
}

std::optional<std::string> ValueOf(const std::vector<std::pair<std::string, std::string>>& bucket,
                                   std::string_view key) {
  for (const auto& [k, v] : bucket) {
    if (k == key) {
      return v;
    }
  }
  return std::nullopt;
}

struct Version {
  int major = 0;
  int minor = 0;

  friend auto operator<=>(const Version&, const Version&) = default;
};

std::optional<Version> ParseVersion(std::string_view text) {
  Version version;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') {
    return std::nullopt;
  }
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc()) {
    return std::nullopt;
  }
  return version;
}

absl::Status CheckStorageVersion(const std::optional<std::string>& stored) {
  if (!stored.has_value()) {
    return absl::OkStatus();  // etcd before 3.6 stores none: readable
  }
  const std::optional<Version> version = ParseVersion(*stored);
  if (!version.has_value()) {
    return absl::DataLossError(fmt::format("meta/storageVersion is not a version: '{}'", *stored));
  }
  if (*version > *ParseVersion(kStorageVersion)) {
    return absl::FailedPreconditionError(
        fmt::format("the data directory has storage version {}, this server reads up to {}",
                    *stored, kStorageVersion));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<MemberRecord>> StoredMember(const mvcc::Store& store) {
  ASSIGN_OR_RETURN(const auto members, store.ReadSystem("members"));
  if (members.empty()) {
    return std::nullopt;
  }
  if (members.size() > 1) {
    return absl::FailedPreconditionError(
        fmt::format("the data directory belongs to a cluster of {} members; a single member's "
                    "snapshot is needed",
                    members.size()));
  }
  absl::StatusOr<MemberRecord> record = ParseMemberJson(members.front().second);
  if (!record.ok()) {
    return Annotate(record.status(), fmt::format("bucket members, key {}", members.front().first));
  }
  return *std::move(record);
}

}  // namespace

uint64_t MemberIdOf(std::vector<std::string> peer_urls, std::string_view cluster_token) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string bytes;
  for (const std::string& url : peer_urls) {
    bytes.append(url);
  }
  bytes.append(cluster_token);
  return FirstBytesOfSha1(bytes);
}

uint64_t ClusterIdOf(std::vector<uint64_t> member_ids) {
  std::sort(member_ids.begin(), member_ids.end());
  std::string bytes;
  for (const uint64_t id : member_ids) {
    bytes.append(BigEndian64(id));
  }
  return FirstBytesOfSha1(bytes);
}

std::string MemberJson(const MemberRecord& member) {
  json::object object;
  object["id"] = member.id;
  object["peerURLs"] = ArrayOf(member.peer_urls);
  if (!member.name.empty()) {
    object["name"] = json::string(member.name);
  }
  if (!member.client_urls.empty()) {
    object["clientURLs"] = ArrayOf(member.client_urls);
  }
  return json::serialize(object);
}

absl::StatusOr<MemberRecord> ParseMemberJson(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  if (error || !value.is_object()) {
    return absl::DataLossError("the member record is not a JSON object");
  }
  const json::object& object = value.get_object();
  const json::value* id = object.if_contains("id");
  if (id == nullptr || !id->is_number()) {
    return absl::DataLossError("the member record has no id");
  }
  MemberRecord member;
  member.id = id->to_number<uint64_t>(error);
  if (error) {
    return absl::DataLossError("the member record's id is not an unsigned 64-bit number");
  }
  if (const json::value* name = object.if_contains("name"); name != nullptr && name->is_string()) {
    member.name.assign(name->get_string().data(), name->get_string().size());
  }
  member.peer_urls = StringsOf(object, "peerURLs");
  member.client_urls = StringsOf(object, "clientURLs");
  return member;
}

mvcc::SystemWrite MemberWrite(const MemberRecord& member) {
  return {.bucket = "members", .key = fmt::format("{:x}", member.id), .value = MemberJson(member)};
}

absl::StatusOr<Identity> BootIdentity(const IdentityOptions& options, mvcc::Store* store) {
  ASSIGN_OR_RETURN(const auto meta, store->ReadSystem("meta"));
  RETURN_IF_ERROR(CheckStorageVersion(ValueOf(meta, "storageVersion")));
  ASSIGN_OR_RETURN(const std::optional<MemberRecord> stored, StoredMember(*store));

  Identity identity;
  identity.member = {
      .id = stored.has_value() ? stored->id : MemberIdOf(options.peer_urls, options.cluster_token),
      .name = options.name,
      .peer_urls = stored.has_value() ? stored->peer_urls : options.peer_urls,
      .client_urls = options.client_urls};
  identity.cluster_id = ClusterIdOf({identity.member.id});

  std::vector<mvcc::SystemWrite> writes;
  if (!stored.has_value() || MemberJson(*stored) != MemberJson(identity.member)) {
    writes.push_back(MemberWrite(identity.member));
  }
  const std::optional<std::string> term = ValueOf(meta, "term");
  if (term.has_value() && term->size() == sizeof(uint64_t)) {
    identity.raft_term = std::max<uint64_t>(identity.raft_term, GetBigEndian64(term->data()));
  } else {
    writes.push_back({.bucket = "meta", .key = "term", .value = BigEndian64(identity.raft_term)});
  }
  if (!ValueOf(meta, "storageVersion").has_value()) {
    writes.push_back(
        {.bucket = "meta", .key = "storageVersion", .value = std::string(kStorageVersion)});
  }
  if (!ValueOf(meta, "confState").has_value()) {
    writes.push_back(
        {.bucket = "meta",
         .key = "confState",
         .value = fmt::format(R"({{"voters":[{}],"auto_leave":false}})", identity.member.id)});
  }
  ASSIGN_OR_RETURN(const auto cluster, store->ReadSystem("cluster"));
  if (!ValueOf(cluster, "clusterVersion").has_value()) {
    writes.push_back(
        {.bucket = "cluster", .key = "clusterVersion", .value = std::string(kClusterVersion)});
  }
  if (!writes.empty()) {
    RETURN_IF_ERROR(store->WriteSystem(std::move(writes)).status());
  }
  return identity;
}

}  // namespace socle::server
