// Format: the bytes of a bbolt v2 file; FORMAT.md has the pictures.
//
// Laws     1. All integers are little-endian and may lie at any address: read them with Load, write
//             with Store.
//          2. Element positions are relative to the address of their own element.
// Threads  values.
// Source   spec etcd 3.1.
#ifndef SOCLE_KV_BOLT_FORMAT_H_
#define SOCLE_KV_BOLT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "freelist/page_id.h"

namespace socle::kv::bolt {

inline constexpr uint32_t kMagic = 0xED0CDAED;
inline constexpr uint32_t kVersion = 2;
inline constexpr PageId kNoFreelist{~uint64_t{0}};
inline constexpr PageId kFirstDataPage{2};

inline constexpr uint16_t kBranchPage = 0x01;
inline constexpr uint16_t kLeafPage = 0x02;
inline constexpr uint16_t kMetaPage = 0x04;
inline constexpr uint16_t kFreelistPage = 0x10;

// Flag of a leaf element whose value is a bucket.
inline constexpr uint32_t kBucketElement = 0x01;

inline constexpr size_t kKeyBytesMax = 32768;
inline constexpr uint64_t kValueBytesMax = (uint64_t{1} << 31U) - 2;
// A freelist page with this count has its true count in the first id.
inline constexpr uint16_t kLongFreelist = 0xFFFF;
inline constexpr uint32_t kElementsMax = 0xFFFE;

// Page sizes that discovery probes for: 1 KiB to 16 MiB.
inline constexpr uint32_t kPageSizeMin = 1024;
inline constexpr uint32_t kPageSizeMax = 1024U << 14U;

struct PageHeader {
  uint64_t id;
  uint16_t flags;
  uint16_t count;
  uint32_t overflow;  // further physical pages
};

static_assert(sizeof(PageHeader) == 16 && offsetof(PageHeader, overflow) == 12);

struct BranchElement {
  uint32_t pos;
  uint32_t key_size;
  uint64_t child;
};

static_assert(sizeof(BranchElement) == 16 && offsetof(BranchElement, child) == 8);

struct LeafElement {
  uint32_t flags;
  uint32_t pos;
  uint32_t key_size;
  uint32_t value_size;
};

static_assert(sizeof(LeafElement) == 16 && offsetof(LeafElement, value_size) == 12);

// Both kinds of elements are as long as the page header.
inline constexpr size_t kHeaderBytes = sizeof(PageHeader);
inline constexpr size_t kElementBytes = sizeof(LeafElement);

// Value of a bucket element; root 0 means that a leaf page image follows (inline bucket).
struct BucketHeader {
  uint64_t root;
  uint64_t sequence;
};

static_assert(sizeof(BucketHeader) == 16);

// Follows the header of pages 0 and 1.
struct MetaBytes {
  uint32_t magic;
  uint32_t version;
  uint32_t page_size;
  uint32_t flags;
  uint64_t root;
  uint64_t sequence;
  uint64_t freelist;
  uint64_t high_water;
  uint64_t txid;
  uint64_t checksum;  // FNV-1a of everything before
};

static_assert(sizeof(MetaBytes) == 64 && offsetof(MetaBytes, checksum) == 56);

template <typename T>
T Load(const char* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
void Store(const T& value, char* to) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(to, &value, sizeof(T));
}

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_FORMAT_H_
