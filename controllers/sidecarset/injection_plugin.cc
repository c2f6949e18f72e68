#include "controllers/sidecarset/injection_plugin.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/causes.h"
#include "controllers/api/int_or_string.h"
#include "controllers/registry/errors.h"
#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/conflicts.h"
#include "controllers/sidecarset/whitelist.h"
#include "controllers/workload/revisions.h"
#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using registry::AdmissionRequest;
using registry::ChangeRef;
using registry::ChangeType;
using registry::ObjectRef;
using registry::Verb;

const api::Kind* StoringKind(const api::KindRegistry& kinds, std::string_view group,
                             std::string_view resource) {
  const api::ServedKind* served = kinds.Preferred(group, resource);
  CHECK(served != nullptr);
  return served->kind;
}

api::SortedLabels LabelsOf(const Json& document) {
  api::SortedLabels labels;
  if (const JsonObject* given = api::FindObject(document, {"metadata", "labels"})) {
    for (const auto& label : *given) {
      if (label.value().is_string()) {
        labels.emplace_back(api::View(label.key()), api::View(label.value().get_string()));
      }
    }
  }
  std::sort(labels.begin(), labels.end());
  return labels;
}

std::string KeyOf(const Json& document) {
  const std::string_view ns = api::StringAt(document, {"metadata", "namespace"});
  const std::string_view name = api::StringAt(document, {"metadata", "name"});
  return ns.empty() ? std::string(name) : fmt::format("{}/{}", ns, name);
}

// Sees that the finalizer is there exactly when the set is to take its containers back.
void PutCleanupFinalizer(Json* document) {
  if (api::Find(*document, {"metadata", "deletionTimestamp"}) != nullptr) {
    return;  // Its controller does the rest.
  }
  const bool wants = api::StringAt(*document, {"spec", "deletePolicy"}) == "Remove";
  const JsonArray* given = api::FindArray(*document, {"metadata", "finalizers"});
  JsonArray finalizers = given == nullptr ? JsonArray() : *given;
  const Json cleanup = Text(kCleanupFinalizer);
  const auto found = std::find(finalizers.begin(), finalizers.end(), cleanup);
  if ((found != finalizers.end()) == wants) {
    return;
  }
  if (wants) {
    finalizers.push_back(cleanup);
  } else {
    finalizers.erase(found);
  }
  JsonObject& metadata = api::EnsureObject(document, {"metadata"});
  if (finalizers.empty()) {
    metadata.erase("finalizers");
  } else {
    api::Set(&metadata, "finalizers", std::move(finalizers));
  }
}

absl::Status Unavailable() {
  return registry::MakeStatus({.reason = registry::Reason::kUnavailable,
                               .message = "sidecar injection is not ready yet",
                               .retry_after_seconds = 1});
}

}  // namespace

bool GetsPinned(const SidecarSet& set, const Json& pod) {
  if (!set.pinned.has_value()) {
    return false;
  }
  if (!set.pinned->is_partial || set.strategy.is_paused) {
    return true;
  }
  if (set.strategy.selector.has_value()) {
    return !set.strategy.selector->Matches(api::FindObject(pod, {"metadata", "labels"}));
  }
  if (!set.strategy.partition.is_string()) {
    return false;
  }
  // By the uid, so that a create that is tried again comes to the same result.
  const std::optional<int64_t> percent =
      api::PercentOf(api::View(set.strategy.partition.get_string()));
  const uint64_t chance = StringHash()(api::StringAt(pod, {"metadata", "uid"})) % 100;
  return static_cast<int64_t>(chance) < percent.value_or(0);
}

std::string CurrentRevisionName(const SidecarSet& set) {
  return workload::RevisionName(set.name,
                                workload::RevisionHash(set.revision_text(), set.collision_count));
}

InjectionPlugin::InjectionPlugin(const api::KindRegistry* kinds, Clock* clock)
    : kinds_(kinds),
      clock_(clock),
      pod_kind_(StoringKind(*kinds, "", "pods")),
      set_kind_(StoringKind(*kinds, "apps.kruise.io", "sidecarsets")) {
  const WriterLock lock(&mu_);
  followed_[kSets].kind = set_kind_;
  followed_[kNamespaces].kind = StoringKind(*kinds, "", "namespaces");
  followed_[kRevisions].kind = StoringKind(*kinds, "apps", "controllerrevisions");
}

InjectionPlugin::~InjectionPlugin() {
  Detach();
}

// ------------------------------------------------------------------------- what there is

InjectionPlugin::News InjectionPlugin::Read(size_t which, const Json& document, int64_t revision) {
  News news;
  news.key = KeyOf(document);
  if (which == kSets) {
    news.set = SidecarSet::Parse(document, revision);
  } else if (which == kNamespaces) {
    news.labels = LabelsOf(document);
  } else {
    news.revision.set = api::StringAt(document, {"metadata", "labels", kSetNameLabel});
    if (news.revision.set.empty()) {
      return news;  // Of another workload.
    }
    news.revision.name = api::StringAt(document, {"metadata", "name"});
    news.revision.custom_version =
        api::StringAt(document, {"metadata", "labels", kCustomVersionLabel});
    news.revision.number = api::IntAt(document, {"revision"}).value_or(0);
    JsonObject form;
    if (const Json* data = api::Find(document, {"data"})) {
      api::Set(&form, "spec", *data);
    }
    news.revision.form = SidecarSet::Parse(Json(std::move(form)), 0);
  }
  return news;
}

void InjectionPlugin::Learn(size_t which, News news) {
  if (which == kSets) {
    sets_.Put(std::move(news.set));
  } else if (which == kNamespaces) {
    namespaces_.insert_or_assign(std::move(news.key), std::move(news.labels));
  } else if (!news.revision.set.empty()) {
    StringMap<OldForm>& forms = old_forms_[news.revision.set];
    forms.insert_or_assign(std::move(news.key), std::move(news.revision));
  }
}

void InjectionPlugin::Unlearn(size_t which, const News& news) {
  if (which == kSets) {
    sets_.Remove(news.key);
  } else if (which == kNamespaces) {
    namespaces_.erase(news.key);
  } else if (const auto forms = old_forms_.find(news.revision.set); forms != old_forms_.end()) {
    forms->second.erase(news.key);
    if (forms->second.empty()) {
      old_forms_.erase(forms);
    }
  }
}

void InjectionPlugin::LearnChange(size_t which, const registry::Change& change, News news) {
  const bool is_removed = change.type == ChangeType::kDeleted;
  if (!followed_[which].order.AcceptChange(news.key, change.revision, is_removed)) {
    return;
  }
  if (is_removed) {
    Unlearn(which, news);
  } else {
    Learn(which, std::move(news));
  }
}

void InjectionPlugin::OnChange(size_t which, const ChangeRef& change) {
  if (change->object == nullptr) {
    return;
  }
  News news = Read(which, change->object->Parse(), change->revision);
  const WriterLock lock(&mu_);
  if (followed_[which].is_started) {
    LearnChange(which, *change, std::move(news));
  } else {
    followed_[which].early.push_back(change);
  }
}

void InjectionPlugin::Follow(size_t which, registry::ObjectCache* cache) {
  const api::Kind* kind = nullptr;
  {
    const ReaderLock lock(&mu_);
    kind = followed_[which].kind;
  }
  observations_.push_back(
      cache->Observe(kind, [this, which](const ChangeRef& change) { OnChange(which, change); }));
  int64_t shown = 0;
  std::vector<std::pair<int64_t, News>> present;
  for (const ObjectRef& object : cache->ListAt({.kind = kind}, &shown)) {
    present.emplace_back(object->mod_revision, Read(which, object->Parse(), object->mod_revision));
  }
  const WriterLock lock(&mu_);
  Followed& followed = followed_[which];
  for (auto& [revision, news] : present) {
    if (followed.order.AcceptPresent(news.key, revision)) {
      Learn(which, std::move(news));
    }
  }
  followed.order.StartedAt(shown);
  for (const ChangeRef& change : followed.early) {
    if (change->revision > shown) {
      LearnChange(which, *change, Read(which, change->object->Parse(), change->revision));
    }
  }
  followed.early.clear();
  followed.is_started = true;
}

void InjectionPlugin::Attach(registry::ObjectCache* cache) {
  for (const size_t which : {kSets, kNamespaces, kRevisions}) {
    Follow(which, cache);
  }
  const WriterLock lock(&mu_);
  cache_ = cache;
  is_attached_ = true;
}

void InjectionPlugin::Detach() {
  {
    const WriterLock lock(&mu_);
    is_attached_ = false;
    cache_ = nullptr;
  }
  observations_.clear();
}

void InjectionPlugin::Stored(const registry::StoredWrite& write) {
  size_t which = 0;
  {
    const ReaderLock lock(&mu_);
    while (which < kFollowedCount && followed_[which].kind != write.kind) {
      ++which;
    }
  }
  if (which == kFollowedCount) {
    return;
  }
  const absl::StatusOr<Json> document = api::ParseJson(write.document);
  if (!document.ok()) {
    return;  // Not what the registry has encoded.
  }
  News news = Read(which, *document, write.mod_revision);
  const WriterLock lock(&mu_);
  if (!followed_[which].order.AcceptWrite(news.key, write.mod_revision)) {
    return;
  }
  if (write.is_removed) {
    Unlearn(which, news);
  } else {
    Learn(which, std::move(news));
  }
}

// ------------------------------------------------------------------------------------ pods

const InjectionPlugin::OldForm* InjectionPlugin::FindPinned(std::string_view set,
                                                            const PinnedRevision& pinned) const {
  const auto forms = old_forms_.find(set);
  if (forms == old_forms_.end()) {
    return nullptr;
  }
  const OldForm* best = nullptr;
  for (const auto& [key, form] : forms->second) {
    const bool is_it = pinned.name.empty() ? form.custom_version == pinned.custom_version
                                           : form.name == pinned.name;
    if (is_it && (best == nullptr || form.number > best->number)) {
      best = &form;
    }
  }
  return best;
}

absl::StatusOr<Injection> InjectionPlugin::Choose(const SidecarSet& set, const Json& pod) const {
  if (!GetsPinned(set, pod)) {
    return Injection{
        .set = set.name, .content = set.content(), .revision = CurrentRevisionName(set)};
  }
  const OldForm* pinned = FindPinned(set.name, *set.pinned);
  if (pinned == nullptr) {
    return registry::MakeStatus(
        {.reason = registry::Reason::kInternal,
         .message = fmt::format(
             "sidecarset {}: the revision {} to be injected is gone", set.name,
             set.pinned->name.empty() ? set.pinned->custom_version : set.pinned->name)});
  }
  return Injection{.set = set.name, .content = pinned->form->content(), .revision = pinned->name};
}

absl::Status InjectionPlugin::AdmitPod(const AdmissionRequest& request, Json* pod) {
  std::vector<Injection> injections;
  {
    const ReaderLock lock(&mu_);
    if (!is_attached_) {
      return Unavailable();
    }
    const auto known = namespaces_.find(request.ns);
    const api::SortedLabels by_name = {{std::string(kNamespaceNameLabel), std::string(request.ns)}};
    const std::vector<SidecarSetRef> sets =
        sets_.Match({.ns = request.ns,
                     .ns_labels = known == namespaces_.end() ? &by_name : &known->second,
                     .labels = api::FindObject(*pod, {"metadata", "labels"})});
    for (const SidecarSetRef& set : sets) {
      ASSIGN_OR_RETURN(Injection injection, Choose(*set, *pod));
      injections.push_back(std::move(injection));
    }
  }
  const absl::Status injected = Inject(injections, clock_->WallNanos(), pod);
  return injected.ok() ? injected
                       : registry::Forbidden(
                             "", "pods", request.name,
                             fmt::format("sidecar injection: {}", StdView(injected.message())));
}

absl::Status InjectionPlugin::Admit(const AdmissionRequest& request, Json* object) {
  if (!request.subresource.empty()) {
    return absl::OkStatus();
  }
  const api::Kind* kind = request.served->kind;
  if (kind == pod_kind_ && request.verb == Verb::kCreate) {
    return AdmitPod(request, object);
  }
  if (kind == set_kind_ && request.verb != Verb::kDelete) {
    PutCleanupFinalizer(object);
  }
  return absl::OkStatus();
}

// ------------------------------------------------------------------------------------ sets

absl::Status InjectionPlugin::CheckSet(const AdmissionRequest& request, const Json& document) {
  const SidecarSetRef set = SidecarSet::Parse(document, 0);
  api::Causes causes;
  CheckSpec(document, &causes);
  if (request.old != nullptr) {
    CheckContainersKept(document, *request.old, &causes);
  }
  ObjectRef whitelist;
  {
    const ReaderLock lock(&mu_);
    if (!is_attached_) {
      return Unavailable();
    }
    CheckConflicts(*set, sets_.Rivals(*set), &causes);
    CheckBase(*set, sets_.Get(set->base), &causes);
    if (set->pinned.has_value() && FindPinned(set->name, *set->pinned) == nullptr) {
      const bool is_by_name = !set->pinned->name.empty();
      causes.NotFound(is_by_name ? "spec.injectionStrategy.revision.revisionName"
                                 : "spec.injectionStrategy.revision.customVersion",
                      Text(is_by_name ? set->pinned->name : set->pinned->custom_version));
    }
    whitelist = FindWhitelist(*kinds_, *cache_);
  }
  if (whitelist != nullptr) {
    CheckWhitelist(document, whitelist->Parse(), &causes);
  }
  return causes.empty() ? absl::OkStatus()
                        : registry::Invalid(set_kind_->group, set_kind_->kind, set->name, causes);
}

absl::Status InjectionPlugin::Check(const AdmissionRequest& request, const Json& object) {
  if (request.served->kind != set_kind_ || request.verb == Verb::kDelete ||
      !request.subresource.empty() ||
      api::Find(object, {"metadata", "deletionTimestamp"}) != nullptr) {
    return absl::OkStatus();
  }
  // Sets that were let in stay writable: only a spec that changes is looked at again.
  if (request.old != nullptr) {
    const Json* before = api::Find(*request.old, {"spec"});
    const Json* after = api::Find(object, {"spec"});
    if (before != nullptr && after != nullptr && *before == *after) {
      return absl::OkStatus();
    }
  }
  return CheckSet(request, object);
}

}  // namespace socle::sidecarset
