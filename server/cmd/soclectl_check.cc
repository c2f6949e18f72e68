#include <memory>
#include <optional>

#include <fmt/format.h>

#include "kv/bolt/bucket_stats.h"
#include "kv/bolt/check.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

using kv::bolt::BucketFigures;
using kv::bolt::BucketStats;
using kv::bolt::Finding;
using kv::bolt::MetaPage;
using kv::bolt::OfflineFile;
using kv::bolt::PageCensus;

// One broken meta page is what a power failure in the middle of its write leaves: the file is whole without it.
void NoteBrokenMeta(const OfflineFile& file, const Console& console) {
  for (uint64_t id = 0; id < 2; ++id) {
    const MetaPage& page = file.meta_pages().at(id);
    if (!page.is_valid()) {
      console.out(fmt::format("{}: note: page {}: {}; commit {} of page {} counts\n", file.path(),
                              id, Describe(page), Raw(file.meta().txid), 1 - id));
    }
  }
}

}  // namespace

int DbCheck(const CheckOptions& options, const Console& console) {
  const auto opened = OpenDatabase(console, options.path);
  if (!opened.ok()) {
    return Fail(console, opened.status());
  }
  const OfflineFile& file = **opened;
  BucketStats stats(file.meta().root, file.meta().page_size);
  std::optional<Progress> progress;
  progress.emplace(&console, file.reader(), &stats);
  PageCensus census(file.verifying_reader(), PageCensus::Options{.keys = PageCensus::Keys::kVerify,
                                                                 .findings_max = options.limit,
                                                                 .goes_on = true,
                                                                 .visitor = &*progress});
  census.VerifyMetaPages(file.meta_pages());
  census.CountCommit(file.meta()).IgnoreError();  // the findings say more
  progress.reset();

  NoteBrokenMeta(file, console);
  for (const Finding& finding : census.findings()) {
    console.out(fmt::format("{}: {}\n", file.path(), finding.Text()));
  }
  const uint64_t pages = Raw(file.meta().high_water);
  const std::string what = fmt::format("{} pages of {} bytes, commit {}", pages,
                                       file.meta().page_size, Raw(file.meta().txid));
  if (census.findings_total() > 0) {
    const uint64_t hidden = census.findings_total() - census.findings().size();
    console.out(
        fmt::format("{}: BROKEN: {} findings{} in {}\n", file.path(), census.findings_total(),
                    hidden > 0 ? fmt::format(" ({} not shown, see --limit)", hidden) : "", what));
    return kExitBroken;
  }
  uint64_t keys = 0;
  for (const BucketFigures& bucket : stats.buckets()) {
    keys += bucket.keys;
  }
  console.out(fmt::format("{}: clean: {}, {} in use, {} buckets, {} keys\n", file.path(), what,
                          census.pages_counted() + Raw(kv::bolt::kFirstDataPage),
                          stats.buckets().size() - 1, keys));
  return kExitDone;
}

}  // namespace socle::server
