#include "controllers/registry/object.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::registry {
namespace {

namespace bj = boost::json;

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::StringAt;

// Two members of metadata that are told by the store, or by nobody.
constexpr std::string_view kRevisionMember = "resourceVersion";
constexpr std::string_view kLinkMember = "selfLink";

const api::Kind& StoringKind(const api::Kind& kind) {
  return kind.storing_kind == nullptr ? kind : *kind.storing_kind;
}

// Appends JSON without a string in between.
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  void Append(const Json& value) {
    serializer_.reset(&value);
    Drain();
  }

  // The separator, the key and its colon.
  void Key(bj::string_view key, bool is_first) {
    if (!is_first) {
      out_->push_back(',');
    }
    serializer_.reset(key);
    Drain();
    out_->push_back(':');
  }

 private:
  void Drain() {
    while (!serializer_.done()) {
      const bj::string_view piece = serializer_.read(buffer_.data(), buffer_.size());
      out_->append(piece.data(), piece.size());
    }
  }

  std::string* const out_;
  bj::serializer serializer_;
  std::array<char, 4096> buffer_;
};

// Where the bytes after `"metadata":{` begin in a document of the kind as EncodeStored makes it;
// npos when it was made otherwise.
size_t MetadataStart(const api::Kind& storing, std::string_view document) {
  const std::string_view whole = document;
  const auto consume = [&document](std::string_view expected) {
    if (document.substr(0, expected.size()) != expected) {
      return false;
    }
    document.remove_prefix(expected.size());
    return true;
  };
  if (!consume("{\"kind\":\"") || !consume(storing.kind) || !consume("\",\"apiVersion\":\"") ||
      (!storing.group.empty() && !(consume(storing.group) && consume("/"))) ||
      !consume(storing.storage_version) || !consume("\",\"metadata\":{")) {
    return std::string_view::npos;
  }
  return whole.size() - document.size();
}

void AppendHead(std::string_view kind, std::string_view group, std::string_view version,
                std::string* out) {
  out->append("{\"kind\":\"").append(kind).append("\",\"apiVersion\":\"");
  if (!group.empty()) {
    out->append(group).push_back('/');
  }
  out->append(version).append("\",\"metadata\":{");
}

void ReadMetadata(const JsonObject& metadata, Object* object) {
  object->ns = StringAt(metadata, "namespace");
  object->name = StringAt(metadata, "name");
  object->uid = StringAt(metadata, "uid");
  object->is_deleting = api::Find(metadata, "deletionTimestamp") != nullptr;
  const Json* labels = api::Find(metadata, "labels");
  if (labels != nullptr && labels->is_object()) {
    object->labels.reserve(labels->get_object().size());
    for (const auto& label : labels->get_object()) {
      if (label.value().is_string()) {
        object->labels.emplace_back(api::View(label.key()), api::View(label.value().get_string()));
      }
    }
    std::sort(object->labels.begin(), object->labels.end());
  }
  const Json* owners = api::Find(metadata, "ownerReferences");
  if (owners != nullptr && owners->is_array()) {
    for (const Json& owner : owners->get_array()) {
      object->owners.push_back({.api_version = std::string(StringAt(owner, {"apiVersion"})),
                                .kind = std::string(StringAt(owner, {"kind"})),
                                .name = std::string(StringAt(owner, {"name"})),
                                .uid = std::string(StringAt(owner, {"uid"})),
                                .is_controller = api::BoolAt(owner, {"controller"}),
                                .blocks_deletion = api::BoolAt(owner, {"blockOwnerDeletion"})});
    }
  }
  const Json* finalizers = api::Find(metadata, "finalizers");
  if (finalizers != nullptr && finalizers->is_array()) {
    for (const Json& finalizer : finalizers->get_array()) {
      if (finalizer.is_string()) {
        object->finalizers.emplace_back(api::View(finalizer.get_string()));
      }
    }
  }
}

void SetRevision(int64_t mod_revision, Json* object) {
  if (mod_revision > 0) {
    api::Set(&api::EnsureObject(object, {"metadata"}), kRevisionMember,
             Json(JsonView(fmt::format("{}", mod_revision))));
  }
}

}  // namespace

std::string_view Object::Label(std::string_view key) const {
  const auto at =
      std::lower_bound(labels.begin(), labels.end(), key,
                       [](const auto& label, std::string_view k) { return label.first < k; });
  return at != labels.end() && at->first == key ? std::string_view(at->second) : std::string_view();
}

bool Object::HasLabel(std::string_view key) const {
  const auto at =
      std::lower_bound(labels.begin(), labels.end(), key,
                       [](const auto& label, std::string_view k) { return label.first < k; });
  return at != labels.end() && at->first == key;
}

std::string_view Object::FieldText(std::string_view label) const {
  for (size_t i = 0; i < kind->fields.size() && i < fields.size(); ++i) {
    if (kind->fields[i].label == label) {
      return fields[i];
    }
  }
  return {};
}

const OwnerReference* Object::Controller() const {
  const auto at = std::find_if(owners.begin(), owners.end(),
                               [](const OwnerReference& owner) { return owner.is_controller; });
  return at == owners.end() ? nullptr : &*at;
}

Json Object::Parse() const {
  absl::StatusOr<Json> parsed = api::ParseJson(document);
  CHECK_OK(parsed.status());  // DecodeObject has read it.
  SetRevision(mod_revision, &*parsed);
  return *std::move(parsed);
}

std::string ObjectKey(const api::Kind& kind, std::string_view ns, std::string_view name) {
  std::string key;
  key.reserve(kKeyPrefix.size() + kind.group.size() + kind.storage_resource.size() + ns.size() +
              name.size() + 3);
  key.append(kKeyPrefix);
  if (!kind.group.empty()) {
    key.append(kind.group).push_back('/');
  }
  key.append(kind.storage_resource).push_back('/');
  if (kind.is_namespaced && !ns.empty()) {
    key.append(ns).push_back('/');
  }
  key.append(name);
  return key;
}

std::string EncodeStored(const api::Kind& kind, const Json& object) {
  const api::Kind& storing = StoringKind(kind);
  std::string out;
  out.reserve(1024);
  AppendHead(storing.kind, storing.group, storing.storage_version, &out);
  JsonWriter writer(&out);
  bool is_first = true;
  if (const JsonObject* metadata = api::FindObject(object, {"metadata"})) {
    for (const auto& member : *metadata) {
      const std::string_view name = api::View(member.key());
      if (name != kRevisionMember && name != kLinkMember) {
        writer.Key(member.key(), is_first);
        writer.Append(member.value());
        is_first = false;
      }
    }
  }
  if (is_first) {
    out.append("\"name\":\"\"");  // What AppendServed splices goes before a member.
  }
  out.push_back('}');
  if (const JsonObject* members = object.if_object()) {
    for (const auto& member : *members) {
      const std::string_view name = api::View(member.key());
      if (name != "kind" && name != "apiVersion" && name != "metadata") {
        writer.Key(member.key(), false);
        writer.Append(member.value());
      }
    }
  }
  out.push_back('}');
  return out;
}

absl::StatusOr<ObjectRef> DecodeObject(const api::Kind& kind, std::string_view key,
                                       std::string_view document, int64_t create_revision,
                                       int64_t mod_revision) {
  // The parsed form lives only here: a scratch buffer serves nearly all objects.
  std::array<unsigned char, 16384> scratch;
  bj::monotonic_resource memory(scratch.data(), scratch.size());
  bj::parse_options options;
  options.max_depth = api::kJsonDepthMax;
  bj::error_code error;
  const Json parsed = bj::parse(JsonView(document), error, &memory, options);
  if (error) {
    return absl::DataLossError(fmt::format("{}: malformed JSON: {}", key, error.message()));
  }
  const JsonObject* metadata = api::FindObject(parsed, {"metadata"});
  if (metadata == nullptr || StringAt(*metadata, "name").empty()) {
    return absl::DataLossError(fmt::format("{}: no metadata.name", key));
  }
  auto object = std::make_shared<Object>();
  object->kind = &StoringKind(kind);
  object->document = document;
  object->create_revision = create_revision;
  object->mod_revision = mod_revision;
  ReadMetadata(*metadata, object.get());
  object->fields.reserve(object->kind->fields.size());
  for (const api::SelectableField& field : object->kind->fields) {
    object->fields.push_back(api::FieldText(field, parsed));
  }
  return object;
}

void AppendServed(const api::ServedKind& served, std::string_view document, int64_t mod_revision,
                  std::string* out) {
  const size_t start = served.hides_nothing && mod_revision > 0
                           ? MetadataStart(StoringKind(*served.kind), document)
                           : std::string_view::npos;
  if (start == std::string_view::npos) {
    out->append(api::Dump(ParseServed(served, document, mod_revision)));
    return;
  }
  AppendHead(served.kind->kind, served.kind->group, served.version, out);
  fmt::format_to(std::back_inserter(*out), "\"resourceVersion\":\"{}\",", mod_revision);
  out->append(document.substr(start));
}

Json ParseServed(const api::ServedKind& served, std::string_view document, int64_t mod_revision) {
  absl::StatusOr<Json> parsed = api::ParseJson(document);
  Json object = parsed.ok() ? *std::move(parsed) : Json(JsonObject());
  api::ToServed(served, &object);
  SetRevision(mod_revision, &object);
  return object;
}

}  // namespace socle::registry
