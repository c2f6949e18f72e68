#include "controllers/testing/plane_fixture.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::plane_testing {
namespace {

using registry::Reason;
using registry::Written;

constexpr int64_t kPatienceNanos = 60 * kNanosPerSecond;

// Lets the other threads work.
void Breathe() {
  Mutex mu;
  CondVar never;
  MutexLock lock(&mu);
  never.WaitFor(&mu, std::chrono::microseconds(300));
}

api::Json ParsePatch(std::string_view text) {
  absl::StatusOr<api::Json> patch = api::ParseJson(text);
  CHECK_OK(patch.status());
  return *std::move(patch);
}

}  // namespace

void PlaneFixture::Open() {
  auto store = storage::EmbeddedStore::Open({.directory = dir_.path(), .unsafe_no_sync = true});
  CHECK_OK(store.status());
  store_ = *std::move(store);
  auto cache =
      registry::ObjectCache::Open(store_.get(), &api::KindRegistry::Builtin(), cache_options_);
  CHECK_OK(cache.status());
  cache_ = *std::move(cache);
  registry_ = registry::Registry::Make({.store = store_.get(),
                                        .kinds = &api::KindRegistry::Builtin(),
                                        .cache = cache_.get(),
                                        .clock = &clock_,
                                        .admission = MakeAdmission(cache_.get()),
                                        .seed = ++starts_});
  timers_ = runtime::Timers::Start(&clock_, /*has_thread=*/false);
  events_ = runtime::EventRecorder::Make(registry_.get());
  runtime_ = std::make_unique<runtime::Runtime>(registry_.get(), timers_.get(), events_.get());
  CHECK_OK(registry::EnsureSystemNamespaces(registry_.get()));
  controllers_ = StartControllers(runtime_.get());
}

void PlaneFixture::Close() {
  while (!controllers_.empty()) {
    controllers_.pop_back();
  }
  runtime_.reset();
  events_.reset();
  timers_.reset();
  registry_.reset();
  cache_.reset();
  store_.reset();
}

void PlaneFixture::Restart() {
  Close();
  Open();
}

void PlaneFixture::Settle() {
  const int64_t give_up = Clock::Real()->MonotonicNanos() + kPatienceNanos;
  int64_t revision = -1;
  int quiet = 0;  // looks in a row at which nothing was going on at the same revision
  while (quiet < 2) {
    timers_->RunDue();
    ASSERT_OK(cache_->WaitUntilFresh());
    const absl::StatusOr<int64_t> now = store_->CurrentRevision();
    ASSERT_OK(now);
    if (runtime_->is_idle() && *now == revision) {
      ++quiet;
      continue;
    }
    quiet = 0;
    revision = *now;
    if (!runtime_->is_idle()) {
      Breathe();
    }
    ASSERT_LT(Clock::Real()->MonotonicNanos(), give_up) << "the plane does not come to rest";
  }
}

bool PlaneFixture::RunUntil(const std::function<bool()>& predicate, int64_t virtual_seconds) {
  const int64_t end = clock_.MonotonicNanos() + virtual_seconds * kNanosPerSecond;
  while (true) {
    Settle();
    if (HasFatalFailure()) {
      return false;
    }
    if (predicate()) {
      return true;
    }
    const int64_t now = clock_.MonotonicNanos();
    if (now >= end) {
      return false;
    }
    clock_.Advance(std::min(end, std::max(timers_->NextDue(), now + step_nanos_)) - now);
  }
}

void PlaneFixture::Advance(int64_t virtual_seconds) {
  RunUntil([] { return false; }, virtual_seconds);
}

const api::ServedKind* PlaneFixture::Served(std::string_view resource) const {
  const size_t dot = resource.find('.');
  const std::string_view name = resource.substr(0, dot);
  for (const api::Kind& kind : api::KindRegistry::Builtin().kinds()) {
    const bool is_of_group =
        dot == std::string_view::npos || kind.group == resource.substr(dot + 1);
    if (kind.resource == name && is_of_group) {
      return api::KindRegistry::Builtin().ByResource({kind.group, kind.storage_version, name});
    }
  }
  CHECK(resource == "a known resource");
  return nullptr;
}

registry::Target PlaneFixture::TargetOf(std::string_view resource, std::string_view key) const {
  const runtime::SplitKey split = runtime::Split(key);
  registry::Target target{.served = Served(resource), .name = std::string(split.name)};
  if (target.served->kind->is_namespaced) {
    target.ns = split.ns.empty() ? kNamespace : split.ns;
  }
  return target;
}

absl::StatusOr<api::Json> PlaneFixture::Done(absl::StatusOr<Written> written) {
  if (!written.ok()) {
    return written.status();
  }
  return written->Parse();
}

api::Json PlaneFixture::OrFail(absl::StatusOr<api::Json> result) {
  EXPECT_OK(result);
  return result.ok() ? *std::move(result) : api::Json(nullptr);
}

absl::StatusOr<api::Json> PlaneFixture::TryApply(std::string_view json) {
  ASSIGN_OR_RETURN(api::Json object, api::ParseJson(json));
  const std::string_view api_version = api::StringAt(object, {"apiVersion"});
  const size_t slash = api_version.find('/');
  const bool is_core = slash == std::string_view::npos;
  const api::ServedKind* served = api::KindRegistry::Builtin().ByKind(
      {is_core ? std::string_view() : api_version.substr(0, slash),
       is_core ? api_version : api_version.substr(slash + 1), api::StringAt(object, {"kind"})});
  if (served == nullptr) {
    return absl::InvalidArgumentError("no such kind");
  }
  registry::Target target{.served = served,
                          .ns = std::string(api::StringAt(object, {"metadata", "namespace"})),
                          .name = std::string(api::StringAt(object, {"metadata", "name"}))};
  if (served->kind->is_namespaced && target.ns.empty()) {
    target.ns = kNamespace;
  }
  const absl::StatusOr<registry::ObjectRef> old =
      target.name.empty() ? nullptr : registry_->Get(target);
  if (!old.ok() || *old == nullptr) {
    return Done(registry_->Create(registry::PlaneContext("test"),
                                  {.target = std::move(target), .object = std::move(object)}));
  }
  api::Set(&api::EnsureObject(&object, {"metadata"}), "resourceVersion",
           api::Json(api::JsonView(fmt::format("{}", (*old)->mod_revision))));
  return Done(registry_->Update(registry::PlaneContext("test"),
                                {.target = std::move(target), .object = std::move(object)}));
}

api::Json PlaneFixture::Apply(std::string_view json) {
  return OrFail(TryApply(json));
}

absl::StatusOr<api::Json> PlaneFixture::TryPatch(std::string_view resource, std::string_view key,
                                                 std::string_view merge_patch) {
  return Done(registry_->Patch(registry::PlaneContext("test"), {.target = TargetOf(resource, key),
                                                                .patch = ParsePatch(merge_patch)}));
}

api::Json PlaneFixture::Patch(std::string_view resource, std::string_view key,
                              std::string_view merge_patch) {
  return OrFail(TryPatch(resource, key, merge_patch));
}

api::Json PlaneFixture::PatchStatus(std::string_view resource, std::string_view key,
                                    std::string_view merge_patch_of_status) {
  api::JsonObject patch;
  patch["status"] = ParsePatch(merge_patch_of_status);
  return OrFail(Done(registry_->Patch(
      registry::PlaneContext("test"),
      {.target = TargetOf(resource, key), .patch = std::move(patch), .subresource = "status"})));
}

api::Json PlaneFixture::Scale(std::string_view resource, std::string_view key, int64_t replicas) {
  return OrFail(Done(registry_->Patch(registry::PlaneContext("test"),
                                      {.target = TargetOf(resource, key),
                                       .patch = {{"spec", api::JsonObject{{"replicas", replicas}}}},
                                       .subresource = "scale"})));
}

absl::StatusOr<Written> PlaneFixture::TryDelete(std::string_view resource, std::string_view key,
                                                registry::Propagation propagation,
                                                std::optional<int64_t> grace_period_seconds) {
  return registry_->Delete(registry::PlaneContext("test"),
                           {.target = TargetOf(resource, key),
                            .grace_period_seconds = grace_period_seconds,
                            .propagation = propagation});
}

void PlaneFixture::Delete(std::string_view resource, std::string_view key,
                          registry::Propagation propagation,
                          std::optional<int64_t> grace_period_seconds) {
  EXPECT_OK(TryDelete(resource, key, propagation, grace_period_seconds));
}

void PlaneFixture::ChangeBehind(std::string_view resource, std::string_view key,
                                const std::function<void(api::Json* object)>& change) {
  const registry::ObjectRef object = Find(resource, key);
  ASSERT_NE(object, nullptr) << key;
  api::Json document = object->Parse();
  change(&document);
  EXPECT_OK(store_
                ->Run({.kind = storage::WriteKind::kUpdate,
                       .key = registry::ObjectKey(*object->kind, object->ns, object->name),
                       .document = registry::EncodeStored(*object->kind, document),
                       .expected_revision = object->mod_revision})
                .status);
}

registry::ObjectRef PlaneFixture::Find(std::string_view resource, std::string_view key) {
  absl::StatusOr<registry::ObjectRef> object = registry_->Get(TargetOf(resource, key));
  if (!object.ok()) {
    EXPECT_EQ(registry::ReasonOf(object.status()), Reason::kNotFound) << object.status();
    return nullptr;
  }
  return *std::move(object);
}

api::Json PlaneFixture::Get(std::string_view resource, std::string_view key) {
  const registry::ObjectRef object = Find(resource, key);
  return object == nullptr ? api::Json(nullptr) : object->Parse();
}

bool PlaneFixture::Has(std::string_view resource, std::string_view key) {
  return Find(resource, key) != nullptr;
}

std::vector<api::Json> PlaneFixture::List(std::string_view resource,
                                          std::string_view label_selector) {
  EXPECT_OK(cache_->WaitUntilFresh());
  registry::Selection selection{.kind = Served(resource)->kind};
  absl::StatusOr<api::LabelSelector> labels = api::LabelSelector::Parse(label_selector);
  EXPECT_OK(labels);
  if (labels.ok()) {
    selection.labels = *std::move(labels);
  }
  std::vector<api::Json> objects;
  for (const registry::ObjectRef& object : cache_->List(selection)) {
    objects.push_back(object->Parse());
  }
  return objects;
}

std::vector<std::string> PlaneFixture::Names(std::string_view resource,
                                             std::string_view label_selector) {
  std::vector<std::string> names;
  for (const api::Json& object : List(resource, label_selector)) {
    names.emplace_back(api::StringAt(object, {"metadata", "name"}));
  }
  return names;
}

std::vector<std::string> PlaneFixture::EventsAbout(std::string_view name) {
  std::vector<std::string> lines;
  for (const api::Json& event : List("events")) {
    if (api::StringAt(event, {"involvedObject", "name"}) == name) {
      const int64_t count = api::IntAt(event, {"count"}).value_or(0);
      lines.insert(lines.end(), static_cast<size_t>(std::max<int64_t>(count, 0)),
                   fmt::format("{}: {}", api::StringAt(event, {"reason"}),
                               api::StringAt(event, {"message"})));
    }
  }
  return lines;
}

}  // namespace socle::plane_testing
