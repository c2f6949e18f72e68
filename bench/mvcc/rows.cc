#include "bench/mvcc/rows.h"

#include <fmt/format.h>

namespace socle::bench {

std::string RenderRows(const std::vector<Row>& rows) {
  std::string text = fmt::format("{:<50}{:<26}{:>10}{:>10}{:>8}{:>7}  \n", "work", "way", "alone",
                                 "beside", "ratio", "bar");
  for (const Row& row : rows) {
    const double ratio = row.alone > 0 ? row.beside / row.alone : 0;
    const std::string bar = row.bar > 0 ? fmt::format("{:.1f}", row.bar) : "";
    const std::string_view verdict = row.bar <= 0 ? "" : ratio <= row.bar ? "met" : "missed";
    text += fmt::format("{:<50}{:<26}{:>10}{:>10}{:>7.2f}x{:>7}  {}{}{}\n", row.work, row.way,
                        row.alone > 0 ? fmt::format("{:.2f} {}", row.alone, row.unit) : "",
                        fmt::format("{:.2f} {}", row.beside, row.unit), ratio, bar, verdict,
                        row.remark.empty() ? "" : "  ", row.remark);
  }
  return text;
}

std::string RowsAsJson(const std::vector<Row>& rows) {
  std::string text = "[";
  for (const Row& row : rows) {
    text += fmt::format(
        R"({}{{"work":"{}","way":"{}","alone":{},"beside":{},"unit":"{}","bar":{},"remark":"{}"}})",
        text.size() > 1 ? ",\n" : "\n", row.work, row.way, row.alone, row.beside, row.unit, row.bar,
        row.remark);
  }
  return text + "\n]\n";
}

}  // namespace socle::bench
