#include "server/backup/backup_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "kv/wal/crc32c.h"

namespace socle::server {
namespace {

constexpr std::string_view kPieceMagic = "SOCLEBKP";
constexpr std::string_view kBaseMagic = "SOCLEBKB";
constexpr size_t kDigits = 16;

template <typename T>
std::string BytesOf(const T& value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::optional<uint64_t> ParseHex(std::string_view text) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  const bool is_lower =
      std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !is_lower) {
    return std::nullopt;
  }
  return value;
}

// Magic, version and checksum of a head whose checksum is its last four bytes.
absl::Status CheckHead(std::string_view bytes, size_t size, std::string_view magic) {
  if (bytes.size() < size) {
    return absl::DataLossError(
        fmt::format("offset 0: expected a head of {} bytes, found {}", size, bytes.size()));
  }
  if (bytes.substr(0, magic.size()) != magic) {
    return absl::DataLossError("offset 0: the file does not begin as a backup's file does");
  }
  uint32_t version = 0;
  std::memcpy(&version, bytes.data() + magic.size(), sizeof(version));
  uint32_t found = 0;
  std::memcpy(&found, bytes.data() + size - sizeof(found), sizeof(found));
  const uint32_t expected = kv::Crc32c(bytes.substr(0, size - sizeof(found)));
  if (found != expected) {
    return absl::DataLossError(
        fmt::format("offset 0: head checksum expected {:#010x}, found {:#010x}", expected, found));
  }
  if (version > kBackupVersion) {
    return absl::FailedPreconditionError(
        fmt::format("is of format {}, this program knows up to {}", version, kBackupVersion));
  }
  return absl::OkStatus();
}

uint32_t SaltOf(const PieceHead& piece, uint64_t offset) {
  const std::array<uint64_t, 3> place = {piece.store_id, piece.sequence, offset};
  return kv::Crc32c(BytesOf(place));
}

uint32_t HeaderCrc(uint32_t salt, const FrameHeader& header) {
  const std::string bytes = BytesOf(header);
  return kv::Crc32c(std::string_view(bytes).substr(sizeof(header.header_crc)), salt);
}

// `bytes`: those from `offset` on.
absl::StatusOr<FrameHeader> ReadFrameHeader(const PieceHead& piece, std::string_view bytes,
                                            uint64_t offset) {
  if (bytes.size() < sizeof(FrameHeader)) {
    return absl::DataLossError(fmt::format("offset {}: the file ends inside a frame", offset));
  }
  FrameHeader header{};
  std::memcpy(&header, bytes.data(), sizeof(header));
  const uint32_t expected = HeaderCrc(SaltOf(piece, offset), header);
  if (header.header_crc != expected) {
    return absl::DataLossError(
        fmt::format("offset {}: frame header checksum expected {:#010x}, found {:#010x}", offset,
                    expected, header.header_crc));
  }
  // The checksum is of 32 bits: the fields must make sense besides.
  const bool is_known = header.kind == FrameKind::kEntries || header.kind == FrameKind::kEnd;
  if (!is_known || header.body_bytes > kFrameBodyMax || header.first_index == 0 ||
      header.last_index + 1 < header.first_index ||
      header.marks > header.body_bytes / sizeof(TimeMark)) {
    return absl::DataLossError(fmt::format("offset {}: a frame header without sense", offset));
  }
  return header;
}

absl::Status ReadBody(std::string_view body, Frame* frame) {
  frame->marks.resize(frame->header.marks);
  const size_t mark_bytes = frame->marks.size() * sizeof(TimeMark);
  if (mark_bytes > 0) {
    std::memcpy(frame->marks.data(), body.data(), mark_bytes);
  }
  body.remove_prefix(mark_bytes);
  const uint64_t count = frame->header.last_index + 1 - frame->header.first_index;
  while (body.size() >= sizeof(uint32_t)) {
    uint32_t length = 0;
    std::memcpy(&length, body.data(), sizeof(length));
    body.remove_prefix(sizeof(length));
    if (length > body.size()) {
      break;
    }
    frame->entries.push_back(body.substr(0, length));
    body.remove_prefix(length);
  }
  if (!body.empty() ||
      (frame->header.kind == FrameKind::kEntries && frame->entries.size() != count)) {
    return absl::DataLossError(fmt::format("offset {}: the frame of entries {} to {} has {}",
                                           frame->offset, frame->header.first_index,
                                           frame->header.last_index, frame->entries.size()));
  }
  return absl::OkStatus();
}

uint64_t Aligned(uint64_t bytes) {
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

}  // namespace

std::string MakeBackupName(uint64_t sequence, uint64_t index, std::string_view suffix) {
  return fmt::format("{:016x}-{:016x}{}", sequence, index, suffix);
}

std::optional<BackupName> ParseBackupName(std::string_view name) {
  constexpr size_t kStem = 2 * kDigits + 1;
  if (name.size() <= kStem || name[kDigits] != '-') {
    return std::nullopt;
  }
  const auto sequence = ParseHex(name.substr(0, kDigits));
  const auto index = ParseHex(name.substr(kDigits + 1, kDigits));
  const std::string_view suffix = name.substr(kStem);
  for (const std::string_view known :
       {kPieceSuffix, kPartSuffix, kBaseSuffix, kImageSuffix, kUnfinishedSuffix}) {
    // What is being made has .tmp behind the suffix that it will have.
    if (sequence && index &&
        (suffix == known || (known == kUnfinishedSuffix && suffix.ends_with(known)))) {
      return BackupName{.sequence = *sequence, .index = *index, .suffix = known};
    }
  }
  return std::nullopt;
}

std::string EncodePieceHead(PieceHead head) {
  std::memcpy(head.magic, kPieceMagic.data(), kPieceMagic.size());
  head.version = kBackupVersion;
  head.head_bytes = sizeof(head);
  const std::string bytes = BytesOf(head);
  head.crc = kv::Crc32c(std::string_view(bytes).substr(0, offsetof(PieceHead, crc)));
  return BytesOf(head);
}

absl::StatusOr<PieceHead> DecodePieceHead(std::string_view bytes) {
  RETURN_IF_ERROR(CheckHead(bytes, sizeof(PieceHead), kPieceMagic));
  PieceHead head{};
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.first_index == 0 || head.head_bytes != sizeof(head)) {
    return absl::DataLossError("offset 0: a head without sense");
  }
  return head;
}

std::string EncodeBaseRecord(BaseRecord record) {
  std::memcpy(record.magic, kBaseMagic.data(), kBaseMagic.size());
  record.version = kBackupVersion;
  record.record_bytes = sizeof(record);
  const std::string bytes = BytesOf(record);
  record.crc = kv::Crc32c(std::string_view(bytes).substr(0, offsetof(BaseRecord, crc)));
  return BytesOf(record);
}

absl::StatusOr<BaseRecord> DecodeBaseRecord(std::string_view bytes) {
  RETURN_IF_ERROR(CheckHead(bytes, sizeof(BaseRecord), kBaseMagic));
  if (bytes.size() != sizeof(BaseRecord)) {
    return absl::DataLossError(fmt::format("offset {}: {} bytes too many", sizeof(BaseRecord),
                                           bytes.size() - sizeof(BaseRecord)));
  }
  BaseRecord record{};
  std::memcpy(&record, bytes.data(), sizeof(record));
  return record;
}

uint32_t LinkOf(std::string_view entry) {
  const uint32_t crc = kv::Crc32c(entry);
  return crc == 0 ? 1 : crc;
}

void AppendEntry(std::string_view entry, std::string* body) {
  body->append(BytesOf(static_cast<uint32_t>(entry.size())));
  body->append(entry);
}

void AppendFrame(const PieceHead& piece, uint64_t offset, FrameHeader header,
                 const std::vector<TimeMark>& marks, std::string_view entries, std::string* out) {
  std::string mark_bytes;
  for (const TimeMark& mark : marks) {
    mark_bytes += BytesOf(mark);
  }
  const uint32_t salt = SaltOf(piece, offset);
  header.marks = static_cast<uint32_t>(marks.size());
  header.body_bytes = mark_bytes.size() + entries.size();
  header.body_crc = kv::Crc32c(entries, kv::Crc32c(mark_bytes, salt));
  header.header_crc = HeaderCrc(salt, header);
  out->append(BytesOf(header));
  out->append(mark_bytes);
  out->append(entries);
  out->append(Aligned(header.body_bytes) - header.body_bytes, '\0');
}

absl::StatusOr<Frame> ReadFrameAt(const PieceHead& piece, std::string_view frame_bytes,
                                  uint64_t offset) {
  Frame frame{.offset = offset};
  ASSIGN_OR_RETURN(frame.header, ReadFrameHeader(piece, frame_bytes, offset));
  if (Aligned(frame.header.body_bytes) > frame_bytes.size() - sizeof(FrameHeader)) {
    return absl::DataLossError(
        fmt::format("offset {}: the file ends inside the frame of entries {} to {}", offset,
                    frame.header.first_index, frame.header.last_index));
  }
  const std::string_view body = frame_bytes.substr(sizeof(FrameHeader), frame.header.body_bytes);
  const uint32_t expected = kv::Crc32c(body, SaltOf(piece, offset));
  if (expected != frame.header.body_crc) {
    return absl::DataLossError(fmt::format(
        "offset {}: the frame of entries {} to {}: checksum expected {:#010x}, found {:#010x}",
        offset, frame.header.first_index, frame.header.last_index, expected,
        frame.header.body_crc));
  }
  const std::string_view padding =
      frame_bytes.substr(sizeof(FrameHeader) + body.size(), Aligned(body.size()) - body.size());
  if (padding.find_first_not_of('\0') != std::string_view::npos) {
    return absl::DataLossError(
        fmt::format("offset {}: the padding of the frame of entries {} to {} is not zero", offset,
                    frame.header.first_index, frame.header.last_index));
  }
  frame.end = offset + sizeof(FrameHeader) + Aligned(body.size());
  RETURN_IF_ERROR(ReadBody(body, &frame));
  return frame;
}

absl::StatusOr<Frame> ReadFrame(const PieceHead& piece, std::string_view bytes, uint64_t offset) {
  return ReadFrameAt(piece, bytes.substr(std::min<uint64_t>(offset, bytes.size())), offset);
}

bool HasFrameHeader(const PieceHead& piece, std::string_view bytes, uint64_t offset) {
  return ReadFrameHeader(piece, bytes.substr(std::min<uint64_t>(offset, bytes.size())), offset)
      .ok();
}

}  // namespace socle::server
