#include "kv/bolt/bolt_engine.h"

#include <bit>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/check.h"
#include "kv/bolt/database.h"
#include "kv/bolt/freelist_page.h"
#include "kv/bolt/page_sums_open.h"
#include "kv/bolt/read_txn.h"
#include "kv/bolt/shrink.h"
#include "kv/bolt/write_txn.h"

namespace socle::kv {
namespace bolt {
namespace {

class BoltEngine final : public Engine {
 public:
  explicit BoltEngine(Database::Parts parts) : db_(std::move(parts)), shrinker_(&db_) {}

  absl::StatusOr<std::unique_ptr<ReadTxn>> BeginRead() override {
    return std::make_unique<BoltReadTxn>(&db_);
  }

  absl::StatusOr<std::unique_ptr<WriteTxn>> BeginWrite() override {
    ASSIGN_OR_RETURN(const Meta base, db_.BeginWrite());
    return std::make_unique<BoltWriteTxn>(&db_, base);
  }

  EngineSize Size() const override { return db_.Size(); }

  uint64_t open_reads() const override { return db_.open_reads(); }

  absl::StatusOr<ShrinkProgress> ShrinkStep(uint64_t bytes_max) override {
    return shrinker_.Step(bytes_max);
  }

  absl::Status Check() override {
    const auto [meta, free] = db_.BeginCheck();
    const absl::Status status = CheckCommit(meta, free);
    db_.EndRead(meta.txid);
    return status;
  }

  // A commit that changes nothing but the freelist page.
  absl::Status CommitEmpty() {
    ASSIGN_OR_RETURN(const Meta base, db_.BeginWrite());
    BoltWriteTxn txn(&db_, base);
    txn.set_modified();
    return txn.Commit();
  }

 private:
  // `free` is what the freelist in memory has, if it is known.
  absl::Status CheckCommit(const Meta& meta, const std::optional<std::vector<PageSpan>>& free) {
    const PageReader reader = db_.ReaderOf(meta).With(db_.sums(), /*always=*/true);
    PageCensus census(reader, PageCensus::Keys::kVerify);
    RETURN_IF_ERROR(census.CountCommit(meta));
    return free.has_value() ? census.ExpectFree(*free) : absl::OkStatus();
  }

  Database db_;
  Shrinker shrinker_;
};

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The meta pages are written when everything they speak of is durable.
absl::Status WriteEmptyFile(Env* env, File* file, const std::string& path, uint32_t page_size) {
  const std::string image = EmptyFileImage(page_size);
  const std::string_view all = image;
  const size_t metas = Raw(kFirstDataPage) * page_size;
  RETURN_IF_ERROR(file->WriteAt(metas, all.substr(metas)));
  RETURN_IF_ERROR(file->SyncData());
  RETURN_IF_ERROR(file->WriteAt(0, all.substr(0, metas)));
  RETURN_IF_ERROR(file->SyncData());
  return env->SyncDir(DirectoryOf(path));
}

absl::StatusOr<Meta> ReadOrCreate(Env* env, File* file, const std::string& path,
                                  const BoltOptions& options) {
  ASSIGN_OR_RETURN(const uint64_t file_bytes, file->Size());
  absl::StatusOr<Meta> meta = ReadNewestMeta(file, file_bytes);
  if (meta.ok() || options.read_only) {
    return meta;
  }
  ASSIGN_OR_RETURN(const bool unfinished,
                   IsUnfinishedCreation(file, file_bytes, options.page_size));
  if (!unfinished) {
    return meta;
  }
  if (file_bytes > 0) {
    PROBE("bolt: unfinished creation is done again");
  }
  RETURN_IF_ERROR(WriteEmptyFile(env, file, path, options.page_size));
  ASSIGN_OR_RETURN(const uint64_t created_bytes, file->Size());
  return ReadNewestMeta(file, created_bytes);
}

absl::Status LoadFreelist(const PageReader& reader, const Meta& meta,
                          freelist::Freelist* freelist) {
  if (meta.has_freelist()) {
    ASSIGN_OR_RETURN(const FreelistContent content, ReadFreelistPage(reader, meta.freelist));
    freelist->Load(content.free);
    return absl::OkStatus();
  }
  PageCensus census(reader, PageCensus::Keys::kIgnore);
  RETURN_IF_ERROR(census.CountTree(meta.root));
  freelist->Load(census.Uncounted());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BoltEngine>> OpenLocked(Env* env, const std::string& path,
                                                       const BoltOptions& options,
                                                       std::unique_ptr<FileLock> lock) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<File> file,
      env->Open(path, options.read_only ? OpenMode::kReadOnly : OpenMode::kReadWriteCreate));
  ASSIGN_OR_RETURN(const Meta meta, ReadOrCreate(env, file.get(), path, options));
  ASSIGN_OR_RETURN(const uint64_t file_bytes, file->Size());
  if (meta.file_bytes() > options.map_size_bytes) {
    return absl::ResourceExhaustedError(fmt::format("file needs {} bytes, map_size_bytes is {}",
                                                    meta.file_bytes(), options.map_size_bytes));
  }
  ASSIGN_OR_RETURN(FileMap map, FileMap::Map(std::move(file), file_bytes, options.map_size_bytes));
  const PageReader reader(map.base(), meta.page_size, meta.high_water, &path);
  std::unique_ptr<PageSums> sums;
  if (options.page_checksums) {
    ASSIGN_OR_RETURN(sums, OpenPageSums(env, reader, meta,
                                        {.page_size = meta.page_size,
                                         .pages_max = options.map_size_bytes / meta.page_size,
                                         .read_only = options.read_only}));
  }
  std::unique_ptr<freelist::Freelist> freelist = freelist::NewFreelist(options.freelist_type);
  RETURN_IF_ERROR(LoadFreelist(reader.With(sums.get()), meta, freelist.get()));
  auto engine = std::make_unique<BoltEngine>(Database::Parts{.path = path,
                                                             .options = options,
                                                             .lock = std::move(lock),
                                                             .map = std::move(map),
                                                             .sums = std::move(sums),
                                                             .meta = meta,
                                                             .freelist = std::move(freelist)});
  if (options.sync_freelist && !meta.has_freelist() && !options.read_only) {
    PROBE("bolt: freelist page made at open");
    RETURN_IF_ERROR(engine->CommitEmpty());
  }
  return engine;
}

}  // namespace
}  // namespace bolt

absl::StatusOr<std::unique_ptr<Engine>> OpenBolt(Env* env, const std::string& path,
                                                 const BoltOptions& options) {
  if (!std::has_single_bit(options.page_size) || options.page_size < bolt::kPageSizeMin ||
      options.page_size > bolt::kPageSizeMax) {
    return absl::InvalidArgumentError(
        fmt::format("page_size {} is not a power of two from {} to {}", options.page_size,
                    bolt::kPageSizeMin, bolt::kPageSizeMax));
  }
  std::unique_ptr<FileLock> lock;
  if (!options.read_only) {
    ASSIGN_OR_RETURN(lock, env->Lock(path));
  }
  absl::StatusOr<std::unique_ptr<bolt::BoltEngine>> engine =
      bolt::OpenLocked(env, path, options, std::move(lock));
  if (!engine.ok()) {
    return Annotate(engine.status(), fmt::format("open {}", path));
  }
  return std::unique_ptr<Engine>(*std::move(engine));
}

}  // namespace socle::kv
