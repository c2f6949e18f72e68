#include "bench/load/load_runner.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

// A run of a given time sends what is due in it for so much longer, and then no more.
constexpr int64_t kLateNanos = kNanosPerSecond / 2;
constexpr int64_t kDrainNanos = 2 * kNanosPerSecond;
// A server that answers nothing but errors for so long is gone: the run would never end.
constexpr int64_t kGiveUpNanos = 10 * kNanosPerSecond;

std::string ErrorText(const absl::Status& status) {
  return fmt::format("{}: {}", absl::StatusCodeToString(status.code()), MessageOf(status));
}

}  // namespace

LoadRunner::LoadRunner(server::ClientLoop* loop, std::vector<Caller*> callers,
                       RequestSource* source, const LoadOptions& options)
    : loop_(loop),
      source_(source),
      options_(options),
      call_options_{options.timeout_nanos, {}},
      clients_(options.clients) {
  CHECK(!callers.empty());
  CHECK(!clients_.empty());
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].caller = callers[i % callers.size()];
    idle_.push_back(i);
  }
  for (std::string& name : source_->parts()) {
    result_.parts.push_back({std::move(name), {}});
  }
}

void LoadRunner::Start() {
  loop_->Post([this] {
    start_nanos_ = Clock::Real()->MonotonicNanos();
    last_success_nanos_ = start_nanos_;
    measure_from_nanos_ = start_nanos_ + options_.warmup_nanos;
    if (options_.duration_nanos > 0) {
      end_nanos_ = measure_from_nanos_ + options_.duration_nanos;
      give_up_nanos_ = end_nanos_ + kLateNanos;
    }
    if (options_.rate > 0) {
      schedule_.emplace(start_nanos_, options_.rate);
    }
    SendDue();
  });
}

void LoadRunner::RequestStop(std::string reason) {
  loop_->Post([this, reason = std::move(reason)] { StopSending(reason); });
}

bool LoadRunner::WaitFor(int64_t nanos) {
  const int64_t give_up = Clock::Real()->MonotonicNanos() + nanos;
  MutexLock lock(&mu_);
  while (!has_ended_) {
    const int64_t left = give_up - Clock::Real()->MonotonicNanos();
    if (left <= 0) {
      return false;
    }
    ended_.WaitFor(&mu_, std::chrono::nanoseconds(left));
  }
  return true;
}

void LoadRunner::SendDue() {
  bool is_all_sent = false;
  while (!is_stopping_ && !idle_.empty()) {
    const int64_t now = Clock::Real()->MonotonicNanos();
    const int64_t due = schedule_ ? schedule_->DueNanos(next_) : now;
    is_all_sent = next_ >= options_.total || due >= end_nanos_ || now >= give_up_nanos_;
    if (is_all_sent) {
      break;
    }
    if (schedule_) {
      if (due > now) {
        if (timer_nanos_ != due) {
          timer_nanos_ = due;
          loop_->RunAt(due, [this] { SendDue(); });
        }
        return;
      }
    }
    const size_t client = idle_.front();
    idle_.pop_front();
    Send(client, due, now);
  }
  if ((is_stopping_ || is_all_sent) && idle_.size() == clients_.size()) {
    Finish();
  }
}

void LoadRunner::Send(size_t index, int64_t due_nanos, int64_t now_nanos) {
  Client& client = clients_[index];
  client.is_busy = true;
  client.sequence = next_++;
  client.due_nanos = due_nanos;
  client.call_nanos = due_nanos;
  const google::protobuf::MessageLite& message = source_->Build(client.sequence);
  // The clock again: what it took to make the message is the generator's time and not the server's.
  client.sent_nanos = schedule_ ? Clock::Real()->MonotonicNanos() : now_nanos;
  if (due_nanos >= measure_from_nanos_) {
    ++result_.issued_measured;
    if (schedule_) {
      result_.lateness.Record(client.sent_nanos - std::max(due_nanos, client.idle_nanos));
      result_.waited += client.idle_nanos > due_nanos ? 1U : 0U;
    }
  }
  SendCall(index, message);
}

void LoadRunner::SendCall(size_t index, const google::protobuf::MessageLite& message) {
  Client& client = clients_[index];
  client.part = source_->part();
  switch (source_->kind()) {
    case RequestSource::Kind::kKeptStream:
      SendOnStream(index, message);
      return;
    case RequestSource::Kind::kServerStream:
      OpenServerStream(index, message);
      return;
    case RequestSource::Kind::kUnary:
      client.caller->Unary(source_->path(), message, call_options_,
                           [this, index](const absl::Status& status, std::string_view response) {
                             OnAnswer(index, status, response);
                           });
  }
}

void LoadRunner::SendOnStream(size_t index, const google::protobuf::MessageLite& message) {
  Client& client = clients_[index];
  if (client.stream == nullptr || client.stream->is_ended()) {
    // No deadline: the stream lives for as long as the run. A server that falls silent leaves its
    // requests unanswered, which is reported.
    client.stream = client.caller->OpenStream(
        source_->path(), {},
        {.on_message =
             [this, index](std::string_view answer) { OnAnswer(index, absl::OkStatus(), answer); },
         .on_end =
             [this, index](const absl::Status& status) {
               if (clients_[index].is_busy) {
                 OnAnswer(
                     index,
                     status.ok() ? absl::UnavailableError("the server ended the stream") : status,
                     {});
               }
             }});
  }
  client.stream->Send(message);
}

void LoadRunner::OpenServerStream(size_t index, const google::protobuf::MessageLite& message) {
  Client& client = clients_[index];
  client.last_message.clear();
  client.stream = client.caller->OpenStream(
      source_->path(), call_options_,
      {.on_message =
           [this, index](std::string_view answer) {
             result_.response_bytes += answer.size();
             clients_[index].last_message.assign(answer);
           },
       .on_end =
           [this, index](const absl::Status& status) {
             const std::string last = std::move(clients_[index].last_message);
             if (status.ok()) {
               result_.response_bytes -= last.size();  // Measure counts it.
             }
             OnAnswer(index, status, last);
           }});
  client.stream->Send(message);
  client.stream->HalfClose();
}

void LoadRunner::OnAnswer(size_t index, const absl::Status& end, std::string_view response) {
  Client& client = clients_[index];
  if (is_finished_ || !client.is_busy) {
    return;
  }
  absl::Status status = end;
  const int64_t now = Clock::Real()->MonotonicNanos();
  const bool is_measured = client.due_nanos >= measure_from_nanos_;
  if (status.ok()) {
    const absl::StatusOr<const google::protobuf::MessageLite*> next =
        source_->Next(client.sequence, response);
    status = next.status();
    if (next.ok() && is_measured) {
      result_.response_bytes += response.size();
      if (!result_.parts.empty()) {
        result_.parts[client.part].latency.Record(now - client.call_nanos);
      }
    }
    if (next.ok() && *next != nullptr) {
      client.call_nanos = now;
      SendCall(index, **next);
      return;
    }
  }
  client.is_busy = false;
  client.idle_nanos = now;
  if (status.ok()) {
    if (is_measured) {
      result_.latency.Record(now - client.due_nanos);
      result_.service_time.Record(now - client.sent_nanos);
      ++result_.succeeded;
    }
    last_success_nanos_ = now;
  } else {
    ++result_.errors[ErrorText(status)];
    KeepFailed(client.sequence);
    errors_.fetch_add(1, std::memory_order_relaxed);
    if (now - last_success_nanos_ > kGiveUpNanos) {
      StopSending(fmt::format("no request succeeded for {} s", kGiveUpNanos / kNanosPerSecond));
    }
  }
  slots_.Count(now - start_nanos_, status.ok(), now - client.due_nanos);
  recent_p99_.store(slots_.recent_p99_nanos(), std::memory_order_relaxed);
  done_.fetch_add(1, std::memory_order_relaxed);
  idle_.push_back(index);
  SendDue();
}

void LoadRunner::KeepFailed(uint64_t sequence) {
  if (result_.failed.size() < LoadResult::kFailedKept) {
    result_.failed.push_back(sequence);
  } else {
    result_.has_all_failed = false;
  }
}

void LoadRunner::StopSending(const std::string& reason) {
  if (is_stopping_ || is_finished_) {
    return;
  }
  is_stopping_ = true;
  result_.stop_reason = reason;
  loop_->RunAt(Clock::Real()->MonotonicNanos() + kDrainNanos, [this] { Finish(); });
  if (idle_.size() == clients_.size()) {
    Finish();
  }
}

void LoadRunner::Finish() {
  if (is_finished_) {
    return;
  }
  is_finished_ = true;
  for (const Client& client : clients_) {
    if (client.stream != nullptr) {
      client.stream->HalfClose();
    }
    if (client.is_busy) {
      ++result_.errors[std::string(kUnanswered)];
      KeepFailed(client.sequence);
    }
  }
  std::sort(result_.failed.begin(), result_.failed.end());
  result_.issued = next_;
  if (schedule_ && give_up_nanos_ < INT64_MAX && result_.stop_reason.empty()) {
    const auto due = static_cast<uint64_t>(static_cast<double>(end_nanos_ - start_nanos_) /
                                           kNanosPerSecond * options_.rate);
    result_.unsent = due - std::min(due, next_);
  }
  const int64_t now = Clock::Real()->MonotonicNanos();
  result_.slots = slots_.Finish(now - start_nanos_);
  result_.warmup_nanos = options_.warmup_nanos;
  result_.elapsed_nanos = std::max<int64_t>(now - measure_from_nanos_, 0);
  result_.counters = source_->counters();
  if (result_.succeeded == 0 && result_.errors.empty() && result_.stop_reason.empty()) {
    result_.stop_reason = "everything was sent within the warm-up: raise --total or lower --warmup";
  }
  MutexLock lock(&mu_);
  has_ended_ = true;
  ended_.SignalAll();
}

}  // namespace socle::bench
