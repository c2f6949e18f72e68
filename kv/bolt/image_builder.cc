#include "kv/bolt/image_builder.h"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10U;
constexpr size_t kBranchEntriesMin = 2;

absl::Status Copy(const ReadTxn& txn, ImageBuilder* builder) {
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, txn.Buckets());
  for (const std::string& bucket : buckets) {
    RETURN_IF_ERROR(builder->AddBucket(bucket));
    ASSIGN_OR_RETURN(const std::unique_ptr<Cursor> cursor, txn.NewCursor(bucket));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      RETURN_IF_ERROR(builder->Add(cursor->key(), cursor->value()));
    }
    RETURN_IF_ERROR(cursor->status());
  }
  return absl::OkStatus();
}

}  // namespace

ImageBuilder::ImageBuilder(uint32_t page_size, Sink sink)
    : page_size_(page_size), sink_(std::move(sink)) {}

absl::Status ImageBuilder::AddBucket(std::string_view name) {
  RETURN_IF_ERROR(FinishBucket());
  if (name.empty() || name.size() > kKeyBytesMax ||
      (!roots_.empty() && name <= roots_.back().first)) {
    return absl::InvalidArgumentError(
        fmt::format("bucket name '{}' is out of order or has an impossible size", name));
  }
  bucket_ = name;
  is_in_bucket_ = true;
  last_key_.clear();
  return absl::OkStatus();
}

absl::Status ImageBuilder::Add(std::string_view key, std::string_view value) {
  CHECK(is_in_bucket_);
  if (key.empty() || key.size() > kKeyBytesMax || value.size() > kValueBytesMax ||
      key <= last_key_) {
    return absl::InvalidArgumentError(
        fmt::format("bucket '{}': a key of {} bytes is out of order or of impossible size", bucket_,
                    key.size()));
  }
  last_key_ = key;
  return Append(0, key, value, {});
}

absl::StatusOr<Meta> ImageBuilder::Finish() {
  RETURN_IF_ERROR(FinishBucket());
  for (const auto& [name, root] : roots_) {
    std::array<char, sizeof(BucketHeader)> header{};
    Store(BucketHeader{.root = Raw(root), .sequence = 0}, header.data());
    RETURN_IF_ERROR(Append(0, name, {header.data(), header.size()}, {.flags = kBucketElement}));
  }
  ASSIGN_OR_RETURN(const PageId root, FinishTree());
  RETURN_IF_ERROR(Flush());
  return Meta{.page_size = page_size_,
              .root = root,
              .root_sequence = 0,
              .freelist = kNoFreelist,
              .high_water = PageId{next_page_},
              .txid = TxnId{0}};
}

absl::Status ImageBuilder::FinishBucket() {
  if (!is_in_bucket_) {
    return absl::OkStatus();
  }
  is_in_bucket_ = false;
  ASSIGN_OR_RETURN(const PageId root, FinishTree());
  roots_.emplace_back(std::move(bucket_), root);
  return absl::OkStatus();
}

absl::Status ImageBuilder::Append(size_t level, std::string_view key, std::string_view value,
                                  const Element& element) {
  if (level == levels_.size()) {
    levels_.push_back({.is_leaf = level == 0});
  }
  const uint64_t bytes = kElementBytes + key.size() + value.size();
  const size_t entries_min = level == 0 ? 1 : kBranchEntriesMin;
  if (levels_[level].elements.size() >= entries_min &&
      (levels_[level].used + bytes > page_size_ ||
       levels_[level].elements.size() == kElementsMax)) {
    RETURN_IF_ERROR(EmitLevel(level));
  }
  Level& page = levels_[level];
  if (page.elements.empty()) {
    page.first_key = key;
  }
  Element& added = page.elements.emplace_back(element);
  added.key_size = static_cast<uint32_t>(key.size());
  added.value_size = static_cast<uint32_t>(value.size());
  page.used += bytes;
  if (sink_) {
    page.payload.append(key).append(value);
  }
  return absl::OkStatus();
}

absl::Status ImageBuilder::EmitLevel(size_t level) {
  PageId id{};
  RETURN_IF_ERROR(EmitPage(&levels_[level], &id));
  const std::string first_key = std::move(levels_[level].first_key);
  return Append(level + 1, first_key, {}, {.child = Raw(id)});
}

absl::StatusOr<PageId> ImageBuilder::FinishTree() {
  if (levels_.empty()) {
    levels_.push_back({.is_leaf = true});
  }
  // The level above exists already when this one has emitted pages; the highest page is the root.
  for (size_t level = 0; level + 1 < levels_.size(); ++level) {
    RETURN_IF_ERROR(EmitLevel(level));
  }
  PageId root{};
  RETURN_IF_ERROR(EmitPage(&levels_.back(), &root));
  levels_.clear();
  return root;
}

absl::Status ImageBuilder::EmitPage(Level* level, PageId* id) {
  const uint64_t pages = (level->used + page_size_ - 1) / page_size_;
  *id = PageId{next_page_};
  next_page_ += pages;
  if (sink_) {
    const size_t start = out_.size();
    out_.resize(start + pages * page_size_);
    char* const page = out_.data() + start;
    const size_t count = level->elements.size();
    Store(PageHeader{.id = Raw(*id),
                     .flags = level->is_leaf ? kLeafPage : kBranchPage,
                     .count = static_cast<uint16_t>(count),
                     .overflow = static_cast<uint32_t>(pages - 1)},
          page);
    uint64_t payload = kHeaderBytes + kElementBytes * count;
    for (size_t i = 0; i < count; ++i) {
      const Element& element = level->elements[i];
      const uint64_t at = kHeaderBytes + kElementBytes * i;
      const auto pos = static_cast<uint32_t>(payload - at);
      if (level->is_leaf) {
        Store(LeafElement{element.flags, pos, element.key_size, element.value_size}, page + at);
      } else {
        Store(BranchElement{pos, element.key_size, element.child}, page + at);
      }
      payload += uint64_t{element.key_size} + element.value_size;
    }
    level->payload.copy(page + kHeaderBytes + kElementBytes * count, level->payload.size());
  }
  level->elements.clear();
  level->payload.clear();
  level->used = kHeaderBytes;
  return out_.size() < kPieceBytes ? absl::OkStatus() : Flush();
}

absl::Status ImageBuilder::Flush() {
  if (out_.empty()) {
    return absl::OkStatus();
  }
  const absl::Status status = sink_(out_);
  out_.clear();
  return status;
}

absl::StatusOr<Meta> ImageOf::Measure() const {
  MutexLock lock(&mu_);
  if (!meta_) {
    ImageBuilder builder(kImagePageSize, nullptr);
    const absl::Status copied = Copy(*txn_, &builder);
    meta_ = copied.ok() ? builder.Finish() : copied;
    if (meta_->ok()) {
      (*meta_)->txid = TxnId{std::max<uint64_t>(1, txn_->txid())};
    }
  }
  return *meta_;
}

uint64_t ImageOf::Size() const {
  const absl::StatusOr<Meta> meta = Measure();
  return meta.ok() ? meta->file_bytes() : 0;
}

absl::Status ImageOf::Write(const ImageBuilder::Sink& sink) const {
  ASSIGN_OR_RETURN(const Meta meta, Measure());
  // As kv/bolt/snapshot.h law 1: whoever reads it opens page 0's commit.
  RETURN_IF_ERROR(sink(MetaPageImage(meta, PageId{0})));
  Meta before = meta;
  before.txid = TxnId{Raw(meta.txid) - 1};
  RETURN_IF_ERROR(sink(MetaPageImage(before, PageId{1})));
  ImageBuilder builder(meta.page_size, sink);
  RETURN_IF_ERROR(Copy(*txn_, &builder));
  ASSIGN_OR_RETURN(Meta written, builder.Finish());
  written.txid = meta.txid;
  CHECK(written == meta);  // One snapshot gave two different scans.
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
