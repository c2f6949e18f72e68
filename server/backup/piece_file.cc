#include "server/backup/piece_file.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

absl::Status Named(const std::string& name, const absl::Status& status) {
  return Annotate(status, name);
}

PieceFigures FiguresOf(const std::string& name, const PieceHead& head, uint64_t bytes) {
  return {.name = name,
          .head = head,
          .is_closed = name.ends_with(kPieceSuffix),
          .bytes = bytes,
          .end_offset = sizeof(PieceHead),
          .last_index = head.first_index - 1,
          .revision = head.revision,
          .wall_nanos = head.wall_nanos,
          .link = head.link,
          .torn = {},
          .skipped = {}};
}

void Take(const FrameHeader& header, PieceFigures* piece) {
  piece->last_index = header.last_index;
  piece->revision = header.revision;
  piece->wall_nanos = header.wall_nanos;
  piece->link = header.link;
}

absl::StatusOr<PieceHead> HeadOf(const std::string& name, std::string_view bytes) {
  ASSIGN_OR_RETURN(const PieceHead head, DecodePieceHead(bytes));
  const auto parsed = ParseBackupName(name);
  if (!parsed || parsed->sequence != head.sequence || parsed->index != head.first_index) {
    return absl::DataLossError(
        fmt::format("offset 0: the head is that of {}",
                    MakeBackupName(head.sequence, head.first_index, kPieceSuffix)));
  }
  return head;
}

// Whether a frame that was written later stands behind the broken one.
bool HasLaterFrame(const PieceFigures& piece, std::string_view bytes) {
  for (uint64_t at = piece.end_offset + kFrameAlignment; at < bytes.size(); at += kFrameAlignment) {
    if (HasFrameHeader(piece.head, bytes, at)) {
      return true;
    }
  }
  return false;
}

// Goes to the next whole frame behind a broken one, where all that is lost comes before `needed_from`. False: does not.
bool SkipTo(uint64_t needed_from, std::string_view bytes, PieceFigures* piece) {
  for (uint64_t at = piece->end_offset + kFrameAlignment; at < bytes.size();
       at += kFrameAlignment) {
    if (!HasFrameHeader(piece->head, bytes, at)) {
      continue;
    }
    const absl::StatusOr<Frame> frame = ReadFrame(piece->head, bytes, at);
    if (!frame.ok() || frame->header.kind != FrameKind::kEntries) {
      continue;
    }
    if (frame->header.first_index > needed_from) {
      return false;
    }
    PROBE("backup: a broken frame that nobody needs");
    piece->end_offset = at;
    piece->whole_from = frame->header.first_index;
    piece->last_index = frame->header.first_index - 1;
    return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string bytes(size, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, bytes));
  return bytes;
}

absl::StatusOr<PieceFigures> ScanPiece(const std::string& name, std::string_view bytes,
                                       const std::function<absl::Status(const Frame&)>& visit,
                                       uint64_t needed_from) {
  const bool is_closed = name.ends_with(kPieceSuffix);
  const absl::StatusOr<PieceHead> head = HeadOf(name, bytes);
  if (!head.ok() && !is_closed && bytes.size() <= sizeof(PieceHead)) {
    PROBE("backup: a piece without a head");
    return PieceFigures{.name = name,
                        .head = {},
                        .bytes = bytes.size(),
                        .torn = "the head was not written whole",
                        .skipped = {}};
  }
  if (!head.ok()) {
    return Named(name, head.status());
  }
  PieceFigures piece = FiguresOf(name, *head, bytes.size());
  while (true) {
    const absl::StatusOr<Frame> frame = ReadFrame(*head, bytes, piece.end_offset);
    if (!frame.ok() && SkipTo(needed_from, bytes, &piece)) {
      piece.skipped = Named(name, frame.status());
      continue;
    }
    if (!frame.ok()) {
      if (is_closed || HasLaterFrame(piece, bytes)) {
        return Named(name, frame.status());
      }
      if (piece.end_offset < bytes.size()) {
        PROBE("backup: a torn piece");
        piece.torn = fmt::format("{} bytes behind offset {} are not a whole frame",
                                 bytes.size() - piece.end_offset, piece.end_offset);
      }
      return piece;
    }
    const FrameHeader& header = frame->header;
    if (header.kind == FrameKind::kEnd) {
      if (header.first_index != head->first_index || header.last_index != piece.last_index ||
          header.link != piece.link || frame->end != bytes.size()) {
        return Named(
            name, absl::DataLossError(fmt::format(
                      "offset {}: the end says entries {} to {}, found {} to {}", frame->offset,
                      header.first_index, header.last_index, head->first_index, piece.last_index)));
      }
      return piece;
    }
    if (header.first_index != piece.last_index + 1) {
      return Named(name, absl::DataLossError(
                             fmt::format("offset {}: expected entry {}, found entry {}",
                                         frame->offset, piece.last_index + 1, header.first_index)));
    }
    if (visit) {
      RETURN_IF_ERROR(visit(*frame));
    }
    Take(header, &piece);
    piece.end_offset = frame->end;
  }
}

absl::StatusOr<PieceFigures> ReadPiece(Env* env, const std::string& directory,
                                       const std::string& name,
                                       const std::function<absl::Status(const Frame&)>& visit,
                                       uint64_t needed_from) {
  const absl::StatusOr<std::string> bytes =
      ReadWholeFile(env, fmt::format("{}/{}", directory, name));
  if (absl::IsNotFound(bytes.status()) && name.ends_with(kPartSuffix)) {
    PROBE("backup: a piece was closed while it was looked for");
    const std::string closed =
        name.substr(0, name.size() - kPartSuffix.size()) + std::string(kPieceSuffix);
    return ReadPiece(env, directory, closed, visit, needed_from);
  }
  RETURN_IF_ERROR(bytes.status());
  return ScanPiece(name, *bytes, visit, needed_from);
}

absl::StatusOr<PieceFigures> ReadPieceFigures(Env* env, const std::string& directory,
                                              const std::string& name, uint64_t needed_from) {
  if (!name.ends_with(kPieceSuffix)) {
    return ReadPiece(env, directory, name, nullptr, needed_from);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   env->Open(fmt::format("{}/{}", directory, name), OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  constexpr uint64_t kLeast = sizeof(PieceHead) + sizeof(FrameHeader);
  if (size < kLeast) {
    return Named(name, absl::DataLossError(
                           fmt::format("offset {}: the file ends before its end frame", size)));
  }
  std::string bytes(sizeof(PieceHead), '\0');
  RETURN_IF_ERROR(file->ReadAt(0, bytes));
  const absl::StatusOr<PieceHead> head = HeadOf(name, bytes);
  if (!head.ok()) {
    return Named(name, head.status());
  }
  // The end frame stands at the end of the file; its checksum knows the place.
  std::string end(sizeof(FrameHeader), '\0');
  const uint64_t offset = size - sizeof(FrameHeader);
  RETURN_IF_ERROR(file->ReadAt(offset, end));
  const absl::StatusOr<Frame> frame = ReadFrameAt(*head, end, offset);
  if (!frame.ok()) {
    return Named(name, frame.status());
  }
  if (frame->header.kind != FrameKind::kEnd || frame->header.first_index != head->first_index) {
    return Named(name, absl::DataLossError(fmt::format("offset {}: expected the end", offset)));
  }
  PieceFigures piece = FiguresOf(name, *head, size);
  piece.end_offset = offset;
  Take(frame->header, &piece);
  return piece;
}

void AppendEndFrame(const PieceFigures& piece, std::string* out) {
  AppendFrame(piece.head, piece.end_offset,
              {.kind = FrameKind::kEnd,
               .first_index = piece.head.first_index,
               .last_index = piece.last_index,
               .revision = piece.revision,
               .wall_nanos = piece.wall_nanos,
               .link = piece.link},
              {}, {}, out);
}

}  // namespace socle::server
