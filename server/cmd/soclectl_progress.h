// Progress: how far a walk over a file is, on a terminal, when it takes longer than two seconds.
//
// Laws     1. Nothing is printed where standard error is no terminal.
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_PROGRESS_H_
#define SOCLE_SERVER_CMD_SOCLECTL_PROGRESS_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "kv/bolt/check.h"
#include "server/cmd/soclectl_console.h"

namespace socle::server {

// A line that is drawn over itself.
class ProgressLine {
 public:
  explicit ProgressLine(const Console* console)
      : console_(console), started_nanos_(console->clock->MonotonicNanos()) {}

  // Wipes the line.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `text` with the seconds behind it, when it is time to draw.
  void Draw(std::string_view text);

 private:
  const Console* const console_;
  const int64_t started_nanos_;
  int64_t drawn_nanos_ = 0;  // 0: not yet
};

// Wraps another visitor of the same walk, which may be null.
class Progress final : public kv::bolt::CensusVisitor {
 public:
  Progress(const Console* console, const kv::bolt::PageReader& reader,
           kv::bolt::CensusVisitor* inner);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void EnterBucket(std::string_view name, const kv::bolt::BucketRoot& bucket) override;
  void LeaveBucket() override;
  void Page(const kv::bolt::PageView& page, std::span<const PageId> path) override;

 private:
  void Draw();

  const Console* const console_;
  kv::bolt::CensusVisitor* const inner_;
  const uint32_t page_size_;
  const uint64_t pages_in_file_;
  ProgressLine line_;
  uint64_t visits_ = 0;
  uint64_t pages_ = 0;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_PROGRESS_H_
