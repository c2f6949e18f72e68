#include "server/backup/backup_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

// Time marks are at least so far apart: what `restore --to-time` is exact to.
constexpr int64_t kLookNanos = 100 * kNanosPerMilli;
constexpr int64_t kRetryFirstNanos = kNanosPerSecond;
constexpr int64_t kRetryMaxNanos = 30 * kNanosPerSecond;
constexpr int64_t kBaseRetryNanos = 60 * kNanosPerSecond;
constexpr int64_t kComplainNanos = 60 * kNanosPerSecond;

Clock* ClockOf(const BackupOptions& options) {
  return options.clock != nullptr ? options.clock : Clock::Real();
}

double Seconds(int64_t nanos) {
  return static_cast<double>(nanos) * 1e-9;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BackupService>> BackupService::Start(mvcc::Store* store,
                                                                    Options options) {
  ASSIGN_OR_RETURN(std::unique_ptr<BackupWriter> writer, BackupWriter::Open(store, options.backup));
  return std::unique_ptr<BackupService>(new BackupService(store, options, std::move(writer)));
}

BackupService::BackupService(mvcc::Store* store, const Options& options,
                             std::unique_ptr<BackupWriter> writer)
    : store_(store),
      clock_(ClockOf(options.backup)),
      save_interval_nanos_(options.save_interval_nanos),
      look_interval_nanos_(std::min(options.save_interval_nanos, kLookNanos)),
      writer_(std::move(writer)),
      thread_("backup", [this] { Run(); }) {}

BackupService::~BackupService() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    wake_.SignalAll();
  }
  thread_.Join();
}

bool BackupService::IsStopping() const {
  MutexLock lock(&mu_);
  return is_stopping_;
}

void BackupService::Run() {
  while (!IsStopping()) {
    if (KeepUp().ok()) {
      MakeBaseIfDue();
    }
    MutexLock lock(&mu_);
    if (!is_stopping_) {
      wake_.WaitFor(&mu_, std::chrono::nanoseconds(look_interval_nanos_));
    }
  }
  if (const absl::Status closed = writer_->Close(); !closed.ok()) {
    LogError("backup: what was written last is not saved", {{"error", closed}});
  }
}

absl::Status BackupService::KeepUp() {
  if (IsStopping()) {
    return absl::CancelledError("the server stops");
  }
  writer_->NoteTime();
  return SaveIfDue();
}

absl::Status BackupService::SaveIfDue() {
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_save_) {
    return absl::OkStatus();
  }
  const absl::Status saved = writer_->Save();
  if (saved.ok()) {
    NoteSuccess("saving", &is_save_failing_);
    retry_nanos_ = 0;
    next_save_ = now + save_interval_nanos_;
    return saved;
  }
  NoteFailure(saved, &is_save_failing_);
  retry_nanos_ = std::clamp(2 * retry_nanos_, kRetryFirstNanos, kRetryMaxNanos);
  next_save_ = now + retry_nanos_;
  return saved;
}

void BackupService::MakeBaseIfDue() {
  if (retry_nanos_ > 0 || clock_->MonotonicNanos() < next_base_) {
    return;
  }
  if (!writer_->IsBaseDue()) {  // it may have been made, and what came after it failed
    NoteSuccess("bases", &is_base_failing_);
    return;
  }
  const absl::Status made = writer_->MakeBase([this] { return KeepUp(); });
  if (made.ok()) {
    NoteSuccess("bases", &is_base_failing_);
  }
  if (made.ok() || absl::IsCancelled(made)) {
    return;
  }
  PROBE("backup: a base failed");
  NoteFailure(Annotate(made, "a base can't be made"), &is_base_failing_);
  next_save_ =
      retry_nanos_ > 0 ? next_save_ : 0;  // only behind a save is it known whether one is due
  next_base_ = clock_->MonotonicNanos() + (absl::IsAborted(made) ? 0 : kBaseRetryNanos);
}

void BackupService::NoteSuccess(std::string_view what, std::atomic<bool>* is_failing) {
  if (is_failing->exchange(false, std::memory_order_relaxed)) {
    LogInfo("backup: goes on",
            {{"with", what}, {"saved-revision", writer_->figures().saved_revision}});
  }
}

void BackupService::NoteFailure(const absl::Status& status, std::atomic<bool>* is_failing) {
  failures_.fetch_add(1, std::memory_order_relaxed);
  const bool was_failing = is_failing->exchange(true, std::memory_order_relaxed);
  const int64_t now = clock_->MonotonicNanos();
  if (!was_failing || now >= next_complaint_) {
    next_complaint_ = now + kComplainNanos;
    LogError("backup: can't save, the server goes on without it",
             {{"error", status},
              {"saved-revision", writer_->figures().saved_revision},
              {"failures", failures_.load(std::memory_order_relaxed)}});
  }
}

std::vector<MoreMetric> BackupService::Metrics() const {
  const BackupFigures figures = writer_->figures();
  const uint64_t logged = store_->log_index();
  const bool is_failing = is_save_failing_.load(std::memory_order_relaxed) ||
                          is_base_failing_.load(std::memory_order_relaxed);
  const auto gauge = [](std::string name, std::string help, double value) {
    return MoreMetric{.name = std::move(name), .help = std::move(help), .value = value};
  };
  const auto counter = [](std::string name, std::string help, uint64_t value) {
    return MoreMetric{.name = std::move(name),
                      .help = std::move(help),
                      .is_counter = true,
                      .value = static_cast<double>(value)};
  };
  return {gauge("socle_backup_saved_revision", "Newest revision that the backup can restore.",
                static_cast<double>(figures.saved_revision)),
          gauge("socle_backup_saved_time_seconds",
                "Everything written before this time (since the Unix epoch) is in the backup.",
                Seconds(figures.saved_wall_nanos)),
          gauge("socle_backup_base_time_seconds",
                "When the newest base was made, since the Unix epoch.",
                Seconds(figures.base_wall_nanos)),
          gauge("socle_backup_unsaved_entries", "Log entries that are not in the backup.",
                static_cast<double>(logged - std::min(logged, figures.saved_index))),
          gauge("socle_backup_failing",
                "1 while the log can't be saved, or a base that is due can't be made.",
                is_failing ? 1.0 : 0.0),
          counter("socle_backup_failures_total", "Attempts to write the backup that failed.",
                  failures_.load(std::memory_order_relaxed)),
          counter("socle_backup_bases_total", "Bases made.", figures.bases),
          counter("socle_backup_written_bytes_total", "Bytes written to the backup.",
                  figures.written_bytes)};
}

}  // namespace socle::server
