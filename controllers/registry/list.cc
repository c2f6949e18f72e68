// List: pages of objects at one revision.
//
//   no selector            the store's pages, documents untouched
//   selector, first page   the cache, after it is fresh: indexes find what is wanted
//   selector, later pages  the store's pages at the revision of the first, filtered by parsing
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/registry_impl.h"
#include "controllers/storage/errors.h"
#include "controllers/storage/list_range.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using Match = ListRequest::Match;

namespace {

// How many documents are looked at in one read of a filtered page.
constexpr int64_t kFilteredAtOnce = 1000;

constexpr std::string_view kContinueExpired =
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

absl::Status CheckOptions(const ListRequest& request) {
  constexpr std::string_view kField = "resourceVersionMatch";
  api::Causes causes;
  if (request.match != Match::kUnset && !request.resource_version) {
    causes.Forbidden(kField,
                     "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (request.match != Match::kUnset && !request.continue_token.empty()) {
    causes.Forbidden(kField, "resourceVersionMatch is forbidden when continue is provided");
  }
  if (request.match == Match::kExact && request.resource_version == 0) {
    causes.Forbidden(kField,
                     "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  if (!causes.empty()) {
    return Invalid("meta.k8s.io", "ListOptions", "", causes);
  }
  if (!request.continue_token.empty() && request.resource_version.value_or(0) != 0) {
    return BadRequest("specifying resource version is not allowed when using continue");
  }
  if (request.resource_version.value_or(0) < 0 || request.limit < 0) {
    return BadRequest("resourceVersion and limit must not be negative");
  }
  return absl::OkStatus();
}

bool HasSelector(const ListRequest& request) {
  return !request.labels.is_everything() || !request.fields.is_everything();
}

std::string PrefixOf(const ListRequest& request) {
  return ObjectKey(*request.served->kind, request.ns, "");
}

Selection SelectionOf(const ListRequest& request) {
  return {.kind = request.served->kind->storing_kind,
          .ns = request.ns,
          .labels = request.labels,
          .fields = request.fields};
}

// Whether the page must show exactly the revision that was asked for. A limit with a revision means that
// of old, when nothing else is said.
bool IsExact(const ListRequest& request) {
  return request.match == Match::kExact || (request.match == Match::kUnset && request.limit > 0 &&
                                            request.resource_version.value_or(0) > 0);
}

// The token of a page that ends with the key.
std::string TokenAfter(const ListRequest& request, std::string_view key, int64_t revision) {
  storage::ListPage page;
  page.objects.push_back({.key = key});
  storage::FinishPage({.prefix = PrefixOf(request)}, revision, 2, &page);
  return page.continue_token;
}

absl::Status Explain(const absl::Status& status, const ListRequest& request) {
  if (storage::ErrorOf(status) != storage::StorageError::kExpired ||
      request.continue_token.empty()) {
    return AsApiStatus(status);
  }
  ASSIGN_OR_RETURN(std::string token, storage::ContinueAtNewest(request.continue_token));
  return MakeStatus({.reason = Reason::kExpired,
                     .message = std::string(kContinueExpired),
                     .continue_token = std::move(token)});
}

}  // namespace

absl::Status RegistryImpl::CheckNotAhead(int64_t revision) {
  ASSIGN_OR_RETURN(const int64_t current, options_.store->CurrentRevision());
  if (revision <= current) {
    return absl::OkStatus();
  }
  return MakeStatus(
      {.reason = Reason::kTimeout,
       .message = fmt::format("Too large resource version: {}, current: {}", revision, current),
       .causes = {{.reason = "ResourceVersionTooLarge", .message = "Too large resource version"}},
       .retry_after_seconds = 1});
}

absl::StatusOr<ListResult> RegistryImpl::ListStored(const ListRequest& request, int64_t revision) {
  ASSIGN_OR_RETURN(storage::ListPage page,
                   options_.store->List({.prefix = PrefixOf(request),
                                         .revision = revision,
                                         .limit = request.limit,
                                         .continue_token = request.continue_token}));
  ListResult result;
  result.revision = page.revision;
  result.items.reserve(page.objects.size());
  for (const storage::ObjectView& object : page.objects) {
    result.items.push_back({.document = object.document, .mod_revision = object.mod_revision});
  }
  result.continue_token = std::move(page.continue_token);
  if (!result.continue_token.empty()) {
    result.remaining = page.remaining;
  }
  result.pins.push_back(std::move(page.pin));
  return result;
}

absl::StatusOr<ListResult> RegistryImpl::ListFiltered(const ListRequest& request,
                                                      int64_t revision) {
  const api::Kind& kind = *request.served->kind;
  const Selection selection = SelectionOf(request);
  ListResult result;
  storage::ListRequest read{.prefix = PrefixOf(request),
                            .revision = revision,
                            .limit = kFilteredAtOnce,
                            .continue_token = request.continue_token};
  while (true) {
    ASSIGN_OR_RETURN(storage::ListPage page, options_.store->List(read));
    result.revision = page.revision;
    for (const storage::ObjectView& view : page.objects) {
      ASSIGN_OR_RETURN(
          const ObjectRef object,
          DecodeObject(kind, view.key, view.document, view.create_revision, view.mod_revision));
      if (!selection.Matches(*object)) {
        continue;
      }
      result.items.push_back({.document = view.document, .mod_revision = view.mod_revision});
      const bool is_last = &view == &page.objects.back() && page.remaining == 0;
      if (static_cast<int64_t>(result.items.size()) == request.limit && !is_last) {
        result.continue_token = TokenAfter(request, view.key, page.revision);
        result.pins.push_back(std::move(page.pin));
        return result;
      }
    }
    result.pins.push_back(std::move(page.pin));
    if (page.continue_token.empty()) {
      return result;
    }
    read.revision = 0;
    read.continue_token = std::move(page.continue_token);
  }
}

absl::StatusOr<ListResult> RegistryImpl::ListCached(const ListRequest& request) {
  ListResult result;
  auto found = std::make_shared<std::vector<ObjectRef>>(
      options_.cache->ListAt(SelectionOf(request), &result.revision));
  const size_t limit = request.limit == 0 ? found->size() : static_cast<size_t>(request.limit);
  const size_t count = std::min(limit, found->size());
  result.items.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const Object& object = *(*found)[i];
    result.items.push_back({.document = object.document, .mod_revision = object.mod_revision});
  }
  if (count < found->size()) {
    const Object& last = *(*found)[count - 1];
    result.continue_token =
        TokenAfter(request, ObjectKey(*last.kind, last.ns, last.name), result.revision);
    found->resize(count);
  }
  result.pins.push_back(std::move(found));
  return result;
}

void RegistryImpl::List(ListRequest request, ListDone done) {
  const auto answer = [&](absl::StatusOr<ListResult> result) {
    done(result.ok() ? std::move(result) : Explain(result.status(), request));
  };
  if (absl::Status valid = CheckOptions(request); !valid.ok()) {
    done(std::move(valid));
    return;
  }
  const int64_t wanted = request.resource_version.value_or(0);
  if (wanted > 0) {
    if (absl::Status known = CheckNotAhead(wanted); !known.ok()) {
      done(AsApiStatus(known));
      return;
    }
  }
  const int64_t exact = IsExact(request) ? wanted : 0;
  if (!HasSelector(request)) {
    answer(ListStored(request, exact));  // The newest is not older than anything.
    return;
  }
  if (exact > 0 || !request.continue_token.empty()) {
    answer(ListFiltered(request, exact));
    return;
  }
  if (request.resource_version == 0) {
    answer(ListCached(request));
    return;
  }
  {
    MutexLock lock(&mu_);
    ++under_way_;
  }
  auto shared = std::make_shared<ListRequest>(std::move(request));
  auto when_ready = [this, shared, done = std::move(done)](const absl::Status& ready) mutable {
    done(ready.ok() ? ListCached(*shared) : AsApiStatus(ready));
    done = nullptr;
    MutexLock lock(&mu_);
    if (--under_way_ == 0) {
      all_done_.SignalAll();
    }
  };
  if (wanted > 0) {
    options_.cache->WhenReached(wanted, std::move(when_ready));
  } else {
    options_.cache->WhenFresh(std::move(when_ready));
  }
}

}  // namespace socle::registry
