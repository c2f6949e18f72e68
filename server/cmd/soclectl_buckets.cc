#include <fmt/format.h>

#include "kv/bolt/bucket_stats.h"
#include "kv/bolt/check.h"
#include "kv/bolt/printable.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {

int DbBuckets(const BucketsOptions& options, const Console& console) {
  using kv::bolt::BucketFigures;
  using kv::bolt::PageCensus;
  constexpr size_t kNameShown = 64;

  const auto opened = OpenDatabase(console, options.path);
  if (!opened.ok()) {
    return Fail(console, opened.status());
  }
  const kv::bolt::OfflineFile& file = **opened;
  kv::bolt::BucketStats stats(file.meta().root, file.meta().page_size);
  Progress progress(&console, file.reader(), &stats);
  PageCensus census(file.reader(), PageCensus::Options{.goes_on = true, .visitor = &progress});
  census.CountCommit(file.meta()).IgnoreError();  // Conclude says it

  constexpr const char* kColumns = "{:<24} {:>10} {:>8} {:>7} {:>10} {:>9}\n";
  console.out(fmt::format(kColumns, "BUCKET", "KEYS", "BUCKETS", "LEVELS", "ROOT", "SEQUENCE"));
  for (const BucketFigures& bucket : stats.buckets()) {
    if (bucket.nesting == 0) {
      continue;
    }
    const std::string name =
        std::string(2 * (bucket.nesting - 1), ' ') + kv::bolt::Printable(bucket.name, kNameShown);
    console.out(fmt::format(kColumns, name, bucket.keys, bucket.buckets, bucket.levels,
                            bucket.is_inline ? "inline" : std::to_string(Raw(bucket.root)),
                            bucket.sequence));
  }
  return Conclude(console, file.path(), census);
}

}  // namespace socle::server
