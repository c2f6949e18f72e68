#include "kv/bolt/offline_file.h"

#include <utility>

#include "kv/base/status_macros.h"
#include "kv/bolt/page_sums_open.h"

namespace socle::kv::bolt {

absl::StatusOr<std::unique_ptr<OfflineFile>> OfflineFile::Open(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, env->LockShared(path));
  auto offline = std::unique_ptr<OfflineFile>(new OfflineFile(path, std::move(lock)));
  ASSIGN_OR_RETURN(offline->file_, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(offline->file_bytes_, offline->file_->Size());
  absl::StatusOr<std::array<MetaPage, 2>> pages =
      ReadMetaPages(offline->file_.get(), offline->file_bytes_);
  if (!pages.ok()) {
    return Annotate(pages.status(), path);
  }
  offline->meta_pages_ = *pages;
  absl::StatusOr<Meta> meta = NewestMeta(*pages, offline->file_bytes_);
  if (!meta.ok()) {
    return Annotate(meta.status(), path);
  }
  offline->meta_ = *meta;
  ASSIGN_OR_RETURN(offline->mapping_, offline->file_->MapForReading(meta->file_bytes()));
  ASSIGN_OR_RETURN(offline->sums_, OpenPageSums(env, offline->reader(), *meta,
                                                {.page_size = meta->page_size,
                                                 .pages_max = Raw(meta->high_water),
                                                 .read_only = true}));
  return offline;
}

}  // namespace socle::kv::bolt
