// Finding keys and buckets in the pages of one commit.
//
// Laws     1. Descends at most kDepthMax pages: ends on any bytes.
// Threads  pure functions over immutable pages.
// Errors   DataLoss naming the page.
#ifndef SOCLE_KV_BOLT_TREE_H_
#define SOCLE_KV_BOLT_TREE_H_

#include <string_view>

#include <absl/status/status.h>

#include "freelist/page_id.h"
#include "kv/bolt/page.h"

namespace socle::kv::bolt {

// Sets *found, and *entry when it is there.
absl::Status FindEntry(const PageReader& reader, const BucketRoot& bucket, std::string_view key,
                       Entry* entry, bool* found);

// Finds a top-level bucket below the root of the file.
absl::Status FindBucket(const PageReader& reader, PageId root, std::string_view name,
                        BucketRoot* bucket, bool* found);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_TREE_H_
