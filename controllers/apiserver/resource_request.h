// ResourceRequest: what a method and a path ask for: `GET /apis/apps.kruise.io/v1beta1/namespaces/a/inplacesets/b/scale`
// is a get of the subresource scale of the object a/b.
//
// Laws     1. Any bytes may come in: segments are percent-decoded once, and one that could not be a
//             name in a key of the store ("a/b", "..", control characters) is not found.
//          2. What is not served is answered 404, what is but not with this method 405, as Kubernetes.
// Threads  pure functions.
// Errors   ApiError: NotFound, MethodNotAllowed.
#ifndef SOCLE_CONTROLLERS_APISERVER_RESOURCE_REQUEST_H_
#define SOCLE_CONTROLLERS_APISERVER_RESOURCE_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "controllers/api/kind_registry.h"

namespace socle::apiserver {

enum class Verb : uint8_t {
  kGet,
  kList,
  kWatch,
  kCreate,
  kUpdate,
  kPatch,
  kDelete,
  kDeleteCollection,
};
inline constexpr size_t kVerbs = 8;

// As discovery names them: deletecollection.
std::string_view VerbText(Verb verb);

inline bool IsRead(Verb verb) {
  return verb == Verb::kGet || verb == Verb::kList || verb == Verb::kWatch;
}

// Resources that nothing is stored under.
inline constexpr std::string_view kReviewGroup = "authorization.k8s.io";
inline constexpr std::string_view kReviewResource = "selfsubjectaccessreviews";
inline constexpr std::string_view kBindingsResource = "bindings";

struct ResourceRequest {
  enum class Endpoint : uint8_t {
    kObjects,      // an object, or a collection
    kSubresource,  // of an object, as in the table of its kind
    kLog,          // pods/x/log
    kStream,       // pods/x/exec, attach, portforward, proxy
    kBindings,     // POST bindings
    kReview,       // POST selfsubjectaccessreviews
  };

  Endpoint endpoint = Endpoint::kObjects;
  Verb verb = Verb::kGet;
  const api::ServedKind* served = nullptr;  // of kBindings: pods; nullptr for kReview
  const api::Subresource* subresource = nullptr;
  std::string ns;
  std::string name;

  std::string_view subresource_name() const {
    return subresource == nullptr ? std::string_view() : subresource->name;
  }
};

// Paths below /api/ and /apis/ that go as deep as a resource. `watch=true` of the query is not seen
// here: a list, or a get, becomes a watch by it.
absl::StatusOr<ResourceRequest> ParsePath(const api::KindRegistry& kinds, std::string_view method,
                                          std::string_view path);

// Undoes %xx, and in queries '+'. nullopt: a broken escape, or no UTF-8.
std::optional<std::string> PercentDecode(std::string_view text, bool is_query);

absl::Status ResourceNotFound();
absl::Status MethodNotAllowed();

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_RESOURCE_REQUEST_H_
