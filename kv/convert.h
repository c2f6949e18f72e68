// ConvertEngine: every bucket from one engine into a new one of another kind.
//
//   copy in batches ──► <path>.converting ──► reopen, compare with the source ──► rename ──► sync
//
// Laws     1. The source's content is not changed; it is locked meanwhile, so no server writes to it.
//          2. Nothing has the target's name before the copy was read back and has the source's
//             counts and hash. What an attempt that died left beside it is removed by the next one.
//          3. Memory is bounded by a batch and the largest entry.
// Threads  as its engines; the callback runs on the calling thread.
// Errors   NotFound (no source), AlreadyExists (target), FailedPrecondition (the source is open
//          elsewhere, or has buckets inside buckets), DataLoss (the copy differs), those of the
//          callback, which ends the conversion, and those of the engines.
#ifndef SOCLE_KV_CONVERT_H_
#define SOCLE_KV_CONVERT_H_

#include <cstdint>
#include <functional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "kv/open_engine.h"

namespace socle::kv {

struct ConvertProgress {
  bool is_verifying = false;  // the second pass, over the copy
  std::string bucket;
  uint64_t entries = 0;         // of this pass so far
  uint64_t bytes = 0;           // of their keys and values
  uint64_t bytes_expected = 0;  // copying: an estimate from above; verifying: what was copied
};

struct ConvertOptions {
  uint64_t batch_bytes = uint64_t{8} << 20U;
  EngineOptions engine;
  // Called after each batch; an error ends the conversion.
  std::function<absl::Status(const ConvertProgress&)> progress;
};

struct ConvertResult {
  uint64_t buckets = 0;
  uint64_t entries = 0;
  uint64_t bytes = 0;  // of keys and values
  uint64_t hash = 0;  // XXH3 of buckets, keys and values with their lengths, the same on both sides
};

absl::StatusOr<ConvertResult> ConvertEngine(Env* env, const EnginePlace& from,
                                            const EnginePlace& to, const ConvertOptions& options);

// Converts the engine of a directory (of a server: <data-dir>/member/snap) in place and makes the
// directory the new engine's (kv/open_engine.h). The old engine's files stay beside the new ones.
absl::StatusOr<ConvertResult> ConvertDirectory(Env* env, const std::string& directory,
                                               EngineKind to, const ConvertOptions& options);

}  // namespace socle::kv

#endif  // SOCLE_KV_CONVERT_H_
