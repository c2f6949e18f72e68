#include "server/backup/backup_directory.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

absl::StatusOr<BaseFigures> ReadBase(Env* env, const std::string& path, const std::string& name,
                                     const BackupName& parsed) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(env, fmt::format("{}/{}", path, name)));
  const absl::StatusOr<BaseRecord> record = DecodeBaseRecord(bytes);
  if (!record.ok()) {
    return Annotate(record.status(), name);
  }
  if (record->sequence != parsed.sequence || record->index != parsed.index) {
    return absl::DataLossError(
        fmt::format("{}: the record is that of {}", name,
                    MakeBackupName(record->sequence, record->index, kBaseSuffix)));
  }
  return BaseFigures{.name = name,
                     .image = MakeBackupName(parsed.sequence, parsed.index, kImageSuffix),
                     .record = *record};
}

// OK when `piece` goes on where `before` ends.
absl::Status ExpectFollows(const PieceFigures& before, const PieceFigures& piece) {
  if (!before.is_closed) {
    return absl::DataLossError(
        fmt::format("{}: is not closed, and {} follows it", before.name, piece.name));
  }
  if (piece.head.first_index > before.last_index + 1) {
    return absl::DataLossError(
        fmt::format("{}: begins with entry {}, but {} ends with entry {}: entries {} to {} are not "
                    "there, a piece is missing between them",
                    piece.name, piece.head.first_index, before.name, before.last_index,
                    before.last_index + 1, piece.head.first_index - 1));
  }
  if (piece.head.first_index <= before.last_index) {
    return absl::DataLossError(
        fmt::format("{}: begins with entry {}, but {} ends with entry {}: they overlap", piece.name,
                    piece.head.first_index, before.name, before.last_index));
  }
  if (piece.head.link != before.link) {
    return absl::DataLossError(
        fmt::format("{}: follows an entry with checksum {:#010x}, but {} ends with {:#010x}",
                    piece.name, piece.head.link, before.name, before.link));
  }
  return absl::OkStatus();
}

// Behind this entry it begins.
uint64_t BeginOf(const BackupChain& part) {
  return part.pieces.empty() ? part.bases.front().record.index
                             : part.pieces.front().head.first_index - 1;
}

// OK when nothing is lost behind `part`, up to `next`; null: it is the last one.
absl::Status ExpectReaches(const BackupChain& part, const BackupChain* next) {
  const bool is_told = next != nullptr && !part.pieces.empty() && !next->pieces.empty();
  if (is_told || part.bases.empty()) {
    return absl::OkStatus();
  }
  const uint64_t wanted = next != nullptr ? BeginOf(*next) : part.promised_index();
  if (wanted <= part.last_index()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      fmt::format("{}: entries {} to {} were saved behind it and are not there: a piece is missing",
                  part.bases.back().name, part.last_index() + 1, wanted));
}

bool Covers(const BackupChain& chain, uint64_t index) {
  return !chain.pieces.empty() && chain.pieces.front().head.first_index <= index + 1 &&
         index <= chain.pieces.back().last_index;
}

class DirectoryReader {
 public:
  DirectoryReader(Env* env, const std::string& path, ReadFor purpose)
      : env_(env), path_(path), needed_from_(purpose == ReadFor::kRestore ? UINT64_MAX : 0) {}

  absl::StatusOr<BackupDirectory> Read() {
    ASSIGN_OR_RETURN(const std::vector<std::string> list, env_->List(path_));
    names_.insert(list.begin(), list.end());
    for (const std::string& name : list) {
      if (const auto parsed = ParseBackupName(name)) {
        found_.next_sequence = std::max(found_.next_sequence, parsed->sequence + 1);
        RETURN_IF_ERROR(Add(name, *parsed));
      }
    }
    for (auto& [number, chain] : chains_) {
      found_.next_sequence = std::max(found_.next_sequence, number + 1);
      Split(std::move(chain));
    }
    return std::move(found_);
  }

 private:
  // Law 1: cuts the files of a chain where they don't follow one another.
  void Split(BackupChain whole) {
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::sort(whole.bases.begin(), whole.bases.end(), by_name);
    std::sort(whole.pieces.begin(), whole.pieces.end(), by_name);
    std::vector<BackupChain> parts;
    for (PieceFigures& piece : whole.pieces) {
      absl::Status follows;
      if (!parts.empty()) {
        follows = ExpectFollows(parts.back().pieces.back(), piece);
      }
      if (!follows.ok()) {
        parts.back().behind = follows;
      }
      if (parts.empty() || !follows.ok()) {
        parts.push_back({.number = whole.number, .bases = {}, .pieces = {}, .behind = {}});
      }
      if (!follows.ok()) {
        PROBE("backup: a chain is broken");
        found_.damage.push_back(follows);
      }
      parts.back().pieces.push_back(std::move(piece));
    }
    for (BaseFigures& base : whole.bases) {
      const auto part = std::find_if(parts.begin(), parts.end(), [&](const BackupChain& chain) {
        return Covers(chain, base.record.index);
      });
      if (part != parts.end()) {
        part->bases.push_back(std::move(base));
      } else {
        parts.push_back(
            {.number = whole.number, .bases = {std::move(base)}, .pieces = {}, .behind = {}});
      }
    }
    std::stable_sort(parts.begin(), parts.end(), [](const BackupChain& a, const BackupChain& b) {
      return BeginOf(a) < BeginOf(b);
    });
    NoteGaps(&parts);
    std::move(parts.begin(), parts.end(), std::back_inserter(found_.chains));
  }

  void NoteGaps(std::vector<BackupChain>* parts) {
    for (size_t i = 0; i < parts->size(); ++i) {
      BackupChain& part = (*parts)[i];
      const absl::Status reaches =
          ExpectReaches(part, i + 1 < parts->size() ? &(*parts)[i + 1] : nullptr);
      if (!reaches.ok()) {
        PROBE("backup: a piece behind a base is missing");
        found_.damage.push_back(reaches);
        part.behind.Update(reaches);
      }
      part.behind.Update(ExpectReadBehind(part));
    }
  }

  // OK unless what follows the part is a piece that can't be read.
  absl::Status ExpectReadBehind(const BackupChain& part) const {
    for (const std::string& name : found_.unread) {
      if (ParseBackupName(name)->index == part.last_index() + 1) {
        return absl::DataLossError(fmt::format("{}: is damaged, entries from {} on are lost", name,
                                               part.last_index() + 1));
      }
    }
    return absl::OkStatus();
  }

  // Remembers damage; other errors end the reading.
  absl::Status Note(const absl::Status& status) {
    if (absl::IsDataLoss(status) || absl::IsOutOfRange(status)) {
      found_.damage.push_back(status);
      return absl::OkStatus();
    }
    return status;
  }

  absl::Status Add(const std::string& name, const BackupName& parsed) {
    const auto sibling = [&](std::string_view suffix) {
      return names_.contains(MakeBackupName(parsed.sequence, parsed.index, suffix));
    };
    if (parsed.suffix == kUnfinishedSuffix ||
        (parsed.suffix == kImageSuffix && !sibling(kBaseSuffix)) ||
        (parsed.suffix == kPartSuffix && sibling(kPieceSuffix))) {
      found_.leftovers.push_back(name);
    } else if (parsed.suffix == kBaseSuffix) {
      absl::StatusOr<BaseFigures> base = ReadBase(env_, path_, name, parsed);
      if (!base.ok()) {
        return Note(base.status());
      }
      const BaseRecord& record = base->record;
      RETURN_IF_ERROR(ExpectOwner(name, record.cluster_id, record.store_id));
      BackupChain& chain = ChainOf(record.chain);
      chain.bases.push_back(*std::move(base));
    } else if (parsed.suffix == kPieceSuffix || parsed.suffix == kPartSuffix) {
      absl::StatusOr<PieceFigures> piece = ReadPieceFigures(env_, path_, name, needed_from_);
      if (!piece.ok()) {
        found_.unread.push_back(name);
        return Note(piece.status());
      }
      RETURN_IF_ERROR(Note(piece->skipped));
      if (piece->head.first_index == 0) {
        found_.leftovers.push_back(name);  // nothing was written to it
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(ExpectOwner(name, piece->head.cluster_id, piece->head.store_id));
      BackupChain& chain = ChainOf(piece->head.chain);
      chain.pieces.push_back(*std::move(piece));
    }
    return absl::OkStatus();
  }

  BackupChain& ChainOf(uint64_t number) {
    BackupChain& chain = chains_[number];
    chain.number = number;
    return chain;
  }

  absl::Status ExpectOwner(const std::string& name, uint64_t cluster_id, uint64_t store_id) {
    if (found_.store_id == 0) {
      found_.cluster_id = cluster_id;
      found_.store_id = store_id;
    }
    if (found_.store_id != store_id || found_.cluster_id != cluster_id) {
      return absl::FailedPreconditionError(
          fmt::format("{}: is of store {:x} in cluster {:x}, other files here are of store {:x} in "
                      "cluster {:x}",
                      name, store_id, cluster_id, found_.store_id, found_.cluster_id));
    }
    return absl::OkStatus();
  }

  Env* const env_;
  const std::string& path_;
  const uint64_t needed_from_;
  std::set<std::string> names_;
  std::map<uint64_t, BackupChain> chains_;
  BackupDirectory found_;
};

}  // namespace

uint64_t BackupChain::last_index() const {
  const uint64_t of_pieces = pieces.empty() ? 0 : pieces.back().last_index;
  return bases.empty() ? of_pieces : std::max(of_pieces, bases.back().record.index);
}

uint64_t BackupChain::promised_index() const {
  return bases.empty() ? 0 : bases.back().record.saved_index;
}

absl::StatusOr<BackupDirectory> ReadBackupDirectory(Env* env, const std::string& path,
                                                    ReadFor purpose) {
  // Files come, get their final names, and go while a server works here.
  constexpr int kTries = 3;
  for (int i = 1;; ++i) {
    absl::StatusOr<BackupDirectory> found = DirectoryReader(env, path, purpose).Read();
    if (found.ok() || !absl::IsNotFound(found.status()) || i == kTries) {
      return found.ok() ? std::move(found) : Annotate(found.status(), path);
    }
  }
}

}  // namespace socle::server
