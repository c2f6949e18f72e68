// What a kubelet does for its pods: admit them, live their lives, report, delete what has stopped.
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "controllers/hollow/kubelets.h"

namespace socle::hollow {
namespace {

constexpr int64_t kRetryMinNanos = 100 * kNanosPerMilli;
constexpr int kRetryDoublingsMax = 7;  // 12.8 s

absl::uint128 UidHash(std::string_view uid) {
  const XXH128_hash_t hash = XXH3_128bits(uid.data(), uid.size());
  return absl::MakeUint128(hash.high64, hash.low64);
}

int64_t RevisionOf(const api::Json& object) {
  const std::string_view text = api::StringAt(object, {"metadata", "resourceVersion"});
  int64_t revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

bool IsFinal(const api::Json& pod) {
  const std::string_view phase = api::StringAt(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

// "Insufficient cpu" is OutOfcpu in the words of a kubelet.
std::string RefusalReason(std::string_view lacking) {
  constexpr std::string_view kInsufficient = "Insufficient ";
  if (lacking.starts_with(kInsufficient)) {
    return fmt::format("OutOf{}", lacking.substr(kInsufficient.size()));
  }
  return "OutOfpods";
}

}  // namespace

void Kubelets::OnPodChange(const registry::Change& change) {
  const registry::Object& object = *change.object;
  const auto found = pod_by_uid_.find(UidHash(object.uid));
  const bool is_known = found != pod_by_uid_.end();
  if (change.type == registry::ChangeType::kDeleted) {
    if (is_known) {
      DropPod(found->second);
    }
    return;
  }
  if (!is_known) {
    const uint32_t node = FindNode(object.FieldText("spec.nodeName"));
    if (node != kNoRecord) {
      AddPod(change.object, node);
    }
    return;
  }
  PodRecord& pod = *pods_[found->second];
  if (object.mod_revision <= pod.object->mod_revision) {
    return;
  }
  pod.object = change.object;
  if (pod.is_writing) {
    pod.has_news = true;
  } else if (pod.reading.IsNews(object.mod_revision)) {
    ReadPod(found->second);
  } else {
    pod.reading = {.read = object.mod_revision};
  }
}

void Kubelets::AddPod(const registry::ObjectRef& object, uint32_t node) {
  uint32_t index = 0;
  if (free_pods_.empty()) {
    index = static_cast<uint32_t>(pods_.size());
    pods_.push_back(std::make_unique<PodRecord>());
  } else {
    index = free_pods_.back();
    free_pods_.pop_back();
  }
  PodRecord& pod = *pods_[index];
  const uint32_t serial = pod.serial + 1;
  pod = PodRecord();
  pod.serial = serial;
  pod.object = object;
  pod.node = node;
  pod.timer = wheel_.Add(kPodTag | index);
  pod_by_uid_[UidHash(object->uid)] = index;
  NodeRecord& home = *nodes_[node];
  home.pods.push_back(index);

  looks_.fetch_add(1, std::memory_order_relaxed);
  api::Json document = object->Parse();
  pod.reading = {.read = object->mod_revision};
  pod.life = PodLife::Resume(
      document, ReadWish(document, home.controls, options_.behaviour, options_.seed), now_);
  pod.requests = workload::RequestsOf(*api::Find(document, {"spec"})).requests;
  if (pod.life.is_admitted()) {
    // It was admitted before this process began, or is over: no question.
    pod.reported_containers = pod.life.containers_version();
    if (!pod.life.is_finished()) {
      pod.holds_resources = true;
      home.use.used.Add(pod.requests);
      TakeAddress(index, document);
    }
  } else if (!pod.life.wish().is_deleting) {
    AdmitPod(index, document);
  }
  pod.life.Advance(now_);
  pod.is_dirty = Report(pod.life, AddressesOf(pod), now_.wall, /*with_runtime=*/true, &document);
  pod.reported = pod.is_dirty ? 0 : pod.life.version();
  SettlePod(index);
}

void Kubelets::AdmitPod(uint32_t index, const api::Json& document) {
  PodRecord& pod = *pods_[index];
  NodeRecord& node = *nodes_[pod.node];
  const workload::PodRequirements wants =
      workload::RequirementsOf(*api::Find(document, {"spec"}), pod.object->ns);
  std::string reason;
  std::string message;
  if (!workload::MatchesNodeTerms(node.facts, wants)) {
    reason = "NodeAffinity";
    message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
  } else {
    const std::vector<std::string> lacking =
        workload::LackingResources(node.facts, node.use, wants);
    if (!lacking.empty()) {
      reason = RefusalReason(lacking.front());
      message = fmt::format("Node didn't have enough resource: {}", lacking.front());
    }
  }
  if (!reason.empty()) {
    pod.life.Refuse(reason, message);
    if (options_.events != HollowEvents::kNone) {
      runtime_->events()->Record("kubelet", *pod.object, runtime::EventType::kWarning, reason,
                                 message);
    }
    return;
  }
  pod.holds_resources = true;
  node.use.used.Add(pod.requests);
  TakeAddress(index, document);
  pod.life.Admit(now_);
}

void Kubelets::TakeAddress(uint32_t index, const api::Json& document) {
  PodRecord& pod = *pods_[index];
  NodeRecord& node = *nodes_[pod.node];
  if (api::BoolAt(document, {"spec", "hostNetwork"})) {
    pod.pod_ip = NodeAddress(node.number);
    return;
  }
  pod.pod_ip = api::StringAt(document, {"status", "podIP"});
  if (const auto slot = SlotOfAddress(node.number, pod.pod_ip)) {
    pod.slot = static_cast<uint16_t>(*slot);
    node.slots.set(*slot);
    return;
  }
  if (!pod.pod_ip.empty()) {
    return;  // of another range: the node's has changed
  }
  // Neither the network's own address nor the gateway's nor the broadcast's.
  for (uint32_t slot = 2; slot + 1 < kPodAddresses; ++slot) {
    if (!node.slots.test(slot)) {
      node.slots.set(slot);
      pod.slot = static_cast<uint16_t>(slot);
      pod.pod_ip = PodAddress(node.number, slot);
      return;
    }
  }
}

void Kubelets::ReadPod(uint32_t index) {
  looks_.fetch_add(1, std::memory_order_relaxed);
  PodRecord& pod = *pods_[index];
  const NodeRecord& node = *nodes_[pod.node];
  api::Json document = pod.object->Parse();
  pod.reading = {.read = pod.object->mod_revision};
  pod.life.Adopt(ReadWish(document, node.controls, options_.behaviour, options_.seed), now_);
  if (node.is_crashed) {
    return;
  }
  pod.life.Advance(now_);
  pod.is_dirty = Report(pod.life, AddressesOf(pod), now_.wall, /*with_runtime=*/true, &document);
  SettlePod(index);
}

void Kubelets::DropPod(uint32_t index) {
  PodRecord& pod = *pods_[index];
  NodeRecord& node = *nodes_[pod.node];
  ReleaseResources(&pod);
  if (pod.slot != kNoSlot) {
    node.slots.reset(pod.slot);
  }
  const auto place = std::find(node.pods.begin(), node.pods.end(), index);
  *place = node.pods.back();
  node.pods.pop_back();
  wheel_.Remove(pod.timer);
  pod_by_uid_.erase(UidHash(pod.object->uid));
  pod.object = nullptr;
  pod.life = PodLife();
  free_pods_.push_back(index);
}

void Kubelets::ReleaseResources(PodRecord* pod) {
  if (pod->holds_resources) {
    pod->holds_resources = false;
    nodes_[pod->node]->use.used.Subtract(pod->requests);
  }
}

void Kubelets::OnPodTimer(uint32_t index) {
  looks_.fetch_add(1, std::memory_order_relaxed);
  PodRecord& pod = *pods_[index];
  if (nodes_[pod.node]->is_crashed) {
    return;
  }
  if (pod.retry_due <= now_.steady) {
    pod.retry_due = kNever;
  }
  pod.life.Advance(now_);
  SettlePod(index);
}

void Kubelets::SettlePod(uint32_t index) {
  PodRecord& pod = *pods_[index];
  TellHappenings(&pod);
  if (pod.life.is_finished()) {
    ReleaseResources(&pod);
  }
  wheel_.Set(pod.timer, std::min(pod.life.NextDue(), pod.retry_due));
  const bool has_work = pod.is_dirty || pod.life.version() != pod.reported || MustDelete(pod);
  if (has_work && !pod.is_writing && !pod.is_queued && pod.retry_due == kNever && MayWrite(pod)) {
    pod.is_queued = true;
    pod_queue_.push_back({.kind = WriteKind::kPodStatus, .index = index, .serial = pod.serial});
  }
}

void Kubelets::TellHappenings(PodRecord* pod) {
  for (const auto& [index, happening] : pod->life.TakeHappenings()) {
    const bool is_failure = happening == Happening::kPullFailed || happening == Happening::kCrashed;
    if (options_.events == HollowEvents::kNone ||
        (options_.events == HollowEvents::kFailures && !is_failure)) {
      continue;
    }
    const ContainerWish& container = pod->life.wish().containers[index];
    const auto record = [&](runtime::EventType type, std::string_view reason,
                            std::string_view message) {
      runtime_->events()->Record("kubelet", *pod->object, type, reason, message);
    };
    switch (happening) {
      case Happening::kStarted:
        record(runtime::EventType::kNormal, "Started",
               fmt::format("Started container {}", container.name));
        break;
      case Happening::kStopped:
        record(runtime::EventType::kNormal, "Killing",
               fmt::format("Stopping container {}", container.name));
        break;
      case Happening::kPullFailed:
        record(runtime::EventType::kWarning, "Failed",
               fmt::format("Failed to pull image \"{}\"", container.image));
        break;
      case Happening::kCrashed:
        record(runtime::EventType::kWarning, "BackOff",
               fmt::format("Back-off restarting failed container {}", container.name));
        break;
    }
  }
}

// Nobody hears of a silent node; it still confirms deletions, unless it is down.
bool Kubelets::MayWrite(const PodRecord& pod) const {
  const NodeRecord& node = *nodes_[pod.node];
  return !node.is_crashed && (!node.is_silent || MustDelete(pod));
}

// Who waits with a finalizer is told first what became of the pod.
bool Kubelets::MustDelete(const PodRecord& pod) const {
  if (!pod.life.is_stopped() || pod.is_delete_sent) {
    return false;
  }
  return pod.object->finalizers.empty() || (!pod.is_dirty && pod.life.version() == pod.reported);
}

void Kubelets::WritePod(uint32_t index) {
  if (MustDelete(*pods_[index])) {
    DeletePod(index);
  } else {
    WritePodStatus(index);
  }
}

PodAddresses Kubelets::AddressesOf(const PodRecord& pod) const {
  return {.host_ip = NodeAddress(nodes_[pod.node]->number), .pod_ip = pod.pod_ip};
}

void Kubelets::WritePodStatus(uint32_t index) {
  PodRecord& pod = *pods_[index];
  ++pod_writes_;
  pod.is_writing = true;
  pod.sent = pod.life.version();
  pod.sent_containers = pod.life.containers_version();
  const bool with_runtime = pod.is_dirty || pod.sent_containers != pod.reported_containers;
  pod.is_dirty = false;
  using Part = registry::ChangeRequest::Part;
  auto base = std::make_shared<std::atomic<int64_t>>(0);
  registry::ChangeRequest request{
      .target = {.served = pods_kind_, .ns = pod.object->ns, .name = pod.object->name},
      .part = with_runtime ? Part::kWhole : Part::kStatus,
      .uid = pod.object->uid,
      .change = [base, life = std::make_shared<const PodLife>(pod.life),
                 addresses = AddressesOf(pod), wall = now_.wall,
                 with_runtime](api::Json* document) {
        base->store(RevisionOf(*document), std::memory_order_relaxed);
        // A final phase that somebody else wrote is news: it is followed, not written over.
        const bool is_outdated = IsFinal(*document) && !life->is_finished();
        if (is_outdated || !Report(*life, addresses, wall, with_runtime, document)) {
          return absl::CancelledError("nothing to report");
        }
        return absl::OkStatus();
      }};
  runtime_->registry()->Change(context_, std::move(request),
                               AnswerTo(WriteKind::kPodStatus, index, pod.serial, base));
}

void Kubelets::DeletePod(uint32_t index) {
  PodRecord& pod = *pods_[index];
  ++pod_writes_;
  pod.is_writing = true;
  pod.is_delete_sent = true;
  runtime_->registry()->Delete(
      context_,
      {.target = {.served = pods_kind_, .ns = pod.object->ns, .name = pod.object->name},
       .grace_period_seconds = 0,
       .uid = pod.object->uid},
      AnswerTo(WriteKind::kPodDelete, index, pod.serial));
}

void Kubelets::OnPodAnswer(const Answer& answer) {
  PodRecord& pod = *pods_[answer.index];
  if (pod.object == nullptr || pod.serial != answer.serial) {
    return;
  }
  pod.is_writing = false;
  const bool is_status = answer.kind == WriteKind::kPodStatus;
  if (!answer.refusal.has_value()) {
    pod.failures = 0;
    if (is_status) {
      pod.reported = pod.sent;
      pod.reported_containers = pod.sent_containers;
      if (!answer.is_unchanged && answer.base_revision == pod.reading.read) {
        pod.reading.own = answer.mod_revision;
      }
    }
  } else if (*answer.refusal != registry::Reason::kNotFound) {
    failures_.fetch_add(1, std::memory_order_relaxed);
    pod.is_dirty = pod.is_dirty || is_status;
    pod.is_delete_sent = pod.is_delete_sent && is_status;
    pod.retry_due =
        now_.steady + (kRetryMinNanos << std::min<int>(pod.failures, kRetryDoublingsMax));
    pod.failures = static_cast<uint8_t>(std::min(pod.failures + 1, 200));
  }
  if (pod.has_news) {
    pod.has_news = false;
    if (pod.reading.IsNews(pod.object->mod_revision)) {
      ReadPod(answer.index);
      return;
    }
    pod.reading = {.read = pod.object->mod_revision};
  }
  SettlePod(answer.index);
}

}  // namespace socle::hollow
