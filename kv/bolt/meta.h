// Meta: what a commit says about the file; reading and writing meta pages, and the image of an
// empty file.
//
// Laws     1. Transaction t is in meta page t mod 2; the valid one with the larger txid counts.
// Threads  pure functions.
// Errors   InvalidArgument (not a bbolt file, version), DataLoss (checksum, impossible numbers,
//          truncated file).
// Source   spec etcd 3.1.
#ifndef SOCLE_KV_BOLT_META_H_
#define SOCLE_KV_BOLT_META_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "freelist/page_id.h"
#include "kv/bolt/format.h"
#include "kv/env/env.h"

namespace socle::kv::bolt {

struct Meta {
  uint32_t page_size = 0;
  PageId root{};
  uint64_t root_sequence = 0;
  PageId freelist = kNoFreelist;
  PageId high_water{};
  TxnId txid{};

  bool has_freelist() const { return freelist != kNoFreelist; }

  uint64_t file_bytes() const { return Raw(high_water) * page_size; }

  friend bool operator==(const Meta&, const Meta&) = default;
};

// FNV-1a, 64 bits.
uint64_t Fnv1a(std::string_view bytes);

// The checksum that the commit's meta page carries: names the commit.
uint64_t ChecksumOf(const Meta& meta);

// A whole meta page with the given id: header, meta, checksum, zeros.
std::string MetaPageImage(const Meta& meta, PageId id);

// The first four pages of a new file.
std::string EmptyFileImage(uint32_t page_size);

// What stands where a meta page should be.
struct MetaPage {
  enum class State { kValid, kMissing, kForeign, kOtherVersion, kBadChecksum };

  State state = State::kMissing;
  PageHeader header{};
  MetaBytes bytes{};
  uint64_t expected_checksum = 0;

  bool is_valid() const { return state == State::kValid; }

  Meta meta() const;
};

// "valid", or what is wrong with it.
std::string Describe(const MetaPage& page);

// Pages 0 and 1. When page 0 is broken, page 1 is looked for at every size that a page may have.
absl::StatusOr<std::array<MetaPage, 2>> ReadMetaPages(File* file, uint64_t file_bytes);

// The newest commit; its numbers make sense for a file of `file_bytes`.
absl::StatusOr<Meta> NewestMeta(const std::array<MetaPage, 2>& pages, uint64_t file_bytes);

absl::StatusOr<Meta> ReadNewestMeta(File* file, uint64_t file_bytes);

// True when the file holds nothing but pieces of EmptyFileImage: its creation was cut short before
// it could be used.
absl::StatusOr<bool> IsUnfinishedCreation(File* file, uint64_t file_bytes, uint32_t page_size);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_META_H_
