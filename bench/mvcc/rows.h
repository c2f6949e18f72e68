// Rows: what the benchmark prints: a work, its figure alone and beside something else, the same with an old
// way, and the bar.
// Threads  values.
#ifndef SOCLE_BENCH_MVCC_ROWS_H_
#define SOCLE_BENCH_MVCC_ROWS_H_

#include <string>
#include <vector>

namespace socle::bench {

struct Row {
  std::string work;
  std::string way;  // "now", or the old one that was switched on
  double alone = 0;
  double beside = 0;
  std::string unit;
  double bar = 0;  // beside may be this many times alone; 0: none
  std::string remark;
};

std::string RenderRows(const std::vector<Row>& rows);
// One object per row.
std::string RowsAsJson(const std::vector<Row>& rows);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_MVCC_ROWS_H_
