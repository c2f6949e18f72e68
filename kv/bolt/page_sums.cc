#include "kv/bolt/page_sums.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/crc32c.h"

namespace socle::kv::bolt {
namespace {

constexpr std::string_view kSumsMagic = "SOCLESUM";
// A block may be read in the middle of its being written; that takes less than a microsecond.
constexpr int kReadTries = 1000;

constexpr uint64_t BlockOf(PageId id) {
  return Raw(id) / kSumsPerBlock + 1;
}

constexpr PageId FirstPageOf(uint64_t block) {
  return PageId{(block - 1) * kSumsPerBlock};
}

uint32_t CrcOf(const SumBlock& block) {
  std::array<char, sizeof(SumBlock)> bytes{};
  std::memcpy(bytes.data(), &block, sizeof(block));
  return Crc32c({bytes.data() + sizeof(block.crc), sizeof(block) - sizeof(block.crc)});
}

uint32_t CrcOf(const SumHead& head) {
  std::array<char, sizeof(SumHead)> bytes{};
  std::memcpy(bytes.data(), &head, sizeof(head));
  return Crc32c({bytes.data(), offsetof(SumHead, crc)});
}

bool IsEmpty(const SumBlock& block) {
  std::array<char, sizeof(SumBlock)> bytes{};
  std::memcpy(bytes.data(), &block, sizeof(block));
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
}

uint64_t BlocksMax(const PageSums::Shape& shape) {
  return shape.pages_max / kSumsPerBlock + 2;
}

}  // namespace

PageSums::PageSums(const std::string& database, std::unique_ptr<File> file,
                   std::unique_ptr<Mapping> mapping, const Shape& shape)
    : database_(database),
      shape_(shape),
      file_(std::move(file)),
      mapping_(std::move(mapping)),
      // Untouched parts of it take no memory.
      verified_(static_cast<uint64_t*>(std::calloc(shape.pages_max / 64 + 1, sizeof(uint64_t)))) {
  CHECK(verified_ != nullptr);
}

absl::StatusOr<std::unique_ptr<PageSums>> PageSums::Open(Env* env, const std::string& database,
                                                         const std::string& sums,
                                                         const Shape& shape) {
  ASSIGN_OR_RETURN(auto file,
                   env->Open(sums, shape.read_only ? OpenMode::kReadOnly : OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  ASSIGN_OR_RETURN(auto mapping, file->MapForReading(BlocksMax(shape) * kSumsBlockBytes));
  std::unique_ptr<PageSums> opened(
      new PageSums(database, std::move(file), std::move(mapping), shape));
  RETURN_IF_ERROR(opened->LoadHead(size));
  return opened;
}

absl::StatusOr<std::unique_ptr<PageSums>> PageSums::Create(Env* env, const std::string& database,
                                                           const std::string& sums,
                                                           const Shape& shape) {
  ASSIGN_OR_RETURN(auto file, env->Open(sums, OpenMode::kReadWriteCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  ASSIGN_OR_RETURN(auto mapping, file->MapForReading(BlocksMax(shape) * kSumsBlockBytes));
  std::unique_ptr<PageSums> created(
      new PageSums(database, std::move(file), std::move(mapping), shape));
  created->collects_ = true;
  return created;
}

absl::Status PageSums::LoadHead(uint64_t file_bytes) {
  if (file_bytes < kSumsBlockBytes) {
    return absl::DataLossError(fmt::format("{} bytes, no head", file_bytes));
  }
  std::memcpy(&head_, mapping_->data(), sizeof(head_));
  if (std::string_view(head_.magic, sizeof(head_.magic)) != kSumsMagic) {
    return absl::DataLossError("not a file of page checksums (magic bytes)");
  }
  if (head_.version != kSumsVersion || head_.page_size != shape_.page_size) {
    return absl::DataLossError(fmt::format("version {} for pages of {} bytes, expected {} and {}",
                                           head_.version, head_.page_size, kSumsVersion,
                                           shape_.page_size));
  }
  if (head_.crc != CrcOf(head_)) {
    return absl::DataLossError(
        fmt::format("head: expected checksum {:#010x}, found {:#010x}", CrcOf(head_), head_.crc));
  }
  blocks_ = std::min(file_bytes / kSumsBlockBytes, BlocksMax(shape_));
  return absl::OkStatus();
}

bool PageSums::ReadBlock(uint64_t index, SumBlock* block) const {
  *block = SumBlock{};
  if (index >= blocks_.load(std::memory_order_acquire)) {
    return true;
  }
  std::memcpy(block, mapping_->data() + index * kSumsBlockBytes, sizeof(*block));
  return (block->index == index && block->crc == CrcOf(*block)) || IsEmpty(*block);
}

SumEntry PageSums::EntryOf(PageId id) const {
  SumEntry entry{};
  const uint64_t block = BlockOf(id);
  if (block < blocks_.load(std::memory_order_acquire)) {
    std::memcpy(&entry,
                mapping_->data() + block * kSumsBlockBytes + offsetof(SumBlock, entries) +
                    (id - FirstPageOf(block)) * sizeof(SumEntry),
                sizeof(entry));
  }
  return entry;
}

void PageSums::SetVerified(PageId id) {
  const std::atomic_ref<uint64_t> word(verified_.get()[Raw(id) / 64]);
  word.fetch_or(uint64_t{1} << (Raw(id) % 64), std::memory_order_relaxed);
}

void PageSums::ClearVerified(PageId id) {
  const std::atomic_ref<uint64_t> word(verified_.get()[Raw(id) / 64]);
  word.fetch_and(~(uint64_t{1} << (Raw(id) % 64)), std::memory_order_relaxed);
}

absl::Status PageSums::Verify(PageId id, std::string_view page) {
  if (collects_) {
    Stage(id, page);
    return absl::OkStatus();
  }
  const SumEntry entry = EntryOf(id);
  const uint32_t found = entry.is_known() ? Crc32c(page) : 0;
  if (entry.is_known() && found != entry.crc) {
    SumBlock block;
    int tries = kReadTries;
    while (!ReadBlock(BlockOf(id), &block) && --tries > 0) {
    }
    if (tries > 0) {
      return Accuse(id, entry, found);
    }
    PROBE("bolt: a page differs from damaged sums");
    LogWarning("page checksums: a block is damaged, its pages can't be verified",
               {{"file", database_}, {"block", BlockOf(id)}});
  }
  SetVerified(id);
  return absl::OkStatus();
}

absl::Status PageSums::Accuse(PageId id, SumEntry entry, uint32_t found) const {
  return absl::DataLossError(fmt::format(
      "{}: page {}: checksum of its bytes is {:#010x}, expected {:#010x} as written by transaction "
      "{} (low 32 bits): it changed on disk; restore from a snapshot",
      database_, Raw(id), found, entry.crc, entry.txid));
}

void PageSums::Stage(PageId id, std::string_view page) {
  staged_.emplace_back(id, Crc32c(page));
  ClearVerified(id);
}

absl::Status PageSums::WriteHead(uint64_t settled, uint64_t announced, TxnId txid) {
  SumHead head{};
  std::memcpy(head.magic, kSumsMagic.data(), sizeof(head.magic));
  head.version = kSumsVersion;
  head.page_size = shape_.page_size;
  head.settled = settled;
  head.announced = announced;
  head.txid = Raw(txid);
  head.crc = CrcOf(head);
  std::string bytes(kSumsBlockBytes, '\0');
  std::memcpy(bytes.data(), &head, sizeof(head));
  head_ = head;
  return WriteBlocks(0, bytes);
}

absl::Status PageSums::WriteBlocks(uint64_t first, std::string_view bytes) {
  RETURN_IF_ERROR(file_->WriteAt(first * kSumsBlockBytes, bytes));
  const uint64_t end = first + bytes.size() / kSumsBlockBytes;
  if (end > blocks_.load(std::memory_order_relaxed)) {
    blocks_.store(end, std::memory_order_release);
  }
  return absl::OkStatus();
}

// Neighbouring blocks go in one write.
absl::Status PageSums::WriteEntries() {
  std::sort(staged_.begin(), staged_.end());
  std::string run;
  uint64_t run_first = 0;
  const auto txid = static_cast<uint32_t>(head_.txid + 1);
  for (size_t i = 0; i < staged_.size();) {
    const uint64_t index = BlockOf(staged_[i].first);
    SumBlock block;
    if (!ReadBlock(index, &block)) {
      LogWarning("page checksums: a block is damaged and begins anew",
                 {{"file", database_}, {"block", index}});
      block = SumBlock{};
    }
    for (; i < staged_.size() && BlockOf(staged_[i].first) == index; ++i) {
      block.entries.at(staged_[i].first - FirstPageOf(index)) = {staged_[i].second, txid};
    }
    block.index = index;
    block.crc = CrcOf(block);
    if (!run.empty() && index != run_first + run.size() / kSumsBlockBytes) {
      RETURN_IF_ERROR(WriteBlocks(run_first, run));
      run.clear();
    }
    if (run.empty()) {
      run_first = index;
    }
    const size_t end = run.size();
    run.resize(end + sizeof(block));
    std::memcpy(run.data() + end, &block, sizeof(block));
  }
  staged_.clear();
  return run.empty() ? absl::OkStatus() : WriteBlocks(run_first, run);
}

absl::Status PageSums::Announce(const Meta& base, const Meta& next) {
  head_.txid = Raw(base.txid);
  RETURN_IF_ERROR(WriteEntries());
  RETURN_IF_ERROR(WriteHead(ChecksumOf(base), ChecksumOf(next), base.txid));
  return file_->SyncData();
}

absl::Status PageSums::Settle(const Meta& meta) {
  if (collects_) {  // Only while opening: nobody reads yet. Later readers look at it while this runs.
    collects_ = false;
  }
  return WriteHead(ChecksumOf(meta), ChecksumOf(meta), meta.txid);
}

PageSums::Match PageSums::MatchOf(const Meta& meta) const {
  const uint64_t checksum = ChecksumOf(meta);
  return checksum == head_.settled     ? Match::kSettled
         : checksum == head_.announced ? Match::kAnnounced
                                       : Match::kNone;
}

absl::Status PageSums::ForEach(const std::function<absl::Status(PageId, SumEntry)>& visit) const {
  for (uint64_t index = 1; index < blocks_.load(std::memory_order_acquire); ++index) {
    SumBlock block;
    if (!ReadBlock(index, &block)) {
      continue;  // law 3
    }
    for (size_t i = 0; i < kSumsPerBlock; ++i) {
      if (block.entries.at(i).is_known()) {
        RETURN_IF_ERROR(visit(FirstPageOf(index) + i, block.entries.at(i)));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status PageSums::Forget(TxnId txid) {
  const auto low = static_cast<uint32_t>(Raw(txid));
  for (uint64_t index = 1; index < blocks_.load(std::memory_order_relaxed); ++index) {
    SumBlock block;
    bool changes = false;
    if (!ReadBlock(index, &block)) {
      PROBE("bolt: damaged sums found at open");
      LogWarning("page checksums: a block is damaged, its pages are not verified any more",
                 {{"file", database_}, {"block", index}});
      block = SumBlock{};
      changes = true;
    }
    for (SumEntry& entry : block.entries) {
      if (entry.is_known() && entry.txid == low) {
        entry = SumEntry{};
        changes = true;
      }
    }
    if (changes) {
      block.index = index;
      block.crc = CrcOf(block);
      std::string bytes(sizeof(block), '\0');
      std::memcpy(bytes.data(), &block, sizeof(block));
      RETURN_IF_ERROR(WriteBlocks(index, bytes));
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
