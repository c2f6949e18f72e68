// RegistryFixture: a registry for tests: a real store in a temporary directory, the cache, and a clock
// that stands still.
//
//   class CreateTest : public RegistryFixture {};
//   const Written pod = Make("pods", R"({"metadata":{"name":"a"},…})");
//   EXPECT_THAT(TryMake("pods", …), IsRefused(Reason::kInvalid, HasSubstr("…")));
//
// Laws     1. Every write of the fixture is a client's unless the context says otherwise.
// Threads  the functions may be called from any thread of the test.
#ifndef SOCLE_CONTROLLERS_REGISTRY_TESTING_REGISTRY_FIXTURE_H_
#define SOCLE_CONTROLLERS_REGISTRY_TESTING_REGISTRY_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/registry/registry.h"
#include "controllers/storage/embedded_store.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::registry {

// A Status or StatusOr that carries an ApiError of this reason with such a message.
MATCHER_P2(IsRefused, reason, message, "") {
  const absl::Status& status = ::socle::internal::StatusOf(arg);
  *result_listener << "which is " << status.ToString();
  return !status.ok() && ReasonOf(status) == reason &&
         ::testing::ExplainMatchResult(message, ErrorOf(status).message, result_listener);
}

class RegistryFixture : public ::testing::Test {
 protected:
  // Plugins of the test, made before the registry.
  virtual std::vector<std::unique_ptr<AdmissionPlugin>> MakeAdmission() { return {}; }

  void SetUp() override {
    mvcc::StoreOptions options;
    options.directory = dir_.path();
    options.map_size_bytes = uint64_t{1} << 30U;
    options.wal_segment_bytes = 1 << 20;
    options.clock = &clock_;
    auto store = storage::EmbeddedStore::Open(std::move(options));
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    auto cache = ObjectCache::Open(store_.get(), &kinds());
    ASSERT_THAT(cache, IsOk());
    cache_ = *std::move(cache);
    registry_ = Registry::Make({.store = store_.get(),
                                .kinds = &kinds(),
                                .cache = cache_.get(),
                                .clock = &clock_,
                                .admission = MakeAdmission(),
                                .seed = 7});
    ASSERT_THAT(EnsureSystemNamespaces(registry_.get()), IsOk());
  }

  void TearDown() override {
    registry_.reset();
    cache_.reset();
    store_.reset();
  }

  static const api::KindRegistry& kinds() { return api::KindRegistry::Builtin(); }

  Registry* registry() { return registry_.get(); }

  ObjectCache* cache() { return cache_.get(); }

  storage::EmbeddedStore* store() { return store_.get(); }

  ManualClock* clock() { return &clock_; }

  // `pods`, `inplacesets.v1alpha1`: the resource, of any group, in the version or the preferred one.
  // Requires that there is one.
  static const api::ServedKind* Served(std::string_view resource) {
    const size_t dot = resource.find('.');
    const std::string_view plural = resource.substr(0, dot);
    const std::string_view version =
        dot == std::string_view::npos ? std::string_view() : resource.substr(dot + 1);
    for (const api::ServedKind& served : kinds().served()) {
      if (served.kind->resource == plural && (version.empty() || served.version == version)) {
        return &served;
      }
    }
    ADD_FAILURE() << "no resource " << resource;
    return &kinds().served().front();
  }

  // In the namespace default unless the kind has none or `name` says another: `kube-system/a`.
  static Target TargetOf(std::string_view resource, std::string_view name = {}) {
    const api::ServedKind* served = Served(resource);
    const size_t slash = name.find('/');
    if (!served->kind->is_namespaced) {
      return {.served = served, .name = std::string(name)};
    }
    if (slash == std::string_view::npos) {
      return {.served = served, .ns = "default", .name = std::string(name)};
    }
    return {.served = served,
            .ns = std::string(name.substr(0, slash)),
            .name = std::string(name.substr(slash + 1))};
  }

  absl::StatusOr<Written> TryMake(std::string_view resource, std::string_view json,
                                  WriteContext context = {}) {
    return registry_->Create(std::move(context),
                             {.target = TargetOf(resource), .object = api::Literal(json)});
  }

  // Creates it; fails the test when refused.
  Written Make(std::string_view resource, std::string_view json, WriteContext context = {}) {
    auto written = TryMake(resource, json, std::move(context));
    EXPECT_THAT(written, IsOk());
    return written.ok() ? *std::move(written) : Written{.document = "{}"};
  }

  absl::StatusOr<Written> TryPut(std::string_view resource, std::string_view name,
                                 std::string_view json, std::string_view subresource = {}) {
    return registry_->Update({}, {.target = TargetOf(resource, name),
                                  .object = api::Literal(json),
                                  .subresource = std::string(subresource)});
  }

  absl::StatusOr<Written> TryPatch(std::string_view resource, std::string_view name,
                                   std::string_view patch, PatchType type = PatchType::kMerge,
                                   std::string_view subresource = {}) {
    return registry_->Patch({}, {.target = TargetOf(resource, name),
                                 .patch = api::Literal(patch),
                                 .type = type,
                                 .subresource = std::string(subresource)});
  }

  absl::StatusOr<Written> TryDelete(std::string_view resource, std::string_view name,
                                    DeleteRequest request = {}) {
    request.target = TargetOf(resource, name);
    return registry_->Delete({}, std::move(request));
  }

  absl::StatusOr<Written> TryChange(std::string_view resource, std::string_view name,
                                    ChangeRequest::Part part,
                                    std::function<void(api::Json*)> change) {
    return registry_->Change(PlaneContext("test"),
                             {.target = TargetOf(resource, name),
                              .part = part,
                              .change = [change = std::move(change)](api::Json* object) {
                                change(object);
                                return absl::OkStatus();
                              }});
  }

  // What is stored; null when there is none.
  ObjectRef Stored(std::string_view resource, std::string_view name) {
    auto object = registry_->Get(TargetOf(resource, name));
    return object.ok() ? *std::move(object) : nullptr;
  }

  // The same as a document; null when there is none.
  api::Json Show(std::string_view resource, std::string_view name) {
    const ObjectRef object = Stored(resource, name);
    return object == nullptr
               ? api::Json(nullptr)
               : ParseServed(*Served(resource), object->document, object->mod_revision);
  }

  // A pod that would be accepted, with `more` members of its metadata: `"labels":{"a":"b"}`.
  static std::string PodText(std::string_view name, std::string_view more = {}) {
    return fmt::format(R"({{"metadata":{{"name":"{}"{}{}}},"spec":{{"containers":)"
                       R"([{{"name":"main","image":"nginx:1"}}]}}}})",
                       name, more.empty() ? "" : ",", more);
  }

  static std::string SetText(std::string_view name, std::string_view more_spec = {}) {
    return fmt::format(
        R"({{"metadata":{{"name":"{}"}},"spec":{{"selector":{{"matchLabels":{{"app":"web"}}}},)"
        R"("template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{{"containers":)"
        R"([{{"name":"main","image":"nginx:1"}}]}}}}{}{}}}}})",
        name, more_spec.empty() ? "" : ",", more_spec);
  }

  const TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<storage::EmbeddedStore> store_;
  std::unique_ptr<ObjectCache> cache_;
  std::unique_ptr<Registry> registry_;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_TESTING_REGISTRY_FIXTURE_H_
