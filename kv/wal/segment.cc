#include "kv/wal/segment.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "kv/wal/crc32c.h"

namespace socle::kv {
namespace {

constexpr std::string_view kMagic = "SOCLEWAL";
constexpr std::string_view kSegmentSuffix = ".wal";
constexpr size_t kDigits = 16;
// Small: the page cache keeps the folios of a write, and small appends into large ones are slow to sync.
constexpr uint64_t kZerosAtOnce = 4096;

std::optional<uint64_t> ParseHex(std::string_view digits) {
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
  if (digits.size() != kDigits || error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return value;
}

uint32_t HeadCrc(std::string_view bytes) {
  return Crc32c(bytes.substr(0, offsetof(SegmentHead, crc)));
}

}  // namespace

std::string SegmentName(uint64_t sequence, LogIndex first_index) {
  return fmt::format("{:016x}-{:016x}{}", sequence, Raw(first_index), kSegmentSuffix);
}

std::optional<Segment> ParseSegmentName(std::string_view name) {
  if (name.size() != 2 * kDigits + 1 + kSegmentSuffix.size() || name[kDigits] != '-' ||
      !name.ends_with(kSegmentSuffix)) {
    return std::nullopt;
  }
  const std::optional<uint64_t> sequence = ParseHex(name.substr(0, kDigits));
  const std::optional<uint64_t> first = ParseHex(name.substr(kDigits + 1, kDigits));
  // Only the one way in which SegmentName writes it, lest two files be the same segment.
  if (!sequence || !first || SegmentName(*sequence, LogIndex{*first}) != name) {
    return std::nullopt;
  }
  return Segment{*sequence, LogIndex{*first}, std::string(name), 0};
}

std::string SpareName(uint64_t sequence) {
  return fmt::format("{:016x}{}", sequence, kSpareSuffix);
}

std::string EncodeSegmentHead(const Segment& segment, uint64_t store_id) {
  SegmentHead head{};
  std::memcpy(head.magic, kMagic.data(), sizeof(head.magic));
  head.version = kSegmentVersion;
  head.head_bytes = kSegmentHeadBytes;
  head.store_id = store_id;
  head.sequence = segment.sequence;
  head.first_index = Raw(segment.first_index);
  std::string bytes(kSegmentHeadBytes, '\0');
  std::memcpy(bytes.data(), &head, sizeof(head));
  head.crc = HeadCrc(bytes);
  std::memcpy(bytes.data(), &head, sizeof(head));
  return bytes;
}

absl::Status CheckSegmentHead(const Segment& segment, uint64_t store_id, std::string_view bytes) {
  const auto refuse = [&](std::string_view why) {
    return absl::DataLossError(fmt::format("segment {} offset 0: {}", segment.name, why));
  };
  if (bytes.size() < kSegmentHeadBytes) {
    return refuse(
        fmt::format("expected a head of {} bytes, found {}", kSegmentHeadBytes, bytes.size()));
  }
  SegmentHead head{};
  std::memcpy(&head, bytes.data(), sizeof(head));
  const std::string_view magic(head.magic, sizeof(head.magic));
  if (magic != kMagic) {
    return refuse("not the head of a log segment (magic bytes)");
  }
  // Before the checksum: another version may keep it elsewhere.
  if (head.version > kSegmentVersion) {
    return absl::FailedPreconditionError(
        fmt::format("segment {}: format version {} is newer than this program knows ({}); use the "
                    "program that wrote it",
                    segment.name, head.version, kSegmentVersion));
  }
  if (head.crc != HeadCrc(bytes)) {
    return refuse(
        fmt::format("head: expected checksum {:#010x}, found {:#010x}", HeadCrc(bytes), head.crc));
  }
  if (head.store_id != store_id) {
    return absl::FailedPreconditionError(
        fmt::format("segment {} is of store {:#x}, this is store {:#x}: the log belongs to another "
                    "store",
                    segment.name, head.store_id, store_id));
  }
  if (head.version != kSegmentVersion || head.head_bytes != kSegmentHeadBytes ||
      head.sequence != segment.sequence || head.first_index != Raw(segment.first_index)) {
    return refuse(
        fmt::format("head is of version {}, sequence {:#x}, first entry {}: expected {}, "
                    "{:#x}, {}",
                    head.version, head.sequence, head.first_index, kSegmentVersion,
                    segment.sequence, Raw(segment.first_index)));
  }
  return absl::OkStatus();
}

uint64_t SequenceOfSpare(std::string_view bytes, uint64_t store_id) {
  SegmentHead head{};
  if (bytes.size() < sizeof(head)) {
    return 0;
  }
  std::memcpy(&head, bytes.data(), sizeof(head));
  return head.crc == HeadCrc(bytes) && head.store_id == store_id ? head.sequence : 0;
}

absl::Status FillWithZeros(File* file, uint64_t from, uint64_t to, bool sync) {
  const std::string zeros(std::min(kZerosAtOnce, to - from), '\0');
  for (uint64_t at = from; at < to; at += zeros.size()) {
    RETURN_IF_ERROR(file->WriteAt(at, std::string_view(zeros).substr(0, to - at)));
  }
  return sync ? file->SyncData() : absl::OkStatus();
}

absl::Status ActivateSegment(Env* env, const std::string& dir, const std::string& spare_name,
                             const Segment& segment, const WalOptions& options) {
  const std::string spare_path = fmt::format("{}/{}", dir, spare_name);
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(spare_path, OpenMode::kReadWrite));
  RETURN_IF_ERROR(file->WriteAt(0, EncodeSegmentHead(segment, options.store_id)));
  if (!options.unsafe_no_sync) {
    RETURN_IF_ERROR(file->SyncData());
  }
  RETURN_IF_ERROR(env->Rename(spare_path, fmt::format("{}/{}", dir, segment.name)));
  return options.unsafe_no_sync ? absl::OkStatus() : env->SyncDir(dir);
}

}  // namespace socle::kv
