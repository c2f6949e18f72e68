// Segment: a file of the log; its names, its head, and how it comes to be.
//
//   fresh ──zeros──► spare ──head, sync, rename, sync directory──► segment ──all entries
//   obsolete──► spare
//
// Laws     1. A file with a segment's name has a durable head that agrees with the name.
//          2. Sequence numbers only grow: no two uses of a file share one (record.h, law 1).
// Threads  pure functions over an Env.
// Source   FORMAT.md.
#ifndef SOCLE_KV_WAL_SEGMENT_H_
#define SOCLE_KV_WAL_SEGMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "kv/wal/wal.h"

namespace socle::kv {

struct SegmentHead {
  char magic[8];
  uint32_t version;
  uint32_t head_bytes;  // where the first record begins
  uint64_t store_id;
  uint64_t sequence;
  uint64_t first_index;
  uint32_t reserved;  // 0
  uint32_t crc;       // of the 44 bytes before
};

static_assert(sizeof(SegmentHead) == 48);
static_assert(offsetof(SegmentHead, store_id) == 16);
static_assert(offsetof(SegmentHead, crc) == 44);

// A page of its own, so that no write of records touches it.
inline constexpr uint64_t kSegmentHeadBytes = 4096;
inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr std::string_view kSpareSuffix = ".spare";

struct Segment {
  uint64_t sequence = 0;
  LogIndex first_index{};
  std::string name;         // within the directory
  uint64_t size_bytes = 0;  // of the file
};

// A file without entries that the log will use for a segment. What it holds does not matter.
struct SpareFile {
  std::string name;
  uint64_t size_bytes = 0;
};

std::string SegmentName(uint64_t sequence, LogIndex first_index);
// nullopt when the name is not a segment's.
std::optional<Segment> ParseSegmentName(std::string_view name);
std::string SpareName(uint64_t sequence);

std::string EncodeSegmentHead(const Segment& segment, uint64_t store_id);
// Checks the head in the first bytes of a segment against its name and the store.
absl::Status CheckSegmentHead(const Segment& segment, uint64_t store_id, std::string_view bytes);
// The sequence number in the head of a spare that was a segment of this store, 0 when it never was
// one.
uint64_t SequenceOfSpare(std::string_view bytes, uint64_t store_id);

// Writes zeros to [from, to) of the file and makes them durable.
absl::Status FillWithZeros(File* file, uint64_t from, uint64_t to, bool sync);

// Makes the spare a segment with a durable head and name.
absl::Status ActivateSegment(Env* env, const std::string& dir, const std::string& spare_name,
                             const Segment& segment, const WalOptions& options);

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_SEGMENT_H_
