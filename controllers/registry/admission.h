// Admission: what may change or refuse a write between defaulting and the store, in this process.
//
//   defaulted ──► Admit of each plugin, in order ──► validated by the kind ──► Check of each ──► stored
//             ──► Stored of each ──► answered
//
// Laws     1. The chain is one list, made where the plane is wired; objects of controllers pass it as
//             those of clients do.
//          2. A plugin that can't decide refuses: nothing is stored unadmitted.
//          3. Admit is idempotent: a guarded write that is tried again passes it again.
// Threads  thread-safe; called from the threads that write, the store's among them: quick, and no
//          waiting for the store (reads of the cache are free).
// Errors   ApiError (errors.h): Forbidden, Invalid …
// Source   spec controllers 6.3.
#ifndef SOCLE_CONTROLLERS_REGISTRY_ADMISSION_H_
#define SOCLE_CONTROLLERS_REGISTRY_ADMISSION_H_

#include <string_view>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/api/kind.h"

namespace socle::registry {

enum class Verb : uint8_t { kCreate, kUpdate, kDelete };

// Who asks. Controllers of the process are trusted with what clients are refused.
struct Caller {
  std::string_view user = "system:anonymous";
  bool is_plane = false;
};

struct AdmissionRequest {
  Verb verb = Verb::kCreate;
  const api::ServedKind* served = nullptr;
  std::string_view subresource;  // empty: the object itself
  std::string_view ns;
  std::string_view name;           // empty when it is generated
  const api::Json* old = nullptr;  // update, delete: the stored object
  const Caller* caller = nullptr;
  bool is_dry_run = false;
};

// What a write left in the store.
struct StoredWrite {
  const api::Kind* kind = nullptr;  // the kind that stores it
  std::string_view document;        // stored form; of a removed object its last one
  int64_t mod_revision = 0;         // of the write
  bool is_removed = false;          // it is gone from the store
};

class AdmissionPlugin {
 public:
  virtual ~AdmissionPlugin() = default;
  virtual std::string_view name() const = 0;

  // May change the object. Not called for deletions.
  virtual absl::Status Admit(const AdmissionRequest& /*request*/, api::Json* /*object*/) {
    return absl::OkStatus();
  }

  // May refuse. For a deletion `object` is what goes.
  virtual absl::Status Check(const AdmissionRequest& /*request*/, const api::Json& /*object*/) {
    return absl::OkStatus();
  }

  // The write is in the store; called before it is answered, so that a plugin whose decisions depend on
  // other objects knows what was answered though the cache may be a moment behind. Writes of one object
  // may come out of order: compare mod_revision. Not called for dry runs, nor for writes that changed
  // nothing, failed, or have an unknown outcome.
  virtual void Stored(const StoredWrite& /*write*/) {}
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_ADMISSION_H_
