#include "controllers/api/fragments/meta.h"

#include <algorithm>

#include <fmt/format.h>

#include "controllers/api/label_selector.h"

namespace socle::api {
namespace {

constexpr int64_t kAnnotationsBytesMax = 256 * 1024;

void CheckAnnotations(const Json& annotations, std::string_view path, Causes* causes) {
  size_t size = 0;
  for (const auto& member : annotations.get_object()) {
    std::string key(View(member.key()));
    size += key.size() + (member.value().is_string() ? member.value().get_string().size() : 0);
    std::transform(key.begin(), key.end(), key.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (const std::string& problem : FormatProblems(Format::kQualifiedName, key)) {
      causes->Invalid(path, Json(member.key()), problem);
    }
  }
  if (size > static_cast<size_t>(kAnnotationsBytesMax)) {
    causes->TooLong(path, kAnnotationsBytesMax);
  }
}

void CheckOneController(const Json& owners, std::string_view path, Causes* causes) {
  int controllers = 0;
  for (const Json& owner : owners.get_array()) {
    controllers += BoolAt(owner, {"controller"}) ? 1 : 0;
  }
  if (controllers > 1) {
    causes->Invalid(path, owners,
                    "Only one reference can have Controller set to true. Found \"true\" in "
                    "references");
  }
}

Schema OwnerReference() {
  return Object("An object that this one lives and dies with.")
      .Named("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference")
      .Field("apiVersion", String().Required())
      .Field("kind", String().Required())
      .Field("name", String().Required())
      .Field("uid", String().Required())
      .Field("controller", Bool("True for the one owner that manages the object."))
      .Field("blockOwnerDeletion", Bool("Foreground deletion of the owner waits for this object."));
}

Schema Requirement() {
  return Object()
      .Named("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement")
      .Field("key", String().Required())
      .Field("operator", String("In, NotIn, Exists or DoesNotExist.").Required())
      .Field("values", ListOf(String().Like(Format::kLabelValue)));
}

}  // namespace

const Schema& ObjectMeta() {
  static const Schema& schema = *new Schema(
      Object("What every object has: names, labels, versions, owners.")
          .Named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
          .Field("name", String("Unique within the namespace."))
          .Field("generateName", String("Prefix of a name that the server completes."))
          .Field("namespace", String().Like(Format::kDnsLabel))
          .Field("selfLink", String())
          .Field("uid", String("Unique in time and space; set by the server."))
          .Field("resourceVersion", String("Opaque; grows with every write."))
          .Field("generation", Int64("Grows when the wanted state changes."))
          .Field("creationTimestamp", Time())
          .Field("deletionTimestamp", Time("When the object goes; set by a deletion."))
          .Field("deletionGracePeriodSeconds", Int64())
          .Field("labels",
                 MapOf(String().Like(Format::kLabelValue), "Short texts that selectors match.")
                     .KeysLike(Format::kQualifiedName))
          .Field("annotations", MapOf(String(), "Free texts that tools keep with the object.")
                                    .Rule(&CheckAnnotations))
          .Field("ownerReferences",
                 ListOf(OwnerReference()).MergeKey("uid").Rule(&CheckOneController))
          .Field("finalizers", ListOf(String().Like(Format::kQualifiedName),
                                      "Names that must go before the object does.")
                                   .MergeSet())
          .Field("clusterName", String())
          .Field("managedFields", ListOf(Free())));
  return schema;
}

const Schema& ListMeta() {
  static const Schema& schema =
      *new Schema(Object("Where a list was read and how it goes on.")
                      .Named("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta")
                      .Field("continue", String("Token of the next part of the list."))
                      .Field("remainingItemCount", Int64())
                      .Field("resourceVersion", String())
                      .Field("selfLink", String()));
  return schema;
}

const Schema& LabelSelectorSchema() {
  static const Schema& schema = *new Schema(
      Object("All of matchLabels and matchExpressions must hold.")
          .Named("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector")
          .Field("matchLabels",
                 MapOf(String().Like(Format::kLabelValue)).KeysLike(Format::kQualifiedName))
          .Field("matchExpressions", ListOf(Requirement()))
          .Rule(&CheckLabelSelector));
  return schema;
}

const Schema& Condition() {
  static const Schema& schema =
      *new Schema(Object("One thing that is true, false or unknown of the object.")
                      .Field("type", String().Required())
                      .Field("status", String().Required())
                      .Field("reason", String("One word for machines."))
                      .Field("message", String("A sentence for people."))
                      .Field("lastProbeTime", Time())
                      .Field("lastHeartbeatTime", Time())
                      .Field("lastUpdateTime", Time())
                      .Field("lastTransitionTime", Time())
                      .Field("observedGeneration", Int64().Min(0)));
  return schema;
}

const Schema& LocalObjectReference() {
  static const Schema& schema = *new Schema(Object("An object of the same namespace.")
                                                .Named("io.k8s.api.core.v1.LocalObjectReference")
                                                .Field("name", String()));
  return schema;
}

const Schema& ObjectReference() {
  static const Schema& schema = *new Schema(Object("An object, by its coordinates.")
                                                .Named("io.k8s.api.core.v1.ObjectReference")
                                                .Field("apiVersion", String())
                                                .Field("kind", String())
                                                .Field("namespace", String())
                                                .Field("name", String())
                                                .Field("uid", String())
                                                .Field("resourceVersion", String())
                                                .Field("fieldPath", String()));
  return schema;
}

Schema TopLevel(std::string_view description) {
  return Object(description)
      .Field("apiVersion", String("Group and version of this representation."))
      .Field("kind", String("What the object is."))
      .Field("metadata", ObjectMeta());
}

}  // namespace socle::api
