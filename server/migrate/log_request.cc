#include "server/migrate/log_request.h"

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/migrate/wire_field.h"

namespace socle::server {
namespace {

using etcdserverpb::InternalRaftRequest;
using etcdserverpb::V2Request;
using google::protobuf::Message;

// Two levels of messages for each level of transactions that the store takes (mvcc::kTxnDepthMax), and a few more.
constexpr int kDepthMax = 420;

bool Parse(std::string_view bytes, Message* message) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kDepthMax);
  return message->ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
}

// The number of an unknown field anywhere in the message; 0 when all is known.
int UnknownFieldOf(const Message& message) {
  const google::protobuf::Reflection* const reflection = message.GetReflection();
  const google::protobuf::UnknownFieldSet& unknown = reflection->GetUnknownFields(message);
  if (!unknown.empty()) {
    return unknown.field(0).number();
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* const field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    }
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const Message& inner = field->is_repeated()
                                 ? reflection->GetRepeatedMessage(message, field, i)
                                 : reflection->GetMessage(message, field);
      if (const int number = UnknownFieldOf(inner); number != 0) {
        return number;
      }
    }
  }
  return 0;
}

absl::Status V2Content(const V2Request& request) {
  // Of the server itself. What it says of the cluster is in the database, too, once it was applied.
  if (request.path().starts_with("/0/")) {
    return absl::UnimplementedError(
        fmt::format("{} {} is not known here", request.method(), request.path()));
  }
  return absl::FailedPreconditionError(fmt::format(
      "{} {} changes the v2 store, which is not kept here: move what is in it to the v3 API first "
      "(etcdctl migrate of etcd 3.3), and take the v3 keys by a snapshot of the running etcd: "
      "soclectl snapshot save, soclectl snapshot restore",
      request.method(), request.path()));
}

bool ConsumePrefix(std::string_view prefix, std::string_view* text) {
  if (!text->starts_with(prefix)) {
    return false;
  }
  text->remove_prefix(prefix.size());
  return true;
}

absl::StatusOr<LogRequest> DecodeV2(const V2Request& request) {
  const std::string& method = request.method();
  if (method == "GET" || method == "QGET" || method == "HEAD" || method == "SYNC") {
    PROBE("import: a v2 request that keeps nothing");
    return NothingToDo{};
  }
  std::string_view path = request.path();
  if (method == "PUT" && path == "/0/version") {
    return ClusterVersion{.version = request.val()};
  }
  if (method == "PUT" && ConsumePrefix("/0/members/", &path) && path.ends_with("/attributes")) {
    path.remove_suffix(std::string_view("/attributes").size());
    MemberAttributes attributes{.json = request.val()};
    const auto parsed =
        std::from_chars(path.data(), path.data() + path.size(), attributes.member_id, 16);
    if (parsed.ec == std::errc() && parsed.ptr == path.data() + path.size()) {
      return attributes;
    }
  }
  return V2Content(request);
}

// Whether bytes that are no InternalRaftRequest are a request of the v2 store; etcd decides alike.
bool IsV2(std::string_view payload, V2Request* request) {
  constexpr std::array<std::string_view, 7> kMethods = {"GET", "QGET", "HEAD",  "SYNC",
                                                        "PUT", "POST", "DELETE"};
  if (!Parse(payload, request) || UnknownFieldOf(*request) != 0) {
    return false;
  }
  for (const std::string_view method : kMethods) {
    if (request->method() == method) {
      return true;
    }
  }
  return false;
}

absl::StatusOr<LogRequest> DecodeNormal(std::string_view payload) {
  if (payload.empty()) {
    return NothingToDo{};
  }
  V2Request v2;
  InternalRaftRequest request;
  if (!Parse(payload, &request)) {
    if (IsV2(payload, &v2)) {
      return DecodeV2(v2);
    }
    return absl::DataLossError("its bytes are no request");
  }
  if (const int number = UnknownFieldOf(request); number != 0) {
    if (IsV2(payload, &v2)) {
      return DecodeV2(v2);
    }
    PROBE("import: an entry of a newer etcd is refused");
    return absl::UnimplementedError(fmt::format(
        "it has field {}, which is not known here: a newer etcd wrote this log; save a snapshot "
        "there and restore that: soclectl snapshot restore",
        number));
  }
  if (request.has_v2()) {
    return DecodeV2(request.v2());
  }
  return request;
}

// raftpb.ConfChange {id 1, kind 2, member 3, context 4}.
absl::StatusOr<LogRequest> DecodeMemberChange(std::string_view payload) {
  MemberChange change;
  while (!payload.empty()) {
    WireField field;
    if (!ConsumeField(&payload, &field) || field.number > 4 ||
        field.is_bytes != (field.number == 4)) {
      return absl::DataLossError("its bytes are no change of members");
    }
    if (field.number == 2) {
      change.kind = static_cast<MemberChange::Kind>(field.varint);
    } else if (field.number == 3) {
      change.member_id = field.varint;
    } else if (field.number == 4) {
      change.member_json = field.bytes;
    }
  }
  if (change.kind > MemberChange::Kind::kAddLearner) {
    return absl::UnimplementedError(fmt::format("changes of members of kind {} are not known here",
                                                static_cast<uint64_t>(change.kind)));
  }
  return change;
}

}  // namespace

absl::StatusOr<LogRequest> DecodeLogRequest(const EtcdEntry& entry) {
  switch (entry.type) {
    case EtcdEntryType::kNormal:
      return DecodeNormal(entry.payload);
    case EtcdEntryType::kConfChange:
      return DecodeMemberChange(entry.payload);
    case EtcdEntryType::kConfChangeV2:
      break;
  }
  return absl::UnimplementedError(
      fmt::format("entries of type {} are not known here", static_cast<uint64_t>(entry.type)));
}

}  // namespace socle::server
