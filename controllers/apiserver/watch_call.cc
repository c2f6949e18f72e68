#include "controllers/apiserver/watch_call.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/apiserver/responses.h"
#include "kv/base/probe.h"

namespace socle::apiserver {
namespace {

namespace http = server::http;

constexpr size_t kChangesAtOnce = 8;
constexpr uint64_t kLeavingBit = 0x80;  // beside ObjectForm::EncodingId

std::string_view TypeText(registry::ChangeType type) {
  switch (type) {
    case registry::ChangeType::kAdded:
      return "ADDED";
    case registry::ChangeType::kModified:
      return "MODIFIED";
    case registry::ChangeType::kDeleted:
      return "DELETED";
    case registry::ChangeType::kBookmark:
      break;
  }
  return "BOOKMARK";
}

void AppendEventHead(std::string_view type, std::string* out) {
  *out += R"({"type":")";
  *out += type;
  *out += R"(","object":)";
}

}  // namespace

void WatchCall::Begin() {
  absl::Status checked = CheckWatchOptions(head().options);
  absl::StatusOr<registry::Selection> selection = SelectionOf(asked(), head().options);
  absl::StatusOr<std::optional<int64_t>> from =
      ParseResourceVersion(head().options.resource_version);
  for (const absl::Status& status : {checked, selection.status(), from.status()}) {
    if (!status.ok()) {
      is_over_ = true;
      Refuse(status);
      return;
    }
  }
  selection_ = *std::move(selection);
  from_revision_ = *from;
  const registry::ObjectCache* cache = site()->registry->cache();
  // "0" is content with any state; a number with one that is not older.
  if (from_revision_.has_value() && *from_revision_ <= cache->revision()) {
    Open();
  } else {
    AwaitFresh();
  }
}

void WatchCall::AwaitFresh() {
  site()->registry->cache()->WhenFresh([self = shared_from_this()](absl::Status status) {
    self->fresh_status_ = std::move(status);
    self->is_fresh_.store(true, std::memory_order_release);
    self->exchange()->Wake();
  });
}

void WatchCall::OnWake() {
  if (is_over_) {
    return;
  }
  if (subscription_ != nullptr) {
    Pump();
  } else if (is_fresh_.load(std::memory_order_acquire)) {
    if (!fresh_status_.ok()) {
      is_over_ = true;
      Refuse(fresh_status_);
      return;
    }
    Open();
  }
}

void WatchCall::Open() {
  registry::ObjectCache* const cache = site()->registry->cache();
  const std::optional<bool> initial = head().options.sends_initial_events;
  int64_t after = from_revision_.value_or(0);
  if (initial.has_value() && after <= cache->revision()) {
    after = *initial ? 0 : cache->revision();
  }
  absl::StatusOr<std::unique_ptr<registry::Subscription>> subscription =
      cache->Subscribe(std::move(selection_), after, [exchange = exchange()] { exchange->Wake(); });
  if (!subscription.ok()) {
    is_over_ = true;
    Refuse(subscription.status());
    return;
  }
  subscription_ = *std::move(subscription);
  wants_initial_end_ = initial.value_or(false) && head().options.allows_bookmarks;
  const int64_t now = exchange()->loop()->now_nanos();
  int64_t timeout = site()->options->watch_timeout_nanos;
  if (const int64_t wanted = head().options.timeout_seconds.value_or(0); wanted > 0) {
    timeout = std::min<int64_t>(wanted, INT32_MAX) * kNanosPerSecond;
  } else {
    MutexLock lock(&site()->mu);
    timeout += static_cast<int64_t>(
        site()->random.Below(static_cast<uint64_t>(std::max<int64_t>(timeout, 1))));
  }
  deadline_nanos_ = now + timeout;
  bookmark_nanos_ = head().options.allows_bookmarks ? now + site()->options->bookmark_interval_nanos
                                                    : http::Loop::kNever;
  SetTimer();
  SendJsonHead(exchange().get(), 200);
  Answered(200);
  Pump();
}

void WatchCall::SetTimer() {
  exchange()->WakeAt(std::min(deadline_nanos_, bookmark_nanos_));
}

void WatchCall::Pump() {
  while (!is_over_ && subscription_ != nullptr && exchange()->CanWrite()) {
    absl::StatusOr<std::vector<registry::SelectedChange>> changes =
        subscription_->Next(kChangesAtOnce);
    std::string* const out = exchange()->buffer();
    const size_t before = out->size();
    if (!changes.ok()) {
      PROBE("apiserver: a watch ends with ERROR");
      AppendEventHead("ERROR", out);
      *out += ErrorText(changes.status());
      *out += "}\n";
      exchange()->DataAdded(out->size() - before);
      End();
      return;
    }
    for (const registry::SelectedChange& change : *changes) {
      AppendChange(change, out);
    }
    if (out->size() > before) {
      exchange()->DataAdded(out->size() - before);
    }
    is_drained_ = changes->empty();
    if (is_drained_) {
      if (wants_initial_end_ && SendBookmark(true)) {
        wants_initial_end_ = false;
      }
      return;
    }
  }
}

void WatchCall::AppendChange(const registry::SelectedChange& selected, std::string* out) {
  if (selected.change == nullptr) {
    return;
  }
  const registry::Change& change = *selected.change;
  // An object that leaves the selection goes as it was, at the revision that took it away.
  const bool is_leaving = selected.type == registry::ChangeType::kDeleted &&
                          change.type != registry::ChangeType::kDeleted;
  const registry::Object& object =
      is_leaving && change.previous != nullptr ? *change.previous : *change.object;
  const int64_t revision = is_leaving ? change.revision : object.mod_revision;
  const ObjectForm form = object_form();
  AppendEventHead(TypeText(selected.type), out);
  if (form.form().shape == Form::Shape::kTable && !std::exchange(has_columns_, true)) {
    form.AppendEventObject(object.document, revision, site()->WallNanos(), true, out);
  } else {
    const uint64_t id = form.EncodingId() | (is_leaving ? kLeavingBit : 0);
    *out += *change.encodings.Get(id, [&form, &object, revision, now = site()->WallNanos()] {
      std::string bytes;
      form.AppendEventObject(object.document, revision, now, false, &bytes);
      return bytes;
    });
  }
  *out += "}\n";
}

bool WatchCall::SendBookmark(bool is_initial_end) {
  const int64_t revision = subscription_->BookmarkRevision();
  // It has ended since Next was asked, which says so when it is asked again. A client that had resumed
  // from "0" would be sent everything.
  if (revision == 0) {
    return false;
  }
  std::string* const out = exchange()->buffer();
  const size_t before = out->size();
  AppendEventHead("BOOKMARK", out);
  object_form().AppendBookmark(revision, is_initial_end, out);
  *out += "}\n";
  exchange()->DataAdded(out->size() - before);
  return true;
}

void WatchCall::OnTime() {
  if (is_over_ || subscription_ == nullptr) {
    return;
  }
  Pump();
  if (is_over_) {
    return;
  }
  const int64_t now = exchange()->loop()->now_nanos();
  const bool is_end = now >= deadline_nanos_;
  if (bookmark_nanos_ != http::Loop::kNever && (is_end || now >= bookmark_nanos_)) {
    bookmark_nanos_ = now + site()->options->bookmark_interval_nanos;
    if (is_drained_ && exchange()->CanWrite()) {
      SendBookmark(false);
    }
  }
  if (is_end) {
    End();
  } else {
    SetTimer();
  }
}

void WatchCall::End() {
  is_over_ = true;
  exchange()->WakeAt(http::Loop::kNever);
  exchange()->Finish();
}

void WatchCall::OnStopping() {
  if (is_over_) {
    return;
  }
  if (subscription_ == nullptr) {
    is_over_ = true;
    Refuse(registry::MakeStatus({.reason = registry::Reason::kUnavailable,
                                 .message = "the server is stopping",
                                 .retry_after_seconds = 1}));
    return;
  }
  End();
}

void WatchCall::OnClosed() {
  is_over_ = true;
  subscription_.reset();
}

}  // namespace socle::apiserver
