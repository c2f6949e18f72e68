#include "controllers/registry/registry.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/delete_protection.h"
#include "controllers/registry/namespace_lifecycle.h"
#include "controllers/registry/pod_defaults.h"
#include "controllers/registry/registry_impl.h"
#include "controllers/storage/answer.h"
#include "controllers/storage/errors.h"
#include "kv/base/check.h"
#include "kv/base/random.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Json;

absl::Status AsApiStatus(const absl::Status& status) {
  return status.ok() ? status : MakeStatus(ErrorOf(status));
}

WriteContext PlaneContext(std::string_view controller) {
  return {.user = fmt::format("system:serviceaccount:kube-system:{}", controller),
          .is_plane = true};
}

Json Written::Parse() const {
  absl::StatusOr<Json> parsed = api::ParseJson(document);
  CHECK_OK(parsed.status());  // The registry has made or read it.
  if (mod_revision > 0) {
    api::Set(&api::EnsureObject(&*parsed, {"metadata"}), "resourceVersion",
             Json(api::JsonView(fmt::format("{}", mod_revision))));
  }
  return *std::move(parsed);
}

std::unique_ptr<Registry> Registry::Make(RegistryOptions options) {
  CHECK(options.store != nullptr);
  CHECK(options.kinds != nullptr);
  CHECK(options.cache != nullptr);
  if (options.clock == nullptr) {
    options.clock = Clock::Real();
  }
  if (options.seed == 0) {
    options.seed = Random::FreshSeed();
  }
  return std::make_unique<RegistryImpl>(std::move(options));
}

RegistryImpl::RegistryImpl(RegistryOptions options)
    : options_(std::move(options)), identities_(options_.seed) {
  plugins_.push_back(
      std::make_unique<NamespaceLifecycle>(options_.store, options_.cache, options_.kinds));
  for (std::unique_ptr<AdmissionPlugin>& plugin : options_.admission) {
    plugins_.push_back(std::move(plugin));
  }
  // After those that add containers: the quality of service follows from all of them.
  plugins_.push_back(std::make_unique<PodDefaults>());
  plugins_.push_back(std::make_unique<DeleteProtection>(options_.cache, options_.kinds));
}

RegistryImpl::~RegistryImpl() {
  MutexLock lock(&mu_);
  while (under_way_ > 0) {
    all_done_.Wait(&mu_);
  }
}

int64_t RegistryImpl::writes_under_way() const {
  MutexLock lock(&mu_);
  return under_way_;
}

Done RegistryImpl::Counted(Done done) {
  {
    MutexLock lock(&mu_);
    ++under_way_;
  }
  return [this, done = std::move(done)](absl::StatusOr<Written> written) mutable {
    done(written.ok() ? std::move(written) : AsApiStatus(written.status()));
    done = nullptr;
    MutexLock lock(&mu_);
    if (--under_way_ == 0) {
      all_done_.SignalAll();  // Under the lock: the registry may be gone right after it.
    }
  };
}

int64_t RegistryImpl::TtlOf(const api::Kind& kind) const {
  return kind.group.empty() && kind.resource == "events" ? options_.event_ttl_seconds : 0;
}

absl::Status RegistryImpl::Admit(const AdmissionRequest& request, Json* object) {
  for (const std::unique_ptr<AdmissionPlugin>& plugin : plugins_) {
    RETURN_IF_ERROR(plugin->Admit(request, object));
  }
  return absl::OkStatus();
}

absl::Status RegistryImpl::Check(const AdmissionRequest& request, const Json& object) {
  for (const std::unique_ptr<AdmissionPlugin>& plugin : plugins_) {
    RETURN_IF_ERROR(plugin->Check(request, object));
  }
  return absl::OkStatus();
}

void RegistryImpl::TellStored(const Written& written) {
  const StoredWrite write{.kind = written.kind,
                          .document = written.document,
                          .mod_revision = written.mod_revision,
                          .is_removed = written.is_removed};
  for (const std::unique_ptr<AdmissionPlugin>& plugin : plugins_) {
    plugin->Stored(write);
  }
}

absl::StatusOr<ObjectRef> RegistryImpl::Get(const Target& target) {
  const api::Kind& kind = *target.served->kind;
  std::string key = ObjectKey(kind, target.ns, target.name);
  const absl::StatusOr<storage::GetResult> got = options_.store->Get({.key = key});
  if (!got.ok()) {
    return AsApiStatus(got.status());
  }
  if (!got->object) {
    return NotFound(kind.group, kind.resource, target.name);
  }
  absl::StatusOr<ObjectRef> object = DecodeObject(
      kind, key, got->object->document, got->object->create_revision, got->object->mod_revision);
  if (!object.ok()) {
    return AsApiStatus(object.status());
  }
  return object;
}

// ------------------------------------------------------------------------------- the waiting forms

namespace {

template <typename T, typename Call>
absl::StatusOr<T> Await(Call call) {
  storage::Answer<absl::StatusOr<T>> answer;
  call([&answer](absl::StatusOr<T> result) { answer.Give(std::move(result)); });
  return answer.Take();
}

}  // namespace

absl::StatusOr<Written> Registry::Create(WriteContext context, CreateRequest request) {
  return Await<Written>(
      [&](Done done) { Create(std::move(context), std::move(request), std::move(done)); });
}

absl::StatusOr<Written> Registry::Update(WriteContext context, UpdateRequest request) {
  return Await<Written>(
      [&](Done done) { Update(std::move(context), std::move(request), std::move(done)); });
}

absl::StatusOr<Written> Registry::Patch(WriteContext context, PatchRequest request) {
  return Await<Written>(
      [&](Done done) { Patch(std::move(context), std::move(request), std::move(done)); });
}

absl::StatusOr<Written> Registry::Change(WriteContext context, ChangeRequest request) {
  return Await<Written>(
      [&](Done done) { Change(std::move(context), std::move(request), std::move(done)); });
}

absl::StatusOr<Written> Registry::Delete(WriteContext context, DeleteRequest request) {
  return Await<Written>(
      [&](Done done) { Delete(std::move(context), std::move(request), std::move(done)); });
}

absl::StatusOr<Written> Registry::Bind(WriteContext context, const Target& pod,
                                       const Json& binding) {
  return Await<Written>(
      [&](Done done) { Bind(std::move(context), pod, binding, std::move(done)); });
}

absl::StatusOr<Written> Registry::Evict(WriteContext context, const Target& pod,
                                        const Json& eviction) {
  return Await<Written>(
      [&](Done done) { Evict(std::move(context), pod, eviction, std::move(done)); });
}

absl::StatusOr<ListResult> Registry::List(ListRequest request) {
  return Await<ListResult>([&](ListDone done) { List(std::move(request), std::move(done)); });
}

absl::Status EnsureSystemNamespaces(Registry* registry) {
  const api::ServedKind* served = registry->kinds().Preferred("", "namespaces");
  CHECK(served != nullptr);
  for (const std::string_view name : kSystemNamespaces) {
    CreateRequest request{.target = {.served = served}, .object = Json(api::JsonObject())};
    api::Set(&api::EnsureObject(&request.object, {"metadata"}), "name", Json(api::JsonView(name)));
    const absl::StatusOr<Written> written =
        registry->Create(PlaneContext("namespace-controller"), std::move(request));
    if (!written.ok() && ReasonOf(written.status()) != Reason::kAlreadyExists) {
      return Annotate(written.status(), fmt::format("namespace {}", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::registry
