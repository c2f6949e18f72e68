#include "bench/workload/watch_crowd.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

struct WatchCrowd::State {
  // Of the loop's thread.
  std::vector<std::shared_ptr<CallStream>> streams;
  std::function<void(const mvccpb::Event&)> on_event;
  etcdserverpb::WatchResponse response;

  Mutex mu;
  CondVar changed;
  std::vector<uint64_t> events ABSL_GUARDED_BY(mu);  // by watcher
  uint64_t total ABSL_GUARDED_BY(mu) = 0;
  uint64_t messages ABSL_GUARDED_BY(mu) = 0;
  uint64_t created ABSL_GUARDED_BY(mu) = 0;
  int64_t started_nanos ABSL_GUARDED_BY(mu) = 0;
  int64_t last_event_nanos ABSL_GUARDED_BY(mu) = 0;
  std::string error ABSL_GUARDED_BY(mu);
  bool is_over ABSL_GUARDED_BY(mu) = false;

  void Fail(std::string why) {
    MutexLock lock(&mu);
    if (!is_over && error.empty()) {
      error = std::move(why);
    }
    changed.SignalAll();
  }

  // Watcher n of a stream, which the server numbers from 0 on, is watcher n * of_streams + stream of the crowd.
  void OnMessage(uint64_t stream, uint64_t of_streams, std::string_view message) {
    if (!response.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      Fail("a message on a watch stream is no WatchResponse");
      return;
    }
    if (response.canceled()) {
      Fail(fmt::format("a watch was cancelled: {}{}", response.cancel_reason(),
                       response.compact_revision() > 0 ? " (compacted)" : ""));
      return;
    }
    const uint64_t watcher = static_cast<uint64_t>(response.watch_id()) * of_streams + stream;
    if (watcher == 0 && on_event) {
      for (const mvccpb::Event& event : response.events()) {
        on_event(event);
      }
    }
    MutexLock lock(&mu);
    if (response.created() && ++created == events.size()) {
      changed.SignalAll();
    }
    if (watcher < events.size() && response.events_size() > 0) {
      events[watcher] += static_cast<uint64_t>(response.events_size());
      total += static_cast<uint64_t>(response.events_size());
      ++messages;
      last_event_nanos = Clock::Real()->MonotonicNanos();
      changed.SignalAll();
    }
  }
};

WatchCrowd::WatchCrowd(WatchCrowdOptions options)
    : options_(std::move(options)), state_(std::make_unique<State>()) {
  state_->on_event = options_.on_event;
}

WatchCrowd::~WatchCrowd() = default;

absl::Status WatchCrowd::Start(server::ClientLoop* loop, const std::vector<Caller*>& callers) {
  loop_ = loop;
  {
    MutexLock lock(&state_->mu);
    state_->events.assign(options_.watchers, 0);
    state_->started_nanos = Clock::Real()->MonotonicNanos();
    state_->last_event_nanos = state_->started_nanos;
  }
  loop->Post([state = state_.get(), options = options_, callers] {
    const uint64_t streams = std::min(options.streams, options.watchers);
    etcdserverpb::WatchRequest request;
    *request.mutable_create_request() = options.create;
    for (uint64_t s = 0; s < streams; ++s) {
      server::StreamCallbacks callbacks;
      callbacks.on_message = [state, s, streams](std::string_view message) {
        state->OnMessage(s, streams, message);
      };
      callbacks.on_end = [state](const absl::Status& status) {
        state->Fail(fmt::format("a watch stream ended: {}", MessageOf(status)));
      };
      state->streams.push_back(callers[s % callers.size()]->OpenStream(server::method::kWatch, {},
                                                                       std::move(callbacks)));
    }
    for (uint64_t w = 0; w < options.watchers; ++w) {
      state->streams[w % streams]->Send(request);
    }
  });
  if (!options_.waits_for_creation) {
    return absl::OkStatus();
  }
  const int64_t give_up = Clock::Real()->MonotonicNanos() + options_.patience_nanos;
  MutexLock lock(&state_->mu);
  while (state_->created < options_.watchers && state_->error.empty()) {
    const int64_t left = give_up - Clock::Real()->MonotonicNanos();
    if (left <= 0) {
      return absl::DeadlineExceededError(fmt::format("only {} of {} watchers were created in time",
                                                     state_->created, options_.watchers));
    }
    state_->changed.WaitFor(&state_->mu, std::chrono::nanoseconds(left));
  }
  return state_->error.empty() ? absl::OkStatus() : absl::UnavailableError(state_->error);
}

// False when the patience ran out or something failed.
bool WatchCrowd::AwaitEvents(uint64_t wanted) {
  MutexLock lock(&state_->mu);
  int64_t since = Clock::Real()->MonotonicNanos();
  while (state_->total < wanted && state_->error.empty()) {
    since = std::max(since, state_->last_event_nanos);
    const int64_t left = since + options_.patience_nanos - Clock::Real()->MonotonicNanos();
    if (left <= 0) {
      return false;
    }
    state_->changed.WaitFor(&state_->mu, std::chrono::nanoseconds(left));
  }
  return state_->error.empty();
}

void WatchCrowd::Stop() {
  const uint64_t each = options_.expected_events ? options_.expected_events() : 0;
  if (options_.expected_events) {
    static_cast<void>(AwaitEvents(each * options_.watchers));
  }
  uint64_t missing = 0;
  uint64_t repeated = 0;
  {
    MutexLock lock(&state_->mu);
    state_->is_over = true;
    if (options_.expected_events) {
      for (const uint64_t events : state_->events) {
        missing += each - std::min(events, each);
        repeated += events - std::min(events, each);
      }
    }
    report_.name = options_.name;
    report_.counters = {{"watchers", options_.watchers},
                        {"events", state_->total},
                        {"messages", state_->messages},
                        {"milliseconds until the last event",
                         static_cast<uint64_t>((state_->last_event_nanos - state_->started_nanos) /
                                               kNanosPerMilli)}};
    report_.error = state_->error;
  }
  if (report_.error.empty() && (missing > 0 || repeated > 0)) {
    report_.error = fmt::format("{} events missing, {} too many", missing, repeated);
  }
  loop_->Post([state = state_.get()] {
    for (const auto& stream : state->streams) {
      stream->Cancel();
    }
  });
}

CompanionReport WatchCrowd::report() const {
  return report_;
}

}  // namespace socle::bench
