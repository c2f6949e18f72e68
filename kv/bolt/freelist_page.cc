#include "kv/bolt/freelist_page.h"

#include <string_view>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

absl::StatusOr<FreelistIds> FreelistIds::Read(const PageReader& reader, PageId id) {
  std::string_view extent;
  RETURN_IF_ERROR(reader.ReadFreelist(id, &extent));
  uint64_t count = Load<PageHeader>(extent.data()).count;
  uint64_t first = kHeaderBytes;
  if (count == kLongFreelist) {
    PROBE("bolt: long freelist read");
    count = Load<uint64_t>(extent.data() + kHeaderBytes);
    first += sizeof(uint64_t);
  }
  if (count > (extent.size() - first) / sizeof(uint64_t)) {
    return reader.Broken(
        id, fmt::format("freelist of {} ids does not fit {} bytes", count, extent.size()));
  }
  return FreelistIds(extent.data() + first, count, {id, extent.size() / reader.page_size()});
}

absl::StatusOr<FreelistContent> ReadFreelistPage(const PageReader& reader, PageId id) {
  ASSIGN_OR_RETURN(const FreelistIds ids, FreelistIds::Read(reader, id));
  FreelistContent content;
  content.pages = ids.pages();
  PageId next_allowed = kFirstDataPage;
  for (uint64_t i = 0; i < ids.count(); ++i) {
    const PageId free = ids.At(i);
    if (free < next_allowed || free >= reader.high_water() ||
        (free >= id && free < content.pages.end())) {
      return reader.Broken(
          id, fmt::format("freelist has page {} at place {}, expected it in [{}, {})", Raw(free), i,
                          Raw(next_allowed), Raw(reader.high_water())));
    }
    next_allowed = free + 1;
    if (!content.free.empty() && content.free.back().end() == free) {
      ++content.free.back().count;
    } else {
      content.free.push_back({free, 1});
    }
  }
  return content;
}

uint64_t FreelistPageCount(uint64_t ids, uint32_t page_size) {
  const uint64_t count_field = ids >= kLongFreelist ? 1 : 0;
  return (kHeaderBytes + (ids + count_field) * sizeof(uint64_t)) / page_size + 1;
}

std::string FreelistPageImage(std::span<const PageSpan> free, PageSpan place, uint32_t page_size) {
  uint64_t ids = 0;
  for (const PageSpan& span : free) {
    ids += span.count;
  }
  CHECK_LE(FreelistPageCount(ids, page_size), place.count);
  const bool is_long = ids >= kLongFreelist;
  std::string image(place.count * page_size, '\0');
  Store(PageHeader{.id = Raw(place.first),
                   .flags = kFreelistPage,
                   .count = is_long ? kLongFreelist : static_cast<uint16_t>(ids),
                   .overflow = static_cast<uint32_t>(place.count - 1)},
        image.data());
  char* out = image.data() + kHeaderBytes;
  if (is_long) {
    Store(ids, out);
    out += sizeof(ids);
  }
  for (const PageSpan& span : free) {
    for (uint64_t i = 0; i < span.count; ++i, out += sizeof(uint64_t)) {
      Store(Raw(span.first + i), out);
    }
  }
  return image;
}

}  // namespace socle::kv::bolt
