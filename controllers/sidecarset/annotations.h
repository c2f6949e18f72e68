// Annotations: the marks that injection leaves on pods, and the keys that pods and sets are known by.
//
//   kruise.io/sidecarset-hash: {"logging":{"updateTimestamp":…,"hash":…,"sidecarSetName":"logging",
//                               "sidecarList":["agent"],"controllerRevision":"logging-…"}}
//
// Laws     1. Reading takes anything: pods are written by others. What can't be read counts as absent; the
//             v0.1.0 form of the hash (a bare string per set) is read too.
// Threads  pure functions.
// Source   spec controllers 4.5 - 4.7.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_ANNOTATIONS_H_
#define SOCLE_CONTROLLERS_SIDECARSET_ANNOTATIONS_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"

namespace socle::sidecarset {

inline constexpr std::string_view kHashAnnotation = "kruise.io/sidecarset-hash";
inline constexpr std::string_view kHashWithoutImageAnnotation =
    "kruise.io/sidecarset-hash-without-image";
inline constexpr std::string_view kInjectedListAnnotation = "kruise.io/sidecarset-injected-list";
inline constexpr std::string_view kUpdateStateAnnotation =
    "kruise.io/sidecarset-inplace-update-state";
inline constexpr std::string_view kWorkingContainersAnnotation =
    "kruise.io/sidecarset-working-hotupgrade-container";
inline constexpr std::string_view kVersionPrefix = "version.sidecarset.kruise.io/";
inline constexpr std::string_view kVersionAltPrefix = "versionalt.sidecarset.kruise.io/";

inline constexpr std::string_view kCanaryLabel = "apps.kruise.io/sidecarset-canary";
inline constexpr std::string_view kBaseLabel = "apps.kruise.io/sidecarset-base";
inline constexpr std::string_view kCustomVersionLabel = "apps.kruise.io/sidecarset-custom-version";
inline constexpr std::string_view kSetNameLabel = "kruise.io/sidecarset-name";  // of revisions
inline constexpr std::string_view kCleanupFinalizer = "apps.kruise.io/sidecarset-cleanup";
inline constexpr std::string_view kNamespaceNameLabel = "kubernetes.io/metadata.name";

inline constexpr std::string_view kUpgradableCondition = "SidecarSetUpgradable";

inline constexpr std::string_view kInjectedEnv = "IS_INJECTED";
inline constexpr std::string_view kVersionEnv = "SIDECARSET_VERSION";
inline constexpr std::string_view kVersionAltEnv = "SIDECARSET_VERSION_ALT";

// What one set has put into a pod.
struct InjectionMark {
  std::string hash;
  std::string updated_at;               // RFC 3339
  std::vector<std::string> containers;  // as they are named in the pod
  std::string revision;                 // ControllerRevision
};

using InjectionMarks = std::map<std::string, InjectionMark, std::less<>>;

// The text of the annotation; empty when the pod has none.
std::string_view AnnotationOf(const api::Json& pod, std::string_view key);
void SetAnnotation(api::Json* pod, std::string_view key, std::string_view value);
void RemoveAnnotation(api::Json* pod, std::string_view key);

InjectionMarks ParseMarks(std::string_view text);
std::string FormatMarks(const InjectionMarks& marks);

// Names of sets in the text of kInjectedListAnnotation.
std::vector<std::string> ParseInjectedList(std::string_view text);

// The same from a pod's stored document, without parsing it: cheap enough for every change of every pod.
// May name a set that did not inject; misses none whose document the registry encoded.
std::vector<std::string> ScanInjectedList(std::string_view document);

// A map of texts, as the annotation of working containers is; empty for anything else.
using TextMap = std::map<std::string, std::string, std::less<>>;
TextMap ParseTextMap(std::string_view text);
std::string FormatTextMap(const TextMap& map);

// Per set, the image ids that its containers had when they were upgraded last.
using ImageIds = std::map<std::string, TextMap, std::less<>>;
ImageIds ParseUpdateState(std::string_view text);

struct UpdateState {
  std::string hash;
  std::string updated_at;
  TextMap image_ids;  // container → imageID
};

// `before` with the state of one set in it.
std::string WithUpdateState(std::string_view before, std::string_view set,
                            const UpdateState& state);
// `before` without the set; empty when nothing is left.
std::string WithoutUpdateState(std::string_view before, std::string_view set);

// Text as a JSON string value.
api::Json Text(std::string_view text);

// The container was put there by injection.
bool IsInjected(const api::Json& container);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_ANNOTATIONS_H_
