#include "controllers/runtime/event_recorder.h"

#include <algorithm>
#include <deque>
#include <list>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::runtime {
namespace {

using registry::Reason;
using registry::Written;

constexpr size_t kPendingMax = 4'096;
constexpr size_t kKnownMax = 4'096;
constexpr int kInFlightMax = 64;
constexpr double kBurst = 25;
constexpr int64_t kRefillNanos = 300 * kNanosPerSecond;

// What an Event is about, kept so that it can be written again.
struct Subject {
  std::string api_version;
  std::string kind;
  std::string ns;
  std::string name;
  std::string uid;
  int64_t revision = 0;
};

// One Event. Guarded by the recorder's mutex.
struct Line {
  std::string key;
  Subject about;
  std::string source;
  std::string type;
  std::string reason;
  std::string message;
  std::string event_name;
  int64_t first_nanos = 0;
  int64_t last_nanos = 0;
  int64_t count = 0;
  bool is_created = false;  // in the store, as far as known
  bool is_pending = false;  // waits for the thread, or is being written
  bool is_changed = false;  // counted again while it was being written
};

using LineRef = std::shared_ptr<Line>;

// How many new Events one object may still get.
struct Allowance {
  double tokens = kBurst;
  int64_t at_nanos = 0;
};

api::Json Text(std::string_view text) {
  return api::Json(api::JsonView(text));
}

std::string NamespaceOf(const Line& line) {
  return line.about.ns.empty() ? "default" : line.about.ns;
}

api::Json DocumentOf(const Line& line) {
  api::JsonObject about{{"apiVersion", Text(line.about.api_version)},
                        {"kind", Text(line.about.kind)},
                        {"name", Text(line.about.name)},
                        {"uid", Text(line.about.uid)},
                        {"resourceVersion", Text(fmt::format("{}", line.about.revision))}};
  if (!line.about.ns.empty()) {
    about["namespace"] = Text(line.about.ns);
  }
  return api::JsonObject{{"apiVersion", "v1"},
                         {"kind", "Event"},
                         {"metadata", api::JsonObject{{"name", Text(line.event_name)},
                                                      {"namespace", Text(NamespaceOf(line))}}},
                         {"involvedObject", std::move(about)},
                         {"reason", Text(line.reason)},
                         {"message", Text(line.message)},
                         {"source", api::JsonObject{{"component", Text(line.source)}}},
                         {"firstTimestamp", Text(api::FormatTime(line.first_nanos))},
                         {"lastTimestamp", Text(api::FormatTime(line.last_nanos))},
                         {"count", line.count},
                         {"type", Text(line.type)},
                         {"eventTime", nullptr},
                         {"reportingComponent", Text(line.source)},
                         {"reportingInstance", ""}};
}

// `<object>.<hex>`, cut so that it is still a name.
std::string EventNameOf(const Line& line) {
  constexpr size_t kNameMax = 253 - 17;
  const uint64_t hash = StringHash()(fmt::format("{}\n{}", line.key, line.first_nanos));
  return fmt::format("{}.{:016x}", line.about.name.substr(0, kNameMax), hash);
}

class RegistryRecorder final : public EventRecorder {
 public:
  explicit RegistryRecorder(registry::Registry* registry)
      : registry_(registry), served_(registry->kinds().ByResource({"", "v1", "events"})) {
    CHECK(served_ != nullptr);
    thread_ = Thread("events", [this] { Loop(); });
  }

  ~RegistryRecorder() override {
    {
      MutexLock lock(&mu_);
      is_stopping_ = true;
      changed_.SignalAll();
    }
    thread_.Join();
    MutexLock lock(&mu_);
    while (in_flight_ > 0) {
      changed_.Wait(&mu_);
    }
  }

  void Record(std::string_view source, const registry::Object& about, EventType type,
              std::string_view reason, std::string_view message) override {
    const std::string_view type_text = type == EventType::kNormal ? "Normal" : "Warning";
    std::string key =
        fmt::format("{}\n{}\n{}\n{}\n{}", source, about.uid, type_text, reason, message);
    const int64_t now = registry_->clock()->WallNanos();
    MutexLock lock(&mu_);
    LineRef line = Find(key);
    if (line == nullptr) {
      if (pending_.size() >= kPendingMax || !TakeAllowance(source, about.uid, now)) {
        ++dropped_;
        return;
      }
      line = std::make_shared<Line>();
      line->key = std::move(key);
      line->about = {.api_version = api::StorageApiVersion(*about.kind),
                     .kind = std::string(about.kind->kind),
                     .ns = about.ns,
                     .name = about.name,
                     .uid = about.uid};
      line->source = source;
      line->type = type_text;
      line->reason = reason;
      line->message = message;
      line->first_nanos = now;
      line->event_name = EventNameOf(*line);
      Remember(line);
    } else if (!line->is_pending && pending_.size() >= kPendingMax) {
      ++dropped_;
      return;
    }
    line->about.revision = about.mod_revision;
    line->last_nanos = now;
    ++line->count;
    if (line->is_pending) {
      line->is_changed = true;
      return;
    }
    line->is_pending = true;
    pending_.push_back(std::move(line));
    changed_.SignalAll();
  }

  uint64_t dropped() const override {
    MutexLock lock(&mu_);
    return dropped_;
  }

  bool is_idle() const override {
    MutexLock lock(&mu_);
    return pending_.empty() && in_flight_ == 0;
  }

 private:
  using Recent = std::list<LineRef>;

  LineRef Find(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto at = known_.find(key);
    if (at == known_.end()) {
      return nullptr;
    }
    recent_.splice(recent_.begin(), recent_, at->second);
    return *at->second;
  }

  void Remember(const LineRef& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    recent_.push_front(line);
    known_[line->key] = recent_.begin();
    if (known_.size() > kKnownMax) {
      // Forgotten, it begins anew when it happens again.
      known_.erase(recent_.back()->key);
      recent_.pop_back();
    }
  }

  bool TakeAllowance(std::string_view source, std::string_view uid, int64_t now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (allowances_.size() > kKnownMax) {
      absl::erase_if(allowances_, [now](const auto& entry) {
        return now - entry.second.at_nanos > kRefillNanos * static_cast<int64_t>(kBurst);
      });
      if (allowances_.size() > 16 * kKnownMax) {
        allowances_.clear();
      }
    }
    const auto [at, is_new] = allowances_.try_emplace(fmt::format("{}\n{}", source, uid));
    Allowance& allowance = at->second;
    if (!is_new) {
      const auto elapsed = static_cast<double>(std::max<int64_t>(0, now - allowance.at_nanos));
      allowance.tokens =
          std::min(kBurst, allowance.tokens + elapsed / static_cast<double>(kRefillNanos));
    }
    allowance.at_nanos = now;
    if (allowance.tokens < 1) {
      return false;
    }
    allowance.tokens -= 1;
    return true;
  }

  void Loop() {
    while (true) {
      LineRef line;
      {
        MutexLock lock(&mu_);
        while (!is_stopping_ && (pending_.empty() || in_flight_ >= kInFlightMax)) {
          changed_.Wait(&mu_);
        }
        if (is_stopping_) {
          pending_.clear();
          return;
        }
        line = std::move(pending_.front());
        pending_.pop_front();
        ++in_flight_;
      }
      WriteLine(line);
    }
  }

  // Creates the Event, or brings the one in the store up to date.
  void WriteLine(const LineRef& line) {
    registry::Target target{.served = served_};
    api::Json document;
    bool is_created = false;
    {
      MutexLock lock(&mu_);
      target.ns = NamespaceOf(*line);
      target.name = line->event_name;
      document = DocumentOf(*line);
      is_created = line->is_created;
      line->is_changed = false;
    }
    auto done = [this, line](const absl::StatusOr<Written>& written) { Wrote(line, written); };
    if (!is_created) {
      registry_->Create(registry::PlaneContext("events"),
                        {.target = std::move(target), .object = std::move(document)},
                        std::move(done));
      return;
    }
    registry_->Change(registry::PlaneContext("events"),
                      {.target = std::move(target),
                       .part = registry::ChangeRequest::Part::kWhole,
                       .change =
                           [document = std::move(document)](api::Json* object) {
                             for (const std::string_view member : {"count", "lastTimestamp"}) {
                               api::Set(&object->as_object(), member,
                                        *api::Find(document, {member}));
                             }
                             return absl::OkStatus();
                           }},
                      std::move(done));
  }

  // On the store's thread, or in the call.
  void Wrote(const LineRef& line, const absl::StatusOr<Written>& written) {
    const std::optional<Reason> reason = registry::ReasonOf(written.status());
    MutexLock lock(&mu_);
    --in_flight_;
    bool is_again = line->is_changed;
    if (written.ok()) {
      line->is_created = true;
    } else if (reason == Reason::kNotFound && line->is_created) {
      line->is_created = false;  // Its time to live was over.
      is_again = true;
    } else if (reason == Reason::kAlreadyExists) {
      line->is_created = true;
      is_again = true;
    } else {
      ++dropped_;
      is_again = false;
      if (LogEnabled(LogLevel::kDebug)) {
        LogDebug("an event could not be written", {{"error", written.status()}});
      }
    }
    line->is_pending = is_again && !is_stopping_;
    if (line->is_pending) {
      pending_.push_back(line);
    }
    changed_.SignalAll();  // Under the lock: the destructor may be waiting for this.
  }

  registry::Registry* const registry_;
  const api::ServedKind* const served_;

  mutable Mutex mu_;
  CondVar changed_;
  std::deque<LineRef> pending_ ABSL_GUARDED_BY(mu_);
  int in_flight_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  Recent recent_ ABSL_GUARDED_BY(mu_);  // newest first
  StringMap<Recent::iterator> known_ ABSL_GUARDED_BY(mu_);
  StringMap<Allowance> allowances_ ABSL_GUARDED_BY(mu_);

  Thread thread_;  // last: it uses the others
};

}  // namespace

std::unique_ptr<EventRecorder> EventRecorder::Make(registry::Registry* registry) {
  return std::make_unique<RegistryRecorder>(registry);
}

}  // namespace socle::runtime
