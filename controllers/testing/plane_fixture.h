// PlaneFixture: a plane without network for tests of controllers: a real embedded store in a temporary
// directory, the cache, the registry, a runtime whose time the test owns, and the test's controllers.
//
//   class GcTest : public PlaneFixture {
//     Controllers StartControllers(runtime::Runtime* runtime) override { … }
//   };
//   Apply(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}})");
//   EXPECT_TRUE(RunUntil([&] { return !Has("configmaps", "default/a"); }, 60));
//
// Laws     1. Time moves only in RunUntil and Advance, and only when nothing is left to do before it.
//          2. Restart keeps what is stored and the clock, and nothing else.
// Threads  the test's.
#ifndef SOCLE_CONTROLLERS_TESTING_PLANE_FIXTURE_H_
#define SOCLE_CONTROLLERS_TESTING_PLANE_FIXTURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "controllers/registry/registry.h"
#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"
#include "controllers/storage/embedded_store.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::plane_testing {

using Controllers = std::vector<std::unique_ptr<runtime::Controller>>;
using Admission = std::vector<std::unique_ptr<registry::AdmissionPlugin>>;

class PlaneFixture : public ::testing::Test {
 protected:
  // Called at every start; both may be overridden.
  virtual Admission MakeAdmission(registry::ObjectCache* /*cache*/) { return {}; }

  virtual Controllers StartControllers(runtime::Runtime* /*runtime*/) { return {}; }

  // Which namespace Apply and keys without one mean.
  static constexpr std::string_view kNamespace = "default";

  void SetUp() override { Open(); }

  void TearDown() override { Close(); }

  // Time. Settle returns when nothing happens any more before the next timer; a plane that does not
  // come to rest fails the test after 60 seconds of real time.
  void Settle();
  // Settles and checks, then moves time to the next timer, until the predicate holds or the time is
  // over; whether it held.
  bool RunUntil(const std::function<bool()>& predicate, int64_t virtual_seconds);
  void Advance(int64_t virtual_seconds);

  // Timers that are due within one step of each other fire together: fewer rests for planes with many.
  void set_step_nanos(int64_t step) { step_nanos_ = step; }

  // Everything of the process goes and comes back from disk, controllers last.
  void Restart();

  // `pods`, `inplacesets`, `statefulsets.apps.kruise.io`: the storage version. Requires that it exists.
  const api::ServedKind* Served(std::string_view resource) const;

  // Keys are `namespace/name`, or `name` for kNamespace and for kinds without namespaces.
  registry::Target TargetOf(std::string_view resource, std::string_view key) const;

  // Creates the object, or puts it in the place of what is there; returns what is stored. Fails the test
  // (and returns null) when refused; the Try forms give the refusal.
  api::Json Apply(std::string_view json);
  absl::StatusOr<api::Json> TryApply(std::string_view json);
  api::Json Patch(std::string_view resource, std::string_view key, std::string_view merge_patch);
  absl::StatusOr<api::Json> TryPatch(std::string_view resource, std::string_view key,
                                     std::string_view merge_patch);
  // Merges into status, as the status subresource does.
  api::Json PatchStatus(std::string_view resource, std::string_view key,
                        std::string_view merge_patch_of_status);
  api::Json Scale(std::string_view resource, std::string_view key, int64_t replicas);
  void Delete(std::string_view resource, std::string_view key,
              registry::Propagation propagation = registry::Propagation::kDefault,
              std::optional<int64_t> grace_period_seconds = std::nullopt);
  absl::StatusOr<registry::Written> TryDelete(
      std::string_view resource, std::string_view key,
      registry::Propagation propagation = registry::Propagation::kDefault,
      std::optional<int64_t> grace_period_seconds = std::nullopt);

  // Changes the stored document past the registry, as another plane on the same store would.
  void ChangeBehind(std::string_view resource, std::string_view key,
                    const std::function<void(api::Json* object)>& change);

  // What is stored now; null when there is none.
  api::Json Get(std::string_view resource, std::string_view key);
  registry::ObjectRef Find(std::string_view resource, std::string_view key);
  bool Has(std::string_view resource, std::string_view key);
  // Of all namespaces, by key; the selector as kubectl takes it.
  std::vector<api::Json> List(std::string_view resource, std::string_view label_selector = {});
  std::vector<std::string> Names(std::string_view resource, std::string_view label_selector = {});

  size_t Count(std::string_view resource) { return List(resource).size(); }

  // Events about the object: "Reason: message", as often as each was counted.
  std::vector<std::string> EventsAbout(std::string_view name);

  ManualClock* clock() { return &clock_; }

  storage::EmbeddedStore* store() { return store_.get(); }

  registry::ObjectCache* cache() { return cache_.get(); }

  registry::Registry* registry() { return registry_.get(); }

  runtime::Timers* timers() { return timers_.get(); }

  runtime::Runtime* runtime() { return runtime_.get(); }

  Controllers* controllers() { return &controllers_; }

  // Restart in two steps, for what is to be seen or done on a plane that is down.
  void Open();
  void Close();

  registry::CacheOptions cache_options_;

 private:
  absl::StatusOr<api::Json> Done(absl::StatusOr<registry::Written> written);
  api::Json OrFail(absl::StatusOr<api::Json> result);

  TempDir dir_;
  ManualClock clock_;
  int64_t step_nanos_ = 10 * kNanosPerMilli;
  uint64_t starts_ = 0;

  // In the order in which they are made.
  std::unique_ptr<storage::EmbeddedStore> store_;
  std::unique_ptr<registry::ObjectCache> cache_;
  std::unique_ptr<registry::Registry> registry_;
  std::unique_ptr<runtime::Timers> timers_;
  std::unique_ptr<runtime::EventRecorder> events_;
  std::unique_ptr<runtime::Runtime> runtime_;
  Controllers controllers_;
};

}  // namespace socle::plane_testing

#endif  // SOCLE_CONTROLLERS_TESTING_PLANE_FIXTURE_H_
