#include "server/migrate/etcd_log.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/crc32c.h"
#include "server/migrate/wire_field.h"

namespace socle::server {
namespace {

constexpr uint64_t kFrameBytes = 8;
constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kSizeMask = (uint64_t{1} << 56U) - 1;
constexpr uint64_t kProgressBytes = uint64_t{1} << 20U;

struct Record {
  uint64_t kind = 0;
  uint32_t crc = 0;
  std::string_view payload;
};

// nullopt when the bytes are no record.
std::optional<Record> ParseRecord(std::string_view bytes) {
  Record record;
  while (!bytes.empty()) {
    WireField field;
    if (!ConsumeField(&bytes, &field)) {
      return std::nullopt;
    }
    if (field.number == 1 && !field.is_bytes) {
      record.kind = field.varint;
    } else if (field.number == 2 && !field.is_bytes && field.varint <= UINT32_MAX) {
      record.crc = static_cast<uint32_t>(field.varint);
    } else if (field.number == 3 && field.is_bytes) {
      record.payload = field.bytes;
    } else {
      return std::nullopt;
    }
  }
  return record;
}

// The numbers of a message that has nothing else, by field number from 1 on; nullopt when there is more.
template <size_t kCount>
std::optional<std::array<uint64_t, kCount>> ParseNumbers(std::string_view bytes) {
  std::array<uint64_t, kCount> numbers{};
  while (!bytes.empty()) {
    WireField field;
    if (!ConsumeField(&bytes, &field) || field.is_bytes || field.number > kCount) {
      return std::nullopt;
    }
    numbers.at(field.number - 1) = field.varint;
  }
  return numbers;
}

std::optional<EtcdEntry> ParseEntry(std::string_view bytes) {
  EtcdEntry entry;
  while (!bytes.empty()) {
    WireField field;
    if (!ConsumeField(&bytes, &field)) {
      return std::nullopt;
    }
    if (field.number == 4 && field.is_bytes) {
      entry.payload = field.bytes;
    } else if (field.is_bytes || field.number > 3) {
      return std::nullopt;
    } else if (field.number == 1) {
      entry.type = static_cast<EtcdEntryType>(field.varint);
    } else {
      (field.number == 2 ? entry.term : entry.index) = field.varint;
    }
  }
  return entry;
}

std::optional<EtcdMarker> ParseMarker(std::string_view bytes) {
  EtcdMarker marker;
  while (!bytes.empty()) {
    WireField field;
    if (!ConsumeField(&bytes, &field)) {
      return std::nullopt;
    }
    if (field.number == 3 && field.is_bytes) {
      marker.voters = ParseConfState(field.bytes);
      if (!marker.voters.has_value()) {
        return std::nullopt;
      }
    } else if (field.is_bytes || field.number > 2) {
      return std::nullopt;
    } else {
      (field.number == 1 ? marker.index : marker.term) = field.varint;
    }
  }
  return marker;
}

// Whether a sector of the file that the record reaches into is nothing but zeros there: that part of it was never
// written.
bool HasZeroSector(std::string_view bytes, uint64_t file_offset) {
  while (!bytes.empty()) {
    const uint64_t size =
        std::min<uint64_t>(bytes.size(), kSectorBytes - file_offset % kSectorBytes);
    const std::string_view sector = bytes.substr(0, size);
    if (sector.find_first_not_of('\0') == std::string_view::npos) {
      return true;
    }
    bytes.remove_prefix(size);
    file_offset += size;
  }
  return false;
}

class Reader {
 public:
  Reader(std::span<const EtcdSegment> segments, const std::function<void(uint64_t)>& progress)
      : segments_(segments), progress_(progress) {}

  absl::StatusOr<EtcdLog> Run() {
    for (const EtcdSegment& segment : segments_) {
      log_.names.push_back(segment.name);
    }
    for (size_t i = 0; i < segments_.size(); ++i) {
      place_ = {.segment = static_cast<uint32_t>(i)};
      RETURN_IF_ERROR(ReadSegment(segments_[i].bytes, i + 1 == segments_.size()));
      done_bytes_ += segments_[i].bytes.size();
    }
    if (!has_metadata_) {
      return absl::DataLossError(
          fmt::format("{}: the log has no record that says whose it is",
                      segments_.empty() ? "the log" : segments_.front().name));
    }
    return std::move(log_);
  }

 private:
  absl::Status Broken(std::string_view what) const {
    return absl::DataLossError(fmt::format("{}: {}", log_.Text(place_), what));
  }

  // Law 2. True when the log ends here instead.
  bool IsTorn(bool is_last, std::string_view what) {
    if (!is_last) {
      return false;
    }
    PROBE("etcd log: a torn tail is cut");
    log_.torn = fmt::format("{}: {}", log_.Text(place_), what);
    return true;
  }

  bool IsUnwritten(std::string_view record, bool is_last) {
    return HasZeroSector(record, place_.offset + kFrameBytes) &&
           IsTorn(is_last, "a record that was not written to its end");
  }

  absl::Status ReadSegment(std::string_view bytes, bool is_last) {
    while (place_.offset < bytes.size()) {
      const std::string_view rest = bytes.substr(place_.offset);
      uint64_t length = 0;
      if (rest.size() < kFrameBytes) {
        return IsTorn(is_last, "the file ends in the length of a record")
                   ? absl::OkStatus()
                   : Broken("the file ends in the length of a record");
      }
      std::memcpy(&length, rest.data(), sizeof(length));
      if (length == 0) {
        break;
      }
      const uint64_t size = length & kSizeMask;
      const uint64_t top = length >> 56U;
      const uint64_t padding = top & 7U;
      if ((top & ~(0x80U | 7U)) != 0 || ((top & 0x80U) == 0 && padding != 0)) {
        return Broken(fmt::format("{:#018x} is no length of a record", length));
      }
      if (size + padding > rest.size() - kFrameBytes) {
        const std::string what =
            fmt::format("a record of {} bytes, and only {} are left in the file", size,
                        rest.size() - kFrameBytes);
        return IsTorn(is_last, what) ? absl::OkStatus() : Broken(what);
      }
      const std::string_view record = rest.substr(kFrameBytes, size);
      bool is_end = false;
      RETURN_IF_ERROR(ReadRecord(record, is_last, &is_end));
      if (is_end) {
        return absl::OkStatus();
      }
      place_.offset += kFrameBytes + size + padding;
      ++place_.record;
      ++log_.records;
      Report();
    }
    return absl::OkStatus();
  }

  absl::Status ReadRecord(std::string_view bytes, bool is_last, bool* is_end) {
    const std::optional<Record> record = ParseRecord(bytes);
    if (!record.has_value()) {
      *is_end = IsUnwritten(bytes, is_last);
      return *is_end ? absl::OkStatus() : Broken("the bytes are no record");
    }
    if (record->kind == static_cast<uint64_t>(EtcdRecordKind::kCrc)) {
      if (crc_ != 0 && crc_ != record->crc) {
        return Broken(
            fmt::format("the segment follows one with checksum {:08x}, not {:08x}: a "
                        "segment is missing or is another log's",
                        record->crc, crc_));
      }
      crc_ = record->crc;
      return absl::OkStatus();
    }
    const uint32_t crc = kv::Crc32c(record->payload, crc_);
    if (crc != record->crc) {
      *is_end = IsUnwritten(bytes, is_last);
      return *is_end ? absl::OkStatus()
                     : Broken(fmt::format("the record's checksum is {:08x}, its bytes have {:08x}",
                                          record->crc, crc));
    }
    crc_ = crc;
    return Take(*record);
  }

  absl::Status Take(const Record& record) {
    switch (static_cast<EtcdRecordKind>(record.kind)) {
      case EtcdRecordKind::kMetadata:
        return TakeMetadata(record.payload);
      case EtcdRecordKind::kEntry:
        return TakeEntry(record.payload);
      case EtcdRecordKind::kHardState: {
        const auto state = ParseNumbers<3>(record.payload);
        if (!state.has_value()) {
          return Broken("the hard state is none");
        }
        log_.term = (*state)[0];
        log_.commit = (*state)[2];
        return absl::OkStatus();
      }
      case EtcdRecordKind::kSnapshot: {
        std::optional<EtcdMarker> marker = ParseMarker(record.payload);
        if (!marker.has_value()) {
          return Broken("the snapshot record is none");
        }
        marker->place = place_;
        log_.markers.push_back(*std::move(marker));
        return absl::OkStatus();
      }
      case EtcdRecordKind::kCrc:
        break;
    }
    return Broken(fmt::format("records of kind {} are not known here: a newer etcd wrote this log",
                              record.kind));
  }

  absl::Status TakeMetadata(std::string_view payload) {
    const auto ids = ParseNumbers<2>(payload);
    if (!ids.has_value()) {
      return Broken("the metadata is none");
    }
    if (has_metadata_ && ((*ids)[0] != log_.member_id || (*ids)[1] != log_.cluster_id)) {
      return Broken(fmt::format("the segment is of member {:x}, the ones before of {:x}", (*ids)[0],
                                log_.member_id));
    }
    has_metadata_ = true;
    log_.member_id = (*ids)[0];
    log_.cluster_id = (*ids)[1];
    return absl::OkStatus();
  }

  absl::Status TakeEntry(std::string_view payload) {
    std::optional<EtcdEntry> entry = ParseEntry(payload);
    if (!entry.has_value() || entry->index == 0) {
      return Broken("the entry is none");
    }
    entry->place = place_;
    std::vector<EtcdEntry>& entries = log_.entries;
    if (!entries.empty()) {
      const uint64_t first = entries.front().index;
      if (entry->index > entries.back().index + 1 && !log_.markers.empty() &&
          log_.markers.back().index + 1 == entry->index) {
        PROBE("etcd log: it goes on behind a snapshot that a leader had sent");
        entries.clear();
      } else if (entry->index < first || entry->index > entries.back().index + 1) {
        return Broken(fmt::format("entry {} follows entry {}, and the log begins at {}",
                                  entry->index, entries.back().index, first));
      }
      if (!entries.empty() && entry->index <= entries.back().index) {
        PROBE("etcd log: entries of an older term give way");
        entries.resize(entry->index - first);
      }
    }
    entries.push_back(*entry);
    return absl::OkStatus();
  }

  void Report() {
    const uint64_t bytes = done_bytes_ + place_.offset;
    if (progress_ && bytes - reported_bytes_ >= kProgressBytes) {
      reported_bytes_ = bytes;
      progress_(bytes);
    }
  }

  const std::span<const EtcdSegment> segments_;
  const std::function<void(uint64_t)>& progress_;
  EtcdLog log_;
  EtcdPlace place_;
  uint32_t crc_ = 0;
  bool has_metadata_ = false;
  uint64_t done_bytes_ = 0;
  uint64_t reported_bytes_ = 0;
};

}  // namespace

std::string EtcdLog::Text(const EtcdPlace& place) const {
  return fmt::format("{}: record {} at offset {}",
                     place.segment < names.size() ? names[place.segment] : "the log", place.record,
                     place.offset);
}

std::optional<EtcdVoters> ParseConfState(std::string_view bytes) {
  EtcdVoters state;
  while (!bytes.empty()) {
    WireField field;
    if (!ConsumeField(&bytes, &field) || field.number > 5) {
      return std::nullopt;
    }
    // Repeated numbers come one by one, or packed.
    std::vector<uint64_t> numbers;
    if (!field.is_bytes) {
      numbers.push_back(field.varint);
    }
    while (!field.bytes.empty()) {
      if (!ConsumeVarint(&field.bytes, &numbers.emplace_back())) {
        return std::nullopt;
      }
    }
    if (field.number == 1) {
      state.voters.insert(state.voters.end(), numbers.begin(), numbers.end());
    } else if (field.number == 2) {
      state.learners.insert(state.learners.end(), numbers.begin(), numbers.end());
    } else {
      state.is_joint = state.is_joint || (field.number != 5 && !numbers.empty());
    }
  }
  return state;
}

absl::StatusOr<EtcdLog> ReadEtcdLog(std::span<const EtcdSegment> segments,
                                    const std::function<void(uint64_t)>& progress) {
  return Reader(segments, progress).Run();
}

}  // namespace socle::server
