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

constexpr int64_t kDrainNanos = 2 * kNanosPerSecond;
// A server that answers nothing but errors for so long is gone: the run would never end.
constexpr int64_t kGiveUpNanos = 10 * kNanosPerSecond;

std::string ErrorText(const absl::Status& status) {
  return fmt::format("{}: {}", absl::StatusCodeToString(status.code()), MessageOf(status));
}

}  // namespace

LoadRunner::LoadRunner(server::ClientLoop* loop, std::vector<server::Channel*> channels,
                       RequestSource* source, const LoadOptions& options)
    : loop_(loop),
      source_(source),
      options_(options),
      call_options_{options.timeout_nanos, {}},
      clients_(options.clients) {
  CHECK(!channels.empty());
  CHECK(!clients_.empty());
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].channel = channels[i % channels.size()];
    idle_.push_back(i);
  }
}

void LoadRunner::Start() {
  loop_->Post([this] {
    start_nanos_ = Clock::Real()->MonotonicNanos();
    last_success_nanos_ = start_nanos_;
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
  while (!is_stopping_ && !idle_.empty() && next_ < options_.total) {
    const int64_t now = Clock::Real()->MonotonicNanos();
    int64_t due = now;
    if (schedule_) {
      due = schedule_->DueNanos(next_);
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
  if ((is_stopping_ || next_ == options_.total) && idle_.size() == clients_.size()) {
    Finish();
  }
}

void LoadRunner::Send(size_t index, int64_t due_nanos, int64_t now_nanos) {
  Client& client = clients_[index];
  client.is_busy = true;
  client.sequence = next_++;
  client.due_nanos = due_nanos;
  client.sent_nanos = now_nanos;
  if (source_->keeps_stream()) {
    SendOnStream(index);
    return;
  }
  client.channel->Unary(source_->path(), source_->Build(client.sequence), call_options_,
                        [this, index](const absl::Status& status, std::string_view response) {
                          OnAnswer(index, status, response);
                        });
}

void LoadRunner::SendOnStream(size_t index) {
  Client& client = clients_[index];
  if (client.stream == nullptr || client.stream->is_ended()) {
    // No deadline: the stream lives for as long as the run. A server that falls silent leaves its
    // requests unanswered, which is reported.
    client.stream = client.channel->OpenStream(
        source_->path(), {},
        {.on_message =
             [this, index](std::string_view message) {
               OnAnswer(index, absl::OkStatus(), message);
             },
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
  client.stream->Send(source_->Build(client.sequence));
}

void LoadRunner::OnAnswer(size_t index, const absl::Status& end, std::string_view response) {
  if (is_finished_) {
    return;
  }
  const absl::Status status = end.ok() ? source_->Judge(response) : end;
  Client& client = clients_[index];
  client.is_busy = false;
  const int64_t now = Clock::Real()->MonotonicNanos();
  if (status.ok()) {
    result_.latency.Record(now - client.due_nanos);
    result_.service_time.Record(now - client.sent_nanos);
    result_.response_bytes += response.size();
    ++result_.succeeded;
    last_success_nanos_ = now;
  } else {
    ++result_.errors[ErrorText(status)];
    KeepFailed(client.sequence);
    errors_.fetch_add(1, std::memory_order_relaxed);
    if (now - last_success_nanos_ > kGiveUpNanos) {
      StopSending(fmt::format("no request succeeded for {} s", kGiveUpNanos / kNanosPerSecond));
    }
  }
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
      ++result_.errors["unanswered when the run was stopped"];
      KeepFailed(client.sequence);
    }
  }
  std::sort(result_.failed.begin(), result_.failed.end());
  result_.issued = next_;
  result_.elapsed_nanos = Clock::Real()->MonotonicNanos() - start_nanos_;
  MutexLock lock(&mu_);
  has_ended_ = true;
  ended_.SignalAll();
}

}  // namespace socle::bench
