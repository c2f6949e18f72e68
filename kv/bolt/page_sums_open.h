// OpenPageSums: finds the checksums that fit the newest commit of a file, or makes them anew.
//
//   head says                      meanwhile                     what is done
//   -----------------------------  ----------------------------  -----------------------------------
//   settled = newest commit        nothing, or a commit of ours  entries of the one after are
//                                  that never became durable     forgotten; the rest is right
//   announced = newest commit      our last commit was durable,  pages of that commit are compared;
//                                  or another program made one   one differs: made anew
//                                  with the same meta page
//   anything else, or no head      another program wrote         made anew
//
// Errors   what the file system says; DataLoss when the file itself is broken (made anew only).
#ifndef SOCLE_KV_BOLT_PAGE_SUMS_OPEN_H_
#define SOCLE_KV_BOLT_PAGE_SUMS_OPEN_H_

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "kv/bolt/meta.h"
#include "kv/bolt/page.h"
#include "kv/bolt/page_sums.h"
#include "kv/env/env.h"

namespace socle::kv::bolt {

// `reader` reads the commit `meta` of the file, without sums. Null when nothing fits and
// shape.read_only forbids to make it.
absl::StatusOr<std::unique_ptr<PageSums>> OpenPageSums(Env* env, const PageReader& reader,
                                                       const Meta& meta,
                                                       const PageSums::Shape& shape);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PAGE_SUMS_OPEN_H_
