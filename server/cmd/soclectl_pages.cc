#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kv/bolt/check.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

using kv::bolt::Load;
using kv::bolt::OfflineFile;
using kv::bolt::PageCensus;
using kv::bolt::PageHeader;
using kv::bolt::PageReader;
using kv::bolt::PageView;

// Lists pages in the order of the file. Its words are those of bbolt's `pages`.
class PageTable {
 public:
  PageTable(const OfflineFile& file, const PageCensus& census, std::string_view type,
            const Console& console)
      : file_(file),
        reader_(file.reader()),
        free_(census.Uncounted()),
        type_(type),
        console_(console) {}

  void Print() {
    Line("PAGE", "TYPE", "ELEMENTS", "OVERFLOW", "USED");
    Row("0", "meta", "", "", "");
    Row("1", "meta", "", "", "");
    PageId page = kv::bolt::kFirstDataPage;
    for (const PageSpan& free : free_) {
      while (page < free.first) {
        page = PrintPage(page);
      }
      Row(free.count == 1 ? std::to_string(Raw(free.first))
                          : fmt::format("{}..{}", Raw(free.first), Raw(free.end()) - 1),
          "free", "", "", "");
      page = free.end();
    }
    while (page < reader_.high_water()) {
      page = PrintPage(page);
    }
  }

 private:
  void Line(std::string_view page, std::string_view type, std::string_view elements,
            std::string_view overflow, std::string_view used) {
    console_.out(TableLine(
        fmt::format("{:<20} {:<9} {:>8} {:>9} {:>8}", page, type, elements, overflow, used)));
  }

  void Row(std::string_view page, std::string_view type, std::string_view elements,
           std::string_view overflow, std::string_view used) {
    if (type_.empty() || type == type_) {
      Line(page, type, elements, overflow, used);
    }
  }

  // A page that the walk has seen; the one after it.
  PageId PrintPage(PageId id) {
    PageView page;
    if (reader_.Read(id, &page).ok()) {
      uint64_t used = 0;
      const uint64_t pages = page.extent() / reader_.page_size();
      const bool known = page.UsedBytes(&used) && used <= page.extent();
      Row(std::to_string(Raw(id)), page.is_leaf() ? "leaf" : "branch", std::to_string(page.count()),
          std::to_string(pages - 1), known ? Share(used, page.extent()) : "broken");
      return id + pages;
    }
    const auto ids = kv::bolt::FreelistIds::Read(reader_, id);
    if (id == file_.meta().freelist && ids.ok()) {
      Row(std::to_string(Raw(id)), "freelist", std::to_string(ids->count()),
          std::to_string(ids->pages().count - 1), "");
      return ids->pages().end();
    }
    Row(std::to_string(Raw(id)), "broken", "", "", "");
    return id + 1;
  }

  const OfflineFile& file_;
  const PageReader reader_;
  const std::vector<PageSpan> free_;  // what nothing reaches
  const std::string_view type_;
  const Console& console_;
};

}  // namespace

int DbPages(const PagesOptions& options, const Console& console) {
  const auto opened = OpenDatabase(console, options.path);
  if (!opened.ok()) {
    return Fail(console, opened.status());
  }
  const OfflineFile& file = **opened;
  Progress progress(&console, file.reader(), nullptr);
  PageCensus census(file.reader(), PageCensus::Options{.goes_on = true, .visitor = &progress});
  census.CountCommit(file.meta()).IgnoreError();  // Conclude says it
  PageTable(file, census, options.type, console).Print();
  return Conclude(console, file.path(), census);
}

}  // namespace socle::server
