// What a kubelet does for its node: register it, renew its lease, report its status.
#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "controllers/hollow/kubelets.h"

namespace socle::hollow {
namespace {

constexpr int64_t kRetryNanos = kNanosPerSecond;
// Leases of nodes that are due within this are renewed together: they share syncs and wake-ups.
constexpr int64_t kBeatNanos = 100 * kNanosPerMilli;

uint64_t HashText(std::string_view text) {
  return StringHash()(text);
}

bool IsHollow(const registry::Object& node) {
  return node.Label(kHollowLabel) == "true";
}

int64_t RevisionOf(const api::Json& object) {
  const std::string_view text = api::StringAt(object, {"metadata", "resourceVersion"});
  int64_t revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

}  // namespace

uint32_t Kubelets::FindNode(std::string_view name) const {
  const auto at = node_by_name_.find(name);
  return at == node_by_name_.end() ? kNoRecord : at->second;
}

int64_t Kubelets::NextBeat(std::string_view name, int64_t period, int64_t now) const {
  const int64_t slots = std::max<int64_t>(1, period / kBeatNanos);
  const auto slot =
      static_cast<int64_t>(Draw(options_.seed, HashText(name), 0) % static_cast<uint64_t>(slots));
  const int64_t offset = slot * (period / slots);
  const int64_t round = (now - offset) / period;
  int64_t next = round * period + offset;
  while (next <= now) {
    next += period;
  }
  return next;
}

void Kubelets::OnNodeChange(const registry::Change& change) {
  const registry::Object& object = *change.object;
  const uint32_t index = FindNode(object.name);
  const bool is_gone = change.type == registry::ChangeType::kDeleted || !IsHollow(object);
  if (index != kNoRecord && (is_gone || nodes_[index]->object->uid != object.uid)) {
    if (nodes_[index]->object->mod_revision > object.mod_revision) {
      return;  // of an older node of this name
    }
    DropNode(index);
    if (!is_gone) {
      AddNode(change.object);
    }
    return;
  }
  if (is_gone) {
    return;
  }
  if (index == kNoRecord) {
    AddNode(change.object);
    return;
  }
  NodeRecord& node = *nodes_[index];
  if (object.mod_revision <= node.object->mod_revision) {
    return;
  }
  node.object = change.object;
  if (node.is_status_queued) {
    node.has_news = true;
  } else if (node.reading.IsNews(object.mod_revision)) {
    ReadNode(index);
  } else {
    node.reading = {.read = object.mod_revision};
  }
}

uint32_t Kubelets::TakeFreeNumber(uint32_t wanted) {
  uint32_t number = wanted % kNodesMax;
  for (uint32_t tried = 0; tried < kNodesMax && number < numbers_.size() && numbers_[number];
       ++tried) {
    number = (number + 1) % kNodesMax;
  }
  if (numbers_.size() <= number) {
    numbers_.resize(number + 1);
  }
  numbers_[number] = true;
  return number;
}

// A node keeps the number that its pod range says. One without a range has none to keep.
uint32_t Kubelets::TakeNumber(const api::Json& node) {
  const std::optional<uint32_t> known = NumberOfRange(api::StringAt(node, {"spec", "podCIDR"}));
  if (!known.has_value()) {
    // Away from those that registered nodes will want.
    return TakeFreeNumber(static_cast<uint32_t>(std::max<int64_t>(0, options_.nodes)));
  }
  if (numbers_.size() <= *known) {
    numbers_.resize(*known + 1);
  }
  numbers_[*known] = true;
  return *known;
}

void Kubelets::AddNode(const registry::ObjectRef& object) {
  uint32_t index = 0;
  if (free_nodes_.empty()) {
    index = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(std::make_unique<NodeRecord>());
  } else {
    index = free_nodes_.back();
    free_nodes_.pop_back();
  }
  NodeRecord& node = *nodes_[index];
  const uint32_t serial = node.serial + 1;
  node = NodeRecord();
  node.serial = serial;
  node.object = object;
  node.number = TakeNumber(object->Parse());
  node.timer = wheel_.Add(index);
  node.has_lease =
      runtime_->cache()->Get(*leases_kind_->kind, kLeaseNamespace, object->name) != nullptr;
  node.lease_due = now_.steady;
  node.heartbeat_due = NextBeat(object->name, options_.heartbeat_period_nanos, now_.steady);
  node_by_name_[object->name] = index;
  ReadNode(index);
  if (!node.is_silent) {
    QueueLease(index);
  }
  for (const registry::ObjectRef& pod :
       runtime_->cache()->ByField(*pods_kind_->kind, "spec.nodeName", object->name)) {
    OnPodChange({.type = registry::ChangeType::kAdded, .object = pod});
  }
  ScheduleNode(index);
}

void Kubelets::DropNode(uint32_t index) {
  NodeRecord& node = *nodes_[index];
  while (!node.pods.empty()) {
    DropPod(node.pods.back());
  }
  wheel_.Remove(node.timer);
  numbers_[node.number] = false;
  node_by_name_.erase(node.object->name);
  node.object = nullptr;
  free_nodes_.push_back(index);
}

void Kubelets::ReadNode(uint32_t index) {
  looks_.fetch_add(1, std::memory_order_relaxed);
  NodeRecord& node = *nodes_[index];
  const api::Json document = node.object->Parse();
  node.reading = {.read = node.object->mod_revision};
  node.facts = workload::FactsOf(*node.object);
  FollowControls(index, ReadControls(document));
  node.wants_status = node.wants_status || !IsReported(document);
  if (node.wants_status && !node.is_silent) {
    QueueNodeStatus(index);
  }
}

void Kubelets::FollowControls(uint32_t index, ControlTexts controls) {
  NodeRecord& node = *nodes_[index];
  if (controls == node.controls) {
    return;
  }
  node.controls = std::move(controls);
  const Controls said(nullptr, &node.controls);
  const bool was_crashed = node.is_crashed;
  const bool was_silent = node.is_silent;
  node.is_crashed = said.IsTrue("crash");
  node.is_silent = node.is_crashed || said.IsTrue("lease-silence");
  if (was_silent && !node.is_silent) {
    node.lease_due = now_.steady;
    node.wants_status = true;
    ScheduleNode(index);
  }
  // Copied: pods may be dropped meanwhile.
  const std::vector<uint32_t> pods = node.pods;
  for (const uint32_t pod : pods) {
    if (was_crashed && !node.is_crashed) {
      pods_[pod]->life.Reboot(now_);
    }
    if (!pods_[pod]->is_writing) {
      ReadPod(pod);
    } else {
      pods_[pod]->has_news = true;
      pods_[pod]->reading = {};
    }
  }
}

void Kubelets::ScheduleNode(uint32_t index) {
  const NodeRecord& node = *nodes_[index];
  wheel_.Set(node.timer, node.is_silent ? kNever : std::min(node.lease_due, node.heartbeat_due));
}

void Kubelets::OnNodeTimer(uint32_t index) {
  looks_.fetch_add(1, std::memory_order_relaxed);
  NodeRecord& node = *nodes_[index];
  if (node.is_silent) {
    return;
  }
  if (node.lease_due <= now_.steady) {
    QueueLease(index);
  }
  if (node.heartbeat_due <= now_.steady) {
    node.heartbeat_due = NextBeat(node.object->name, options_.heartbeat_period_nanos, now_.steady);
    QueueNodeStatus(index);
  } else if (node.wants_status) {
    QueueNodeStatus(index);
  }
  ScheduleNode(index);
}

void Kubelets::QueueLease(uint32_t index) {
  NodeRecord& node = *nodes_[index];
  node.lease_due = NextBeat(node.object->name, options_.lease_period_nanos, now_.steady);
  if (!node.is_lease_queued) {
    node.is_lease_queued = true;
    node_queue_.push_back({.kind = WriteKind::kLease, .index = index, .serial = node.serial});
  }
}

void Kubelets::QueueNodeStatus(uint32_t index) {
  NodeRecord& node = *nodes_[index];
  node.wants_status = true;
  if (!node.is_status_queued) {
    node.is_status_queued = true;
    node_queue_.push_back({.kind = WriteKind::kNodeStatus, .index = index, .serial = node.serial});
  }
}

// False when there is nothing to register any more.
bool Kubelets::RegisterNext() {
  while (next_to_register_ < options_.nodes && !wheel_.IsSet(register_timer_)) {
    const int64_t i = next_to_register_++;
    const std::string name = fmt::format("{}{}", options_.name_prefix, i);
    if (runtime_->cache()->Get(*nodes_kind_->kind, {}, name) != nullptr) {
      continue;
    }
    const uint32_t number = TakeFreeNumber(static_cast<uint32_t>(i));
    ++node_writes_;
    runtime_->registry()->Create(context_,
                                 {.target = {.served = nodes_kind_, .name = name},
                                  .object = NewNode(name, number, options_.shape, now_.wall)},
                                 AnswerTo(WriteKind::kRegister, static_cast<uint32_t>(i), number));
    return true;
  }
  return false;
}

void Kubelets::WriteLease(uint32_t index) {
  const NodeRecord& node = *nodes_[index];
  const std::string& name = node.object->name;
  registry::Target target{.served = leases_kind_, .ns = std::string(kLeaseNamespace), .name = name};
  registry::Done done = AnswerTo(WriteKind::kLease, index, node.serial);
  if (!node.has_lease) {
    runtime_->registry()->Create(
        context_,
        {.target = std::move(target),
         .object = NewLease(name, node.object->uid, options_.lease_duration_seconds, now_.wall)},
        std::move(done));
    return;
  }
  runtime_->registry()->Change(
      context_,
      {.target = std::move(target),
       .change =
           [name, seconds = options_.lease_duration_seconds, wall = now_.wall](api::Json* lease) {
             RenewLease(name, seconds, wall, lease);
             return absl::OkStatus();
           }},
      std::move(done));
}

void Kubelets::WriteNodeStatus(uint32_t index) {
  NodeRecord& node = *nodes_[index];
  node.wants_status = false;
  auto base = std::make_shared<std::atomic<int64_t>>(0);
  registry::ChangeRequest request{.target = {.served = nodes_kind_, .name = node.object->name},
                                  .part = registry::ChangeRequest::Part::kStatus,
                                  .uid = node.object->uid,
                                  .change = [base, number = node.number, shape = options_.shape,
                                             wall = now_.wall](api::Json* object) {
                                    base->store(RevisionOf(*object), std::memory_order_relaxed);
                                    ReportNode(number, shape, wall, /*is_heartbeat=*/true, object);
                                    return absl::OkStatus();
                                  }};
  runtime_->registry()->Change(context_, std::move(request),
                               AnswerTo(WriteKind::kNodeStatus, index, node.serial, base));
}

void Kubelets::OnNodeAnswer(const Answer& answer) {
  if (answer.kind == WriteKind::kRegister) {
    if (answer.refusal.has_value() && *answer.refusal != registry::Reason::kAlreadyExists) {
      // Again, with all that are not there: the plane may not be ready yet.
      failures_.fetch_add(1, std::memory_order_relaxed);
      next_to_register_ = std::min(next_to_register_, int64_t{answer.index});
      numbers_[answer.serial] = false;
      wheel_.Set(register_timer_, now_.steady + kRetryNanos);
    }
    return;
  }
  NodeRecord& node = *nodes_[answer.index];
  if (node.object == nullptr || node.serial != answer.serial) {
    return;
  }
  const bool has_failed = answer.refusal.has_value();
  if (answer.kind == WriteKind::kLease) {
    node.is_lease_queued = false;
    if (!has_failed || *answer.refusal == registry::Reason::kAlreadyExists) {
      node.has_lease = true;
    } else if (*answer.refusal == registry::Reason::kNotFound) {
      node.has_lease = false;
    }
    if (has_failed) {
      failures_.fetch_add(1, std::memory_order_relaxed);
      node.lease_due = std::min(node.lease_due, now_.steady + kRetryNanos);
    }
  } else {
    node.is_status_queued = false;
    if (has_failed) {
      failures_.fetch_add(1, std::memory_order_relaxed);
      node.wants_status = true;
      node.lease_due = std::min(node.lease_due, now_.steady + kRetryNanos);
    } else if (answer.base_revision == node.reading.read) {
      node.reading.own = answer.mod_revision;
    }
    if (node.has_news) {
      node.has_news = false;
      if (node.reading.IsNews(node.object->mod_revision)) {
        ReadNode(answer.index);
      } else {
        node.reading = {.read = node.object->mod_revision};
      }
    }
  }
  ScheduleNode(answer.index);
}

}  // namespace socle::hollow
