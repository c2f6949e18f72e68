#include "server/cmd/soclectl_progress.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace socle::server {
namespace {

constexpr int64_t kSilentNanos = 2 * kNanosPerSecond;
constexpr int64_t kRedrawNanos = kNanosPerSecond / 5;
// The clock is read once in so many pages.
constexpr uint64_t kVisitsPerLook = 64;
constexpr size_t kBarWidth = 30;

}  // namespace

ProgressLine::~ProgressLine() {
  if (drawn_nanos_ != 0) {
    console_->err("\r\033[K");
  }
}

void ProgressLine::Draw(std::string_view text) {
  if (!console_->err_is_terminal) {
    return;
  }
  const int64_t now = console_->clock->MonotonicNanos();
  if (now - started_nanos_ < kSilentNanos || now - drawn_nanos_ < kRedrawNanos) {
    return;
  }
  drawn_nanos_ = now;
  console_->err(fmt::format("\r{}, {} s\033[K", text, (now - started_nanos_) / kNanosPerSecond));
}

Progress::Progress(const Console* console, const kv::bolt::PageReader& reader,
                   kv::bolt::CensusVisitor* inner)
    : console_(console),
      inner_(inner),
      page_size_(reader.page_size()),
      pages_in_file_(Raw(reader.high_water())),
      line_(console) {}

void Progress::EnterBucket(std::string_view name, const kv::bolt::BucketRoot& bucket) {
  if (inner_ != nullptr) {
    inner_->EnterBucket(name, bucket);
  }
}

void Progress::LeaveBucket() {
  if (inner_ != nullptr) {
    inner_->LeaveBucket();
  }
}

void Progress::Page(const kv::bolt::PageView& page, std::span<const PageId> path) {
  if (inner_ != nullptr) {
    inner_->Page(page, path);
  }
  pages_ += page.extent() / page_size_;
  if (console_->err_is_terminal && ++visits_ % kVisitsPerLook == 0) {
    Draw();
  }
}

void Progress::Draw() {
  const uint64_t percent = std::min<uint64_t>(100, pages_ * 100 / pages_in_file_);
  const size_t filled = kBarWidth * percent / 100;
  // Free pages are not walked, so the end may come before the bar is full.
  line_.Draw(fmt::format("[{}{}] {} of at most {} pages", std::string(filled, '#'),
                         std::string(kBarWidth - filled, '.'), pages_, pages_in_file_));
}

}  // namespace socle::server
