#include "server/ops/slow_log.h"

#include <optional>
#include <string>

#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

std::string Millis(int64_t nanos) {
  return fmt::format("{:.3f}ms", static_cast<double>(nanos) / static_cast<double>(kNanosPerMilli));
}

std::string_view CodeName(const absl::Status& status) {
  return RpcCodeName(status.code());
}

// What the first range is about: of most calls the only one.
CallRange FirstOf(const CallSubject& subject) {
  return subject.ranges.empty() ? CallRange() : subject.ranges.front();
}

std::string PathOf(RpcMethod method) {
  const RpcMethodName& name = kRpcMethods[static_cast<size_t>(method)];
  return fmt::format("/{}/{}", name.service, name.method);
}

// Without values, as etcd prints requests into this line.
std::string ContentOf(const CallSubject& subject) {
  std::string text;
  for (const CallRange& range : subject.ranges) {
    text += fmt::format("{}{} key:\"{}\"", text.empty() ? "" : " ", NameOf(range.verb),
                        PrintableKey(range.key, SlowLog::kKeyBytesMax));
    if (!range.range_end.empty()) {
      text +=
          fmt::format(" range_end:\"{}\"", PrintableKey(range.range_end, SlowLog::kKeyBytesMax));
    }
    if (range.verb == CallVerb::kPut) {
      text += fmt::format(" value_size:{}", range.value_bytes);
    }
    constexpr size_t kContentBytesMax = 1'024;
    if (text.size() > kContentBytesMax) {
      return text + " …";
    }
  }
  return text;
}

}  // namespace

SlowLog::~SlowLog() {
  if (const uint64_t left_out = phases_budget_.left_out() + warning_budget_.left_out();
      left_out > 0) {
    LogWarning("slow requests were left out", {{"left-out", left_out}});
  }
}

bool SlowLog::IsSlow(int64_t took_nanos) const {
  return (thresholds_.phases_nanos > 0 && took_nanos >= thresholds_.phases_nanos) ||
         (thresholds_.warning_nanos > 0 && took_nanos >= thresholds_.warning_nanos);
}

void SlowLog::Note(const CallNote& note, int64_t sent_nanos, const CallSubject& subject,
                   std::string_view user, const absl::Status& status) {
  const CallPhases phases = PhasesOf(note, sent_nanos);
  const int64_t took = phases.total();
  if (thresholds_.phases_nanos > 0 && took >= thresholds_.phases_nanos) {
    NotePhases(note, phases, subject, user, status);
  }
  if (thresholds_.warning_nanos > 0 && took >= thresholds_.warning_nanos) {
    NoteAsEtcd(note, phases, subject);
  }
}

void SlowLog::NotePhases(const CallNote& note, const CallPhases& phases, const CallSubject& subject,
                         std::string_view user, const absl::Status& status) {
  const std::optional<uint64_t> left_out = phases_budget_.Take(Clock::Real()->MonotonicNanos());
  if (!left_out.has_value()) {
    PROBE("slow log: a line is left out");
    return;
  }
  const CallRange first = FirstOf(subject);
  LogWarning("slow request", {{"method", kRpcMethods[static_cast<size_t>(note.method)].method},
                              {"key", PrintableKey(first.key, kKeyBytesMax)},
                              {"range-end", PrintableKey(first.range_end, kKeyBytesMax)},
                              {"ranges", subject.ranges_total},
                              {"code", CodeName(status)},
                              {"user", user},
                              {"remote", note.remote},
                              {"request-bytes", note.request_bytes},
                              {"response-bytes", note.response_bytes},
                              {"took", Millis(phases.total())},
                              {"worker-wait", Millis(phases.worker_wait)},
                              {"queue", Millis(phases.queue)},
                              {"log-sync", Millis(phases.log_sync)},
                              {"apply", Millis(phases.apply)},
                              {"work", Millis(phases.work)},
                              {"answer", Millis(phases.answer)},
                              {"send", Millis(phases.send)},
                              {"left-out", *left_out}});
}

void SlowLog::NoteAsEtcd(const CallNote& note, const CallPhases& phases,
                         const CallSubject& subject) {
  const std::optional<uint64_t> left_out = warning_budget_.Take(Clock::Real()->MonotonicNanos());
  if (!left_out.has_value()) {
    return;
  }
  LogWarning("request stats", {{"start time", WallTimeText(note.received_wall)},
                               {"time spent", Millis(phases.total())},
                               {"remote", note.remote},
                               {"response type", PathOf(note.method)},
                               {"request count", subject.ranges_total},
                               {"request size", note.request_bytes},
                               {"response size", note.response_bytes},
                               {"request content", ContentOf(subject)},
                               {"left-out", *left_out}});
}

}  // namespace socle::server
