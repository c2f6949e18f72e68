#include "kv/testing/simulated_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle {
namespace {

void Overwrite(uint64_t offset, std::string_view bytes, std::string* contents) {
  if (contents->size() < offset + bytes.size()) {
    contents->resize(offset + bytes.size());
  }
  contents->replace(offset, bytes.size(), bytes);
}

void WriteMirror(int fd, uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    CHECK_GT(count, 0);
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
}

class MemoryMapping final : public Mapping {
 public:
  MemoryMapping(void* address, size_t size) : address_(address), size_(size) {}

  ~MemoryMapping() override { CHECK_EQ(::munmap(address_, size_), 0); }

  MemoryMapping(const MemoryMapping&) = delete;
  MemoryMapping& operator=(const MemoryMapping&) = delete;

  const char* data() const override { return static_cast<const char*>(address_); }

  size_t size() const override { return size_; }

 private:
  void* const address_;
  const size_t size_;
};

// What becomes of one unsynced change.
enum class Fate : uint64_t { kKept, kLost, kTorn };

// Calls visit(sector, offset, bytes) for each part of the write that lies in one sector.
template <typename Visit>
void ForEachSector(uint64_t offset, std::string_view bytes, Visit visit) {
  while (!bytes.empty()) {
    const uint64_t sector = offset / SimulatedFile::kSectorBytes;
    const uint64_t rest = (sector + 1) * SimulatedFile::kSectorBytes - offset;
    const std::string_view part = bytes.substr(0, rest);
    visit(sector, offset, part);
    bytes.remove_prefix(part.size());
    offset += part.size();
  }
}

}  // namespace

SimulatedFile::SimulatedFile(std::string contents) : seen_(std::move(contents)), durable_(seen_) {}

SimulatedFile::~SimulatedFile() {
  if (mirror_fd_ >= 0) {
    ::close(mirror_fd_);
  }
}

void SimulatedFile::Write(uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  Overwrite(offset, bytes, &seen_);
  unsynced_.push_back({offset, std::string(bytes), false});
  if (mirror_fd_ >= 0) {
    WriteMirror(mirror_fd_, offset, bytes);
  }
}

void SimulatedFile::Truncate(uint64_t size) {
  seen_.resize(size);
  unsynced_.push_back({size, {}, true});
  if (mirror_fd_ >= 0) {
    CHECK_EQ(::ftruncate(mirror_fd_, static_cast<off_t>(size)), 0);
  }
}

void SimulatedFile::Sync() {
  Settle(DurabilityLoss::kNone, nullptr);
}

void SimulatedFile::Settle(DurabilityLoss loss, Random* random) {
  SettleInto(&durable_, loss, random);
  unsynced_.clear();
}

std::string SimulatedFile::AfterPowerCut(DurabilityLoss loss, Random* random) const {
  std::string durable = durable_;
  SettleInto(&durable, loss, random);
  return durable;
}

void SimulatedFile::SettleInto(std::string* durable, DurabilityLoss loss, Random* random) const {
  if (loss == DurabilityLoss::kAll || unsynced_.empty()) {
    return;
  }
  if (loss != DurabilityLoss::kNone) {
    SettlePartly(durable, loss, random);
    return;
  }
  for (const Change& change : unsynced_) {
    if (change.is_truncate) {
      durable->resize(change.offset);
    } else {
      Overwrite(change.offset, change.bytes, durable);
    }
  }
}

void SimulatedFile::SettlePartly(std::string* durable, DurabilityLoss loss, Random* random) const {
  const size_t chosen = random->Below(unsynced_.size());
  const auto fate_of = [&](size_t i) {
    switch (loss) {
      case DurabilityLoss::kTorn:
        return Fate::kTorn;
      case DurabilityLoss::kOneLost:
        return i == chosen ? Fate::kLost : Fate::kKept;
      case DurabilityLoss::kOneTorn:
        return i == chosen ? Fate::kTorn : Fate::kKept;
      default:
        return Fate{random->Below(3)};
    }
  };
  // How many of the changes, counted from the first, each sector has seen.
  absl::flat_hash_map<uint64_t, size_t> reached;
  std::vector<bool> is_kept(unsynced_.size());
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const Fate fate = fate_of(i);
    is_kept[i] = fate == Fate::kKept || (fate == Fate::kTorn && random->OneIn(2));
    if (fate != Fate::kLost && !unsynced_[i].is_truncate) {
      ForEachSector(unsynced_[i].offset, unsynced_[i].bytes, [&](uint64_t sector, uint64_t, auto) {
        if (fate == Fate::kKept || random->OneIn(2)) {
          reached[sector] = i + 1;
        }
      });
    }
  }
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const Change& change = unsynced_[i];
    if (change.is_truncate) {
      if (is_kept[i]) {
        durable->resize(change.offset);
      }
      continue;
    }
    ForEachSector(change.offset, change.bytes,
                  [&](uint64_t sector, uint64_t offset, std::string_view part) {
                    const auto found = reached.find(sector);
                    if (found != reached.end() && found->second > i) {
                      Overwrite(offset, part, durable);
                    }
                  });
    // A file system may have made the new length durable before the bytes.
    const uint64_t end = change.offset + change.bytes.size();
    if (end > durable->size() && random->OneIn(4)) {
      durable->resize(end);
    }
  }
}

absl::StatusOr<std::unique_ptr<Mapping>> SimulatedFile::MapForReading(size_t length) {
  if (mirror_fd_ < 0) {
    mirror_fd_ = ::memfd_create("socle_simulated_file", MFD_CLOEXEC);
    if (mirror_fd_ < 0) {
      return absl::ResourceExhaustedError("memfd_create");
    }
    WriteMirror(mirror_fd_, 0, seen_);
  }
  void* address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, mirror_fd_, 0);
  if (address == MAP_FAILED) {  // NOLINT: the macro casts
    return absl::ResourceExhaustedError(fmt::format("mmap {} bytes", length));
  }
  return std::make_unique<MemoryMapping>(address, length);
}

}  // namespace socle
