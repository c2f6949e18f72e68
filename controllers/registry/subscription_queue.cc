#include "controllers/registry/subscription_queue.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/errors.h"
#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::registry {

absl::Status TooOld(int64_t wanted, int64_t oldest) {
  return MakeStatus({.reason = Reason::kExpired,
                     .message = fmt::format("too old resource version: {} ({})", wanted, oldest)});
}

SubscriptionQueue::SubscriptionQueue(Selection selection, Start start, size_t events_max,
                                     std::function<void()> on_ready)
    : selection_(std::move(selection)),
      events_max_(events_max),
      start_(std::move(start)),
      taken_revision_(start_.after_revision),
      on_ready_(std::move(on_ready)) {}

bool SubscriptionQueue::TakeWish() {
  return std::exchange(wants_ready_, false);
}

bool SubscriptionQueue::Offer(const ChangeRef& change) {
  const std::optional<ChangeType> type = TypeFor(selection_, *change);
  if (!type.has_value()) {
    return false;
  }
  MutexLock lock(&mu_);
  if (!ended_.ok() || change->revision <= start_.after_revision) {
    return false;
  }
  if (queue_.size() >= events_max_) {
    PROBE("cache: a subscriber did not keep up");
    ended_ = TooOld(taken_revision_, change->revision);
    queue_.clear();
    start_ = Start{.after_revision = start_.after_revision};
    start_taken_ = 0;
    return TakeWish();
  }
  queue_.push_back({.type = *type, .change = change, .revision = change->revision});
  return TakeWish();
}

bool SubscriptionQueue::End(const absl::Status& why) {
  MutexLock lock(&mu_);
  if (!ended_.ok()) {
    return false;
  }
  ended_ = why;
  return TakeWish();
}

void SubscriptionQueue::SayReady() {
  MutexLock lock(&callback_mu_);
  if (on_ready_ != nullptr) {
    on_ready_();
  }
}

void SubscriptionQueue::Close() {
  MutexLock lock(&callback_mu_);
  on_ready_ = nullptr;
}

void SubscriptionQueue::TakeStart(size_t max, std::vector<SelectedChange>* taken) {
  const size_t present = start_.present.size();
  const size_t count = present + start_.missed.size();
  while (taken->size() < max && start_taken_ < count) {
    const size_t at = start_taken_++;
    if (at < present) {
      auto change = std::make_shared<Change>();
      change->type = ChangeType::kAdded;
      change->object = std::move(start_.present[at]);
      change->revision = change->object->mod_revision;
      taken->push_back({.type = change->type, .change = change, .revision = change->revision});
      continue;
    }
    ChangeRef change = std::move(start_.missed[at - present]);
    if (const std::optional<ChangeType> type = TypeFor(selection_, *change)) {
      const int64_t revision = change->revision;
      taken->push_back({.type = *type, .change = std::move(change), .revision = revision});
    }
  }
  if (start_taken_ == count && count > 0) {
    start_ = Start{.after_revision = start_.after_revision};
    start_taken_ = 0;
  }
}

absl::StatusOr<std::vector<SelectedChange>> SubscriptionQueue::Next(size_t max) {
  MutexLock lock(&mu_);
  std::vector<SelectedChange> taken;
  TakeStart(max, &taken);
  while (taken.size() < max && !queue_.empty()) {
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (!taken.empty()) {
    taken_revision_ = std::max(taken_revision_, taken.back().revision);
    return taken;
  }
  if (!ended_.ok()) {
    return ended_;
  }
  wants_ready_ = true;
  return taken;
}

int64_t SubscriptionQueue::BookmarkRevision(int64_t dispatched) const {
  MutexLock lock(&mu_);
  if (!ended_.ok() || !start_.present.empty()) {
    return 0;
  }
  // The next one may be of the revision of the last one.
  if (!start_.missed.empty()) {
    return std::max(start_.after_revision, start_.missed[start_taken_]->revision - 1);
  }
  if (!queue_.empty()) {
    return std::max(start_.after_revision, queue_.front().revision - 1);
  }
  return std::max(start_.after_revision, dispatched);
}

SubscriptionTable::Queues* SubscriptionTable::ListOf(const Selection& selection) {
  if (const std::string* name = selection.fields.ExactValue("metadata.name")) {
    return &by_name_[*name];
  }
  if (const auto term = IndexedTermOf(selection, fields_)) {
    return &by_field_[term->field][term->value];
  }
  return selection.ns.empty() ? &all_ : &by_namespace_[selection.ns];
}

void SubscriptionTable::Add(const QueueRef& queue) {
  ListOf(queue->selection())->push_back(queue);
}

void SubscriptionTable::Remove(const QueueRef& queue) {
  Queues* const list = ListOf(queue->selection());
  const auto at = std::find(list->begin(), list->end(), queue);
  CHECK(at != list->end());
  *at = std::move(list->back());
  list->pop_back();
  if (!list->empty()) {
    return;
  }
  const Selection& selection = queue->selection();
  if (const std::string* name = selection.fields.ExactValue("metadata.name")) {
    by_name_.erase(*name);
  } else if (const auto term = IndexedTermOf(selection, fields_)) {
    by_field_[term->field].erase(term->value);
  } else if (!selection.ns.empty()) {
    by_namespace_.erase(selection.ns);
  }
}

size_t SubscriptionTable::Dispatch(const ChangeRef& change, std::vector<QueueRef>* ready) const {
  size_t looked_at = 0;
  const auto offer = [&change, ready, &looked_at](const Queues& queues) {
    looked_at += queues.size();
    for (const QueueRef& queue : queues) {
      if (queue->Offer(change)) {
        ready->push_back(queue);
      }
    }
  };
  const auto offer_at = [&offer](const StringMap<Queues>& lists, std::string_view value) {
    if (lists.empty()) {
      return;
    }
    const auto at = lists.find(value);
    if (at != lists.end()) {
      offer(at->second);
    }
  };
  const Object& object = *change->object;
  offer(all_);
  offer_at(by_namespace_, object.ns);
  offer_at(by_name_, object.name);
  for (size_t i = 0; i < fields_.size(); ++i) {
    const std::string_view now = object.FieldText(fields_[i].label);
    offer_at(by_field_[i], now);
    if (change->previous != nullptr) {
      const std::string_view before = change->previous->FieldText(fields_[i].label);
      if (before != now) {
        offer_at(by_field_[i], before);
      }
    }
  }
  return looked_at;
}

void SubscriptionTable::EndAll(const absl::Status& why, std::vector<QueueRef>* ready) const {
  const auto end = [&why, ready](const Queues& queues) {
    for (const QueueRef& queue : queues) {
      if (queue->End(why)) {
        ready->push_back(queue);
      }
    }
  };
  const auto end_each = [&end](const StringMap<Queues>& lists) {
    for (const auto& [value, queues] : lists) {
      end(queues);
    }
  };
  end(all_);
  end_each(by_namespace_);
  end_each(by_name_);
  for (const StringMap<Queues>& lists : by_field_) {
    end_each(lists);
  }
}

}  // namespace socle::registry
