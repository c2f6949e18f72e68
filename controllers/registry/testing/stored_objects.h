// StoredObjects: an embedded store in a temporary directory, and documents written straight into it: for
// tests of what reads the store beside the registry.
// Threads  thread-compatible.
#ifndef SOCLE_CONTROLLERS_REGISTRY_TESTING_STORED_OBJECTS_H_
#define SOCLE_CONTROLLERS_REGISTRY_TESTING_STORED_OBJECTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "controllers/api/kind_registry.h"
#include "controllers/registry/object.h"
#include "controllers/storage/embedded_store.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::registry {

class StoredObjects {
 public:
  StoredObjects() {
    auto opened = storage::EmbeddedStore::Open({.directory = dir_.path(), .unsafe_no_sync = true});
    EXPECT_OK(opened);
    store_ = *std::move(opened);
  }

  storage::EmbeddedStore* store() { return store_.get(); }

  static const api::Kind& Kind(std::string_view resource) {
    for (const api::Kind& kind : api::KindRegistry::Builtin().kinds()) {
      if (kind.resource == resource) {
        return kind;
      }
    }
    ADD_FAILURE() << "no resource " << resource;
    return api::KindRegistry::Builtin().kinds().front();
  }

  // Creates the object or puts it in the place of what is there; the revision written. `json`: the whole
  // object, its metadata says where.
  int64_t Put(std::string_view resource, std::string_view json) {
    const api::Kind& kind = Kind(resource);
    const api::Json object = api::Literal(json);
    const std::string key = ObjectKey(kind, api::StringAt(object, {"metadata", "namespace"}),
                                      api::StringAt(object, {"metadata", "name"}));
    const int64_t known = RevisionOf(key);
    const storage::WriteResult result =
        store_->Run({.kind = known == 0 ? storage::WriteKind::kCreate : storage::WriteKind::kUpdate,
                     .key = key,
                     .document = EncodeStored(kind, object),
                     .expected_revision = known});
    EXPECT_OK(result.status);
    return result.revision;
  }

  int64_t Remove(std::string_view resource, std::string_view ns, std::string_view name) {
    const std::string key = ObjectKey(Kind(resource), ns, name);
    const storage::WriteResult result = store_->Run(
        {.kind = storage::WriteKind::kDelete, .key = key, .expected_revision = RevisionOf(key)});
    EXPECT_OK(result.status);
    return result.revision;
  }

 private:
  int64_t RevisionOf(const std::string& key) {
    const auto got = store_->Get({.key = key});
    EXPECT_OK(got);
    return got.ok() && got->object ? got->object->mod_revision : 0;
  }

  TempDir dir_;
  std::unique_ptr<storage::EmbeddedStore> store_;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_TESTING_STORED_OBJECTS_H_
