// BackupFormat: the bytes and names of a backup directory's files.
//
// Laws     1. A checksum is right only at its place: those of frames are salted with store, sequence number and offset.
//          2. Decoding never trusts the bytes.
// Threads  pure functions.
// Errors   DataLoss says what is wrong and where, without the file's name; FailedPrecondition for a newer format.
// Source   FORMAT.md.
#ifndef SOCLE_SERVER_BACKUP_BACKUP_FORMAT_H_
#define SOCLE_SERVER_BACKUP_BACKUP_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace socle::server {

inline constexpr uint32_t kBackupVersion = 1;

struct PieceHead {
  char magic[8];
  uint32_t version;
  uint32_t head_bytes;
  uint64_t cluster_id;
  uint64_t store_id;
  uint64_t sequence;
  uint64_t chain;
  uint64_t first_index;
  int64_t revision;    // as that of the first frame
  int64_t wall_nanos;  // of its first time mark
  uint32_t link;       // checksum of the entry before the first one; 0: not known
  char reserved[48];   // 0
  uint32_t crc;        // of the 124 bytes before
};

static_assert(sizeof(PieceHead) == 128);
static_assert(offsetof(PieceHead, first_index) == 48);
static_assert(offsetof(PieceHead, crc) == 124);

enum class FrameKind : uint32_t { kEntries = 1, kEnd = 2 };

struct FrameHeader {
  uint32_t header_crc;  // of the 60 bytes that follow, salted
  uint32_t body_crc;    // of the body, salted
  FrameKind kind;
  uint32_t marks;  // time marks at the beginning of the body
  uint64_t body_bytes;
  uint64_t first_index;
  uint64_t last_index;
  int64_t revision;    // that is in the entries up to here, or a higher one is; 0: not known
  int64_t wall_nanos;  // when it was written
  uint32_t link;       // checksum of the last entry
  uint32_t reserved;   // 0
};

static_assert(sizeof(FrameHeader) == 64);
static_assert(offsetof(FrameHeader, body_bytes) == 16);
static_assert(offsetof(FrameHeader, link) == 56);

inline constexpr uint64_t kFrameAlignment = 8;
inline constexpr uint64_t kFrameBodyMax = uint64_t{1} << 31U;

// At this time the log ended with this entry.
struct TimeMark {
  uint64_t index = 0;
  int64_t wall_nanos = 0;
};

static_assert(sizeof(TimeMark) == 16);

struct BaseRecord {
  char magic[8];
  uint32_t version;
  uint32_t record_bytes;
  uint64_t cluster_id;
  uint64_t store_id;
  uint64_t sequence;
  uint64_t chain;
  uint64_t index;  // last entry whose effect is in the image
  int64_t revision;
  int64_t compact_revision;
  int64_t wall_nanos;    // when all of that had been logged
  uint64_t image_bytes;  // without the digest behind it
  // HashKV of the store at a moment soon after.
  int64_t hash_revision;
  int64_t hash_compact_revision;
  uint32_t hash;
  uint32_t saved_link;   // checksum of the entry …
  uint64_t saved_index;  // … up to which the chain was saved when this was written
  char sha256[32];
  char reserved[100];  // 0
  uint32_t crc;        // of the 252 bytes before
};

static_assert(sizeof(BaseRecord) == 256);
static_assert(offsetof(BaseRecord, index) == 48);
static_assert(offsetof(BaseRecord, sha256) == 120);
static_assert(offsetof(BaseRecord, crc) == 252);

// --- Names. Sequence number and log index, 16 hexadecimal digits each.
inline constexpr std::string_view kPieceSuffix = ".piece";
inline constexpr std::string_view kPartSuffix = ".part";
inline constexpr std::string_view kBaseSuffix = ".base";
inline constexpr std::string_view kImageSuffix = ".db";
inline constexpr std::string_view kUnfinishedSuffix = ".tmp";
inline constexpr std::string_view kLockName = "LOCK";

struct BackupName {
  uint64_t sequence = 0;
  uint64_t index = 0;
  std::string_view suffix;  // one of the above
};

std::string MakeBackupName(uint64_t sequence, uint64_t index, std::string_view suffix);
std::optional<BackupName> ParseBackupName(std::string_view name);

// Fills magic, version and checksum.
std::string EncodePieceHead(PieceHead head);
absl::StatusOr<PieceHead> DecodePieceHead(std::string_view bytes);
std::string EncodeBaseRecord(BaseRecord record);
absl::StatusOr<BaseRecord> DecodeBaseRecord(std::string_view bytes);

// Checksum of an entry as links have it.
uint32_t LinkOf(std::string_view entry);

void AppendEntry(std::string_view entry, std::string* body);

// Appends the frame that stands at `offset` of the piece; checksums and lengths are filled in.
void AppendFrame(const PieceHead& piece, uint64_t offset, FrameHeader header,
                 const std::vector<TimeMark>& marks, std::string_view entries, std::string* out);

struct Frame {
  FrameHeader header{};
  uint64_t offset = 0;
  uint64_t end = 0;  // where the next one begins
  std::vector<TimeMark> marks;
  std::vector<std::string_view> entries;  // into the piece's bytes
};

// The frame at `offset` of a piece's bytes, which may hold anything.
absl::StatusOr<Frame> ReadFrame(const PieceHead& piece, std::string_view bytes, uint64_t offset);
// The same where `frame_bytes` are those from `offset` on alone.
absl::StatusOr<Frame> ReadFrameAt(const PieceHead& piece, std::string_view frame_bytes,
                                  uint64_t offset);
// Whether the header of a frame stands there, whatever its body.
bool HasFrameHeader(const PieceHead& piece, std::string_view bytes, uint64_t offset);

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_BACKUP_FORMAT_H_
