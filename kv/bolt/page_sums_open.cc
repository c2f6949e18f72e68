#include "kv/bolt/page_sums_open.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/check.h"
#include "kv/bolt/freelist_page.h"
#include "kv/wal/crc32c.h"

namespace socle::kv::bolt {
namespace {

// Compares the pages that the newest commit wrote with their entries.
absl::Status VerifyNewest(const PageSums& sums, const PageReader& reader, const Meta& meta) {
  const auto low = static_cast<uint32_t>(Raw(meta.txid));
  return sums.ForEach([&](PageId id, SumEntry entry) -> absl::Status {
    if (entry.txid != low || id >= meta.high_water) {
      return absl::OkStatus();
    }
    const char* bytes = reader.base() + Raw(id) * meta.page_size;
    const uint64_t pages = uint64_t{Load<PageHeader>(bytes).overflow} + 1;
    if (pages > meta.high_water - id) {
      return sums.Accuse(id, entry, 0);
    }
    const uint32_t found = Crc32c({bytes, pages * meta.page_size});
    return found == entry.crc ? absl::OkStatus() : sums.Accuse(id, entry, found);
  });
}

// Why the sums can't be used for the commit; OK when they can, and are right then.
absl::Status Adopt(PageSums* sums, const PageReader& reader, const Meta& meta,
                   const PageSums::Shape& shape) {
  switch (sums->MatchOf(meta)) {
    case PageSums::Match::kSettled:
      // The next commit writes entries under this number too.
      return shape.read_only ? absl::OkStatus() : sums->Forget(Next(meta.txid));
    case PageSums::Match::kAnnounced:
      PROBE("bolt: sums of an announced commit");
      RETURN_IF_ERROR(VerifyNewest(*sums, reader, meta));
      if (shape.read_only) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(sums->Forget(Next(meta.txid)));
      return sums->Settle(meta);
    case PageSums::Match::kNone:
      break;
  }
  return absl::DataLossError(
      fmt::format("they are of transaction {}, the file is at {}: another program wrote it",
                  sums->head().txid, Raw(meta.txid)));
}

absl::StatusOr<std::unique_ptr<PageSums>> OpenFitting(Env* env, const std::string& path,
                                                      const PageReader& reader, const Meta& meta,
                                                      const PageSums::Shape& shape) {
  ASSIGN_OR_RETURN(auto sums, PageSums::Open(env, reader.path(), path, shape));
  RETURN_IF_ERROR(Adopt(sums.get(), reader, meta, shape));
  return sums;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
}

// Reads every page that the commit reaches. The new file gets its name when it is complete.
absl::Status Rebuild(Env* env, const std::string& path, const PageReader& reader, const Meta& meta,
                     const PageSums::Shape& shape) {
  const std::string fresh = path + ".new";
  ASSIGN_OR_RETURN(const auto sums, PageSums::Create(env, reader.path(), fresh, shape));
  const PageReader collecting = reader.With(sums.get());
  PageCensus census(collecting, PageCensus::Keys::kIgnore);
  RETURN_IF_ERROR(census.CountTree(meta.root));
  if (meta.has_freelist()) {
    RETURN_IF_ERROR(ReadFreelistPage(collecting, meta.freelist).status());
  }
  // Entries carry the number after the base: these count as written by this commit.
  Meta base = meta;
  base.txid = TxnId{Raw(meta.txid) - 1};
  RETURN_IF_ERROR(sums->Announce(base, meta));
  RETURN_IF_ERROR(sums->Settle(meta));
  RETURN_IF_ERROR(env->Rename(fresh, path));
  return env->SyncDir(DirectoryOf(path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PageSums>> OpenPageSums(Env* env, const PageReader& reader,
                                                       const Meta& meta,
                                                       const PageSums::Shape& shape) {
  const std::string path = fmt::format("{}{}", reader.path(), kSumsSuffix);
  absl::StatusOr<std::unique_ptr<PageSums>> sums = OpenFitting(env, path, reader, meta, shape);
  if (sums.ok() || !(absl::IsDataLoss(sums.status()) || absl::IsNotFound(sums.status()))) {
    return sums;
  }
  const bool is_missing = absl::IsNotFound(sums.status());
  if (shape.read_only) {
    if (!is_missing) {
      LogWarning("page checksums can't be used", {{"file", path}, {"why", sums.status()}});
    }
    return nullptr;
  }
  if (is_missing) {
    LogInfo("page checksums: made for all pages", {{"file", path}});
  } else {
    PROBE("bolt: sums made anew");
    LogWarning("page checksums: made anew for all pages as they are",
               {{"file", path}, {"why", sums.status()}});
  }
  RETURN_IF_ERROR(Rebuild(env, path, reader, meta, shape));
  return OpenFitting(env, path, reader, meta, shape);
}

}  // namespace socle::kv::bolt
