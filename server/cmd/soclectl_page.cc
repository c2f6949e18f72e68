#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kv/base/status_macros.h"
#include "kv/bolt/freelist_page.h"
#include "kv/bolt/printable.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

using kv::bolt::BucketRoot;
using kv::bolt::CensusVisitor;
using kv::bolt::Entry;
using kv::bolt::FreelistIds;
using kv::bolt::Hex;
using kv::bolt::Load;
using kv::bolt::MetaPage;
using kv::bolt::OfflineFile;
using kv::bolt::PageCensus;
using kv::bolt::PageHeader;
using kv::bolt::PageReader;
using kv::bolt::PageView;
using kv::bolt::Printable;

// What is shown of a key or value without --full.
constexpr size_t kBytesShown = 64;
constexpr size_t kHexBytesPerLine = 16;

// Waits for the page that covers another one.
class WayTo final : public CensusVisitor {
 public:
  WayTo(PageId page, uint32_t page_size) : page_(page), page_size_(page_size) {}

  void EnterBucket(std::string_view name, const BucketRoot& /*bucket*/) override {
    buckets_.push_back(Printable(name, kBytesShown));
  }

  void LeaveBucket() override { buckets_.pop_back(); }

  void Page(const PageView& page, std::span<const PageId> path) override {
    if (page.id() <= page_ && page_ < page.id() + page.extent() / page_size_) {
      std::vector<uint64_t> ids;
      for (const PageId id : path) {
        ids.push_back(Raw(id));
      }
      found_ = fmt::format(
          "{}, path {}",
          buckets_.empty() ? "root tree" : fmt::format("bucket {}", fmt::join(buckets_, "/")),
          fmt::join(ids, " > "));
      if (page.id() != page_) {
        *found_ += fmt::format(", overflow of page {}", Raw(page.id()));
      }
    }
  }

  const std::optional<std::string>& found() const { return found_; }

 private:
  const PageId page_;
  const uint32_t page_size_;
  std::vector<std::string> buckets_;
  std::optional<std::string> found_;
};

class PagePrinter {
 public:
  PagePrinter(const OfflineFile& file, const PageOptions& options, const Console& console)
      : file_(file), reader_(file.reader()), options_(options), console_(console) {}

  // InvalidArgument when there is no such page; DataLoss when it is broken.
  absl::Status Print(PageId id) {
    if (id >= reader_.high_water()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: there is no page {}: the file has pages 0 to {}", file_.path(), Raw(id),
                      Raw(reader_.high_water()) - 1));
    }
    if (options_.way) {
      PrintWay(id);
    }
    if (options_.hex) {
      PrintBytes(id);
      return absl::OkStatus();
    }
    if (id < kv::bolt::kFirstDataPage) {
      return PrintMeta(id);
    }
    if (Load<PageHeader>(BytesOf(id)).flags == kv::bolt::kFreelistPage) {
      return PrintFreelist(id);
    }
    PageView page;
    if (!reader_.Read(id, &page).ok()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: page {} does not begin with the header of a page: another one overflows into it, it "
          "is free, or broken; --path says more, --hex shows its bytes",
          file_.path(), Raw(id)));
    }
    PrintElements(id, page);
    return absl::OkStatus();
  }

 private:
  const char* BytesOf(PageId id) const { return reader_.base() + Raw(id) * reader_.page_size(); }

  std::string Shown(std::string_view bytes) const {
    return Printable(bytes, options_.full ? std::string_view::npos : kBytesShown);
  }

  void PrintWay(PageId id) {
    WayTo way(id, reader_.page_size());
    {
      Progress progress(&console_, reader_, &way);
      PageCensus census(reader_, PageCensus::Options{.goes_on = true, .visitor = &progress});
      census.CountTree(file_.meta().root).IgnoreError();  // only the way is asked for
    }
    const char* const elsewhere = id < kv::bolt::kFirstDataPage ? "meta page"
                                  : file_.meta().freelist == id
                                      ? "freelist"
                                      : "no tree reaches it: it is free, or lost";
    console_.out(fmt::format("page {}: {}\n", Raw(id), way.found().value_or(elsewhere)));
  }

  void PrintBytes(PageId id) {
    const std::string_view page(BytesOf(id), reader_.page_size());
    std::string_view last;
    bool repeats = false;
    for (size_t offset = 0; offset < page.size(); offset += kHexBytesPerLine) {
      const std::string_view line = page.substr(offset, kHexBytesPerLine);
      // Runs of equal lines are shown once, as hexdump does.
      if (line == last && offset + kHexBytesPerLine < page.size()) {
        if (!repeats) {
          console_.out("*\n");
        }
        repeats = true;
        continue;
      }
      repeats = false;
      last = line;
      std::string text(line);
      std::replace_if(
          text.begin(), text.end(), [](char byte) { return byte < ' ' || byte > '~'; }, '.');
      console_.out(fmt::format("{:08x}  {}  |{}|\n", Raw(id) * reader_.page_size() + offset,
                               Hex(line), text));
    }
  }

  absl::Status PrintMeta(PageId id) {
    const MetaPage& page = file_.meta_pages().at(Raw(id));
    const auto& bytes = page.bytes;
    console_.out(fmt::format("page {}: meta, {}{}\n", Raw(id), Describe(page),
                             page.is_valid() && page.meta() == file_.meta() ? ", counts" : ""));
    if (page.state == MetaPage::State::kMissing) {
      return absl::OkStatus();
    }
    const std::string freelist = PageId{bytes.freelist} == kv::bolt::kNoFreelist
                                     ? "not stored"
                                     : fmt::format("page {}", bytes.freelist);
    console_.out(
        fmt::format("  magic            {:#x}\n"
                    "  version          {}\n"
                    "  page size        {}\n"
                    "  flags            {:#x}\n"
                    "  root             page {}\n"
                    "  sequence         {}\n"
                    "  freelist         {}\n"
                    "  high-water mark  {}\n"
                    "  commit           {}\n"
                    "  checksum         {:#018x}\n",
                    bytes.magic, bytes.version, bytes.page_size, bytes.flags, bytes.root,
                    bytes.sequence, freelist, bytes.high_water, bytes.txid, bytes.checksum));
    return absl::OkStatus();
  }

  absl::Status PrintFreelist(PageId id) {
    ASSIGN_OR_RETURN(const FreelistIds ids, FreelistIds::Read(reader_, id));
    console_.out(fmt::format("page {}: freelist{}, {} ids, {} overflow pages\n", Raw(id),
                             id == file_.meta().freelist ? "" : " of an older commit", ids.count(),
                             ids.pages().count - 1));
    PageSpan span;
    const auto print = [&] {
      if (span.count > 0) {
        console_.out(span.count == 1
                         ? fmt::format("  {}\n", Raw(span.first))
                         : fmt::format("  {}..{}\n", Raw(span.first), Raw(span.end()) - 1));
      }
    };
    for (uint64_t place = 0; place < ids.count(); ++place) {
      if (span.count > 0 && ids.At(place) == span.end()) {
        ++span.count;
        continue;
      }
      print();
      span = {ids.At(place), 1};
    }
    print();
    return absl::OkStatus();
  }

  void PrintElements(PageId id, const PageView& page) {
    uint64_t used = 0;
    const bool known = page.UsedBytes(&used);
    console_.out(fmt::format("page {}: {}, {} elements, {} overflow pages, {} of {} bytes used\n",
                             Raw(id), page.is_leaf() ? "leaf" : "branch", page.count(),
                             page.extent() / reader_.page_size() - 1,
                             known ? std::to_string(used) : "?", page.extent()));
    for (uint32_t i = 0; i < page.count(); ++i) {
      Entry entry;
      if (!page.EntryAt(i, &entry)) {
        console_.out(fmt::format("  {}\treaches out of the page\n", i));
      } else if (!page.is_leaf()) {
        console_.out(fmt::format("  {}\t{}\tpage {}\n", i, Shown(entry.key), entry.child));
      } else if (entry.is_bucket()) {
        console_.out(fmt::format("  {}\t{}\t{}\n", i, Shown(entry.key), BucketText(id, entry)));
      } else {
        console_.out(fmt::format("  {}\t{}\t{}\n", i, Shown(entry.key), Shown(entry.value)));
      }
    }
  }

  std::string BucketText(PageId owner, const Entry& entry) const {
    BucketRoot bucket;
    if (!reader_.ParseBucket(entry.value, owner, &bucket).ok()) {
      return "bucket, broken";
    }
    return bucket.is_inline ? fmt::format("bucket, inline, {} elements, sequence {}",
                                          bucket.inline_page.count(), bucket.sequence)
                            : fmt::format("bucket, root page {}, sequence {}", Raw(bucket.root),
                                          bucket.sequence);
  }

  const OfflineFile& file_;
  const PageReader reader_;
  const PageOptions& options_;
  const Console& console_;
};

}  // namespace

int DbPage(const PageOptions& options, const Console& console) {
  const auto opened = OpenDatabase(console, options.path);
  if (!opened.ok()) {
    return Fail(console, opened.status());
  }
  int exit_code = kExitDone;
  PagePrinter printer(**opened, options, console);
  for (const uint64_t page : options.pages) {
    if (const absl::Status printed = printer.Print(PageId{page}); !printed.ok()) {
      exit_code = std::max(exit_code, Fail(console, printed));
    }
  }
  return exit_code;
}

}  // namespace socle::server
