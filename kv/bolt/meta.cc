#include "kv/bolt/meta.h"

#include <array>
#include <bit>

#include <fmt/format.h>

#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

constexpr uint64_t kMetaPageBytes = kHeaderBytes + sizeof(MetaBytes);

using State = MetaPage::State;

MetaBytes BytesOf(const Meta& meta) {
  return {.magic = kMagic,
          .version = kVersion,
          .page_size = meta.page_size,
          .flags = 0,
          .root = Raw(meta.root),
          .sequence = meta.root_sequence,
          .freelist = Raw(meta.freelist),
          .high_water = Raw(meta.high_water),
          .txid = Raw(meta.txid),
          .checksum = 0};
}

uint64_t ChecksumOf(const MetaBytes& bytes) {
  std::array<char, sizeof(MetaBytes)> raw{};
  Store(bytes, raw.data());
  return Fnv1a({raw.data(), offsetof(MetaBytes, checksum)});
}

absl::StatusOr<MetaPage> ReadMetaPage(File* file, uint64_t file_bytes, uint64_t offset) {
  MetaPage page;
  if (offset + kMetaPageBytes > file_bytes) {
    return page;
  }
  std::array<char, kMetaPageBytes> raw{};
  RETURN_IF_ERROR(file->ReadAt(offset, raw));
  page.header = Load<PageHeader>(raw.data());
  page.bytes = Load<MetaBytes>(raw.data() + kHeaderBytes);
  page.expected_checksum = ChecksumOf(page.bytes);
  if (page.bytes.magic != kMagic) {
    page.state = State::kForeign;
  } else if (page.bytes.version != kVersion) {
    page.state = State::kOtherVersion;
  } else if (page.bytes.checksum != page.expected_checksum) {
    page.state = State::kBadChecksum;
  } else {
    page.state = State::kValid;
  }
  return page;
}

bool IsPageSize(uint32_t size) {
  return std::has_single_bit(size) && size >= kPageSizeMin && size <= kPageSizeMax;
}

absl::Status BothInvalid(const MetaPage& first, const MetaPage& second) {
  const std::string what = fmt::format("page 0: {}; page 1: {}", Describe(first), Describe(second));
  const auto any = [&](State state) { return first.state == state || second.state == state; };
  if (any(State::kBadChecksum)) {
    return absl::DataLossError(fmt::format("both meta pages are broken ({})", what));
  }
  if (any(State::kOtherVersion)) {
    return absl::InvalidArgumentError(fmt::format("unknown version of bbolt file ({})", what));
  }
  return absl::InvalidArgumentError(fmt::format("not a bbolt file ({})", what));
}

absl::Status Sane(const Meta& meta, uint64_t file_bytes) {
  const uint64_t page = Raw(meta.txid) % 2;
  const auto broken = [page](const std::string& what) {
    return absl::DataLossError(fmt::format("page {}: meta has {}", page, what));
  };
  const uint64_t high_water = Raw(meta.high_water);
  if (high_water <= Raw(kFirstDataPage) || high_water > (uint64_t{1} << 63U) / meta.page_size) {
    return broken(fmt::format("high-water mark {}", high_water));
  }
  if (meta.file_bytes() > file_bytes) {
    return broken(
        fmt::format("high-water mark {}, but the file is truncated to {} bytes ({} expected)",
                    high_water, file_bytes, meta.file_bytes()));
  }
  const auto in_file = [&](PageId id) { return id >= kFirstDataPage && id < meta.high_water; };
  if (!in_file(meta.root)) {
    return broken(fmt::format("root page {}", Raw(meta.root)));
  }
  if (meta.has_freelist() && !in_file(meta.freelist)) {
    return broken(fmt::format("freelist page {}", Raw(meta.freelist)));
  }
  return absl::OkStatus();
}

std::string PageImage(const PageHeader& header, uint32_t page_size) {
  std::string page(page_size, '\0');
  Store(header, page.data());
  return page;
}

}  // namespace

uint64_t Fnv1a(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001B3ULL;
  }
  return hash;
}

uint64_t ChecksumOf(const Meta& meta) {
  return ChecksumOf(BytesOf(meta));
}

std::string MetaPageImage(const Meta& meta, PageId id) {
  std::string page =
      PageImage({.id = Raw(id), .flags = kMetaPage, .count = 0, .overflow = 0}, meta.page_size);
  MetaBytes bytes = BytesOf(meta);
  bytes.checksum = ChecksumOf(bytes);
  Store(bytes, page.data() + kHeaderBytes);
  return page;
}

std::string EmptyFileImage(uint32_t page_size) {
  Meta meta{.page_size = page_size,
            .root = PageId{3},
            .root_sequence = 0,
            .freelist = PageId{2},
            .high_water = PageId{4},
            .txid = TxnId{0}};
  std::string image = MetaPageImage(meta, PageId{0});
  meta.txid = TxnId{1};
  image += MetaPageImage(meta, PageId{1});
  image += PageImage({.id = 2, .flags = kFreelistPage, .count = 0, .overflow = 0}, page_size);
  image += PageImage({.id = 3, .flags = kLeafPage, .count = 0, .overflow = 0}, page_size);
  return image;
}

Meta MetaPage::meta() const {
  return {.page_size = bytes.page_size,
          .root = PageId{bytes.root},
          .root_sequence = bytes.sequence,
          .freelist = PageId{bytes.freelist},
          .high_water = PageId{bytes.high_water},
          .txid = TxnId{bytes.txid}};
}

std::string Describe(const MetaPage& page) {
  switch (page.state) {
    case State::kValid:
      return "valid";
    case State::kMissing:
      return "missing";
    case State::kForeign:
      return fmt::format("magic {:#x}, expected {:#x}", page.bytes.magic, kMagic);
    case State::kOtherVersion:
      return fmt::format("version {}, expected {}", page.bytes.version, kVersion);
    case State::kBadChecksum:
      return fmt::format("checksum {:#x}, expected {:#x}", page.bytes.checksum,
                         page.expected_checksum);
  }
  return "";
}

absl::StatusOr<std::array<MetaPage, 2>> ReadMetaPages(File* file, uint64_t file_bytes) {
  std::array<MetaPage, 2> pages;
  auto& [first, second] = pages;
  ASSIGN_OR_RETURN(first, ReadMetaPage(file, file_bytes, 0));
  if (first.is_valid()) {
    ASSIGN_OR_RETURN(second, ReadMetaPage(file, file_bytes, first.bytes.page_size));
    return pages;
  }
  for (uint32_t size = kPageSizeMin; size <= kPageSizeMax; size *= 2) {
    ASSIGN_OR_RETURN(const MetaPage probed, ReadMetaPage(file, file_bytes, size));
    if (probed.is_valid() && probed.bytes.page_size == size) {
      second = probed;
      break;
    }
    // For the message when none is good: what looks most like a meta page of ours.
    const bool is_ours = probed.state != State::kMissing && probed.state != State::kForeign;
    const bool has_ours = second.state != State::kMissing && second.state != State::kForeign;
    if (!has_ours && (is_ours || size == 4096)) {
      second = probed;
    }
  }
  return pages;
}

absl::StatusOr<Meta> NewestMeta(const std::array<MetaPage, 2>& pages, uint64_t file_bytes) {
  const auto& [first, second] = pages;
  if (!first.is_valid() && !second.is_valid()) {
    return BothInvalid(first, second);
  }
  const bool second_counts =
      second.is_valid() && (!first.is_valid() || second.bytes.txid > first.bytes.txid);
  const Meta meta = (second_counts ? second : first).meta();
  if (!IsPageSize(meta.page_size)) {
    return absl::DataLossError(
        fmt::format("page {}: meta has page size {}", second_counts ? 1 : 0, meta.page_size));
  }
  RETURN_IF_ERROR(Sane(meta, file_bytes));
  return meta;
}

absl::StatusOr<Meta> ReadNewestMeta(File* file, uint64_t file_bytes) {
  ASSIGN_OR_RETURN(const auto pages, ReadMetaPages(file, file_bytes));
  return NewestMeta(pages, file_bytes);
}

absl::StatusOr<bool> IsUnfinishedCreation(File* file, uint64_t file_bytes, uint32_t page_size) {
  const std::string whole = EmptyFileImage(page_size);
  if (file_bytes > whole.size()) {
    return false;
  }
  std::string found(file_bytes, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, found));
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] != '\0' && found[i] != whole[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace socle::kv::bolt
