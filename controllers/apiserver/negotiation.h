// Negotiation: what form of an answer an Accept field asks for, and what form a body has.
//
//   application/json;as=Table;v=v1;g=meta.k8s.io,application/json
//
// Laws     1. The first clause that can be served wins; clients list what they like best first.
// Threads  pure functions.
// Memory   views end with the text they were cut from.
// Errors   ApiError NotAcceptable.
// Source   spec controllers 9.1, 9.2.
#ifndef SOCLE_CONTROLLERS_APISERVER_NEGOTIATION_H_
#define SOCLE_CONTROLLERS_APISERVER_NEGOTIATION_H_

#include <cstdint>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::apiserver {

// How objects are shown.
struct Form {
  enum class Shape : uint8_t { kObject, kMetadata, kTable };
  enum class Include : uint8_t { kNone, kMetadata, kObject };  // the object of a row

  Shape shape = Shape::kObject;
  Include include = Include::kMetadata;
  bool is_v1beta1 = false;  // the version of Table and PartialObjectMetadata

  bool operator==(const Form&) const = default;
  std::string_view MetaVersion() const;  // meta.k8s.io/v1
};

// `include_object` is the text of the query.
absl::StatusOr<Form> NegotiateForm(std::string_view accept, std::string_view include_object);

enum class DiscoveryForm : uint8_t { kPlain, kAggregatedV2, kAggregatedV2beta1 };
absl::StatusOr<DiscoveryForm> NegotiateDiscovery(std::string_view accept);

enum class OpenApiForm : uint8_t { kJson, kProtobuf };
absl::StatusOr<OpenApiForm> NegotiateOpenApi(std::string_view accept);

// The media type without its parameters: `application/json`.
std::string_view MediaType(std::string_view content_type);

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_NEGOTIATION_H_
