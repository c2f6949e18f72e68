#include <string>

#include <fmt/format.h>

#include "kv/bolt/bucket_stats.h"
#include "kv/bolt/check.h"
#include "kv/bolt/printable.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

using kv::bolt::BucketFigures;
using kv::bolt::BucketStats;
using kv::bolt::OfflineFile;
using kv::bolt::PageCensus;
using kv::bolt::PageFigures;

constexpr const char* kColumns =
    "{:<24} {:>10} {:>7} {:>8} {:>8} {:>9} {:>8} {:>8} {:>12} {:>12}\n";

void PrintFile(const OfflineFile& file, const PageCensus& census, const Console& console) {
  const kv::bolt::Meta& meta = file.meta();
  const uint64_t pages = Raw(meta.high_water);
  uint64_t free = 0;
  uint64_t spans = 0;
  uint64_t longest = 0;
  for (const PageSpan& span : census.Uncounted()) {
    free += span.count;
    ++spans;
    longest = std::max(longest, span.count);
  }
  console.out(fmt::format(
      "file             {}\n"
      "size             {} bytes\n"
      "page size        {} bytes\n"
      "commit           {}\n"
      "high-water mark  {} pages, {} bytes\n"
      "in use           {} pages, {} bytes, {}\n"
      "free             {} pages in {} spans, the longest has {}\n"
      "freelist         {}\n",
      file.path(), file.file_bytes(), meta.page_size, Raw(meta.txid), pages, meta.file_bytes(),
      pages - free, (pages - free) * meta.page_size, Share(pages - free, pages), free, spans,
      longest, meta.has_freelist() ? fmt::format("page {}", Raw(meta.freelist)) : "not stored"));
  for (uint64_t id = 0; id < 2; ++id) {
    const kv::bolt::MetaPage& page = file.meta_pages().at(id);
    console.out(fmt::format("meta page {}      {}{}\n", id, Describe(page),
                            page.is_valid() ? fmt::format(", commit {}", page.bytes.txid) : ""));
  }
}

void PrintBucket(const BucketFigures& bucket, const Console& console) {
  constexpr size_t kNameShown = 64;
  const std::string name = bucket.nesting == 0 ? "(root tree)"
                                               : std::string(2 * (bucket.nesting - 1), ' ') +
                                                     kv::bolt::Printable(bucket.name, kNameShown);
  const PageFigures& branches = bucket.branches;
  const PageFigures& leaves = bucket.leaves;
  console.out(fmt::format(kColumns, name, bucket.keys, bucket.levels, branches.pages, leaves.pages,
                          branches.overflow + leaves.overflow,
                          Share(branches.used_bytes, branches.bytes),
                          Share(leaves.used_bytes, leaves.bytes), bucket.value_bytes_max,
                          bucket.is_inline ? std::to_string(bucket.inline_bytes) : "-"));
}

}  // namespace

int DbStats(const StatsOptions& options, const Console& console) {
  const auto opened = OpenDatabase(console, options.path);
  if (!opened.ok()) {
    return Fail(console, opened.status());
  }
  const OfflineFile& file = **opened;
  BucketStats stats(file.meta().root, file.meta().page_size);
  Progress progress(&console, file.reader(), &stats);
  PageCensus census(file.reader(), PageCensus::Options{.goes_on = true, .visitor = &progress});
  census.CountCommit(file.meta()).IgnoreError();  // Conclude says it

  PrintFile(file, census, console);
  console.out("\n");
  console.out(fmt::format(kColumns, "BUCKET", "KEYS", "LEVELS", "BRANCHES", "LEAVES", "OVERFLOW",
                          "BR.FILL", "LF.FILL", "LONGEST", "INLINE"));
  for (const BucketFigures& bucket : stats.buckets()) {
    PrintBucket(bucket, console);
  }
  return Conclude(console, file.path(), census);
}

}  // namespace socle::server
