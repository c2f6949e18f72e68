// MachineFacts: the machine that this program runs on, as lines of "name: value".
// Threads  pure function.
#ifndef SOCLE_BENCH_REPORT_MACHINE_H_
#define SOCLE_BENCH_REPORT_MACHINE_H_

#include <string>
#include <utility>
#include <vector>

namespace socle::bench {

std::vector<std::pair<std::string, std::string>> MachineFacts();

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_MACHINE_H_
