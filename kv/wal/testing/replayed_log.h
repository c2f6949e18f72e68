// What the tests of the log share: opening it into a vector, and entries that tell their number.
#ifndef SOCLE_KV_WAL_TESTING_REPLAYED_LOG_H_
#define SOCLE_KV_WAL_TESTING_REPLAYED_LOG_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "kv/wal/wal.h"

namespace socle::kv {

struct ReplayedLog {
  std::unique_ptr<Wal> wal;
  std::vector<std::pair<uint64_t, std::string>> entries;
};

inline absl::StatusOr<ReplayedLog> OpenLog(Env* env, const std::string& dir,
                                           const WalOptions& options, uint64_t after = 0) {
  ReplayedLog log;
  ASSIGN_OR_RETURN(log.wal, Wal::Open(env, dir, options, LogIndex{after},
                                      [&](LogIndex index, std::string_view entry) {
                                        log.entries.emplace_back(Raw(index), entry);
                                        return absl::OkStatus();
                                      }));
  return log;
}

inline absl::StatusOr<LogIndex> AppendTexts(Wal* wal, const std::vector<std::string>& texts) {
  const std::vector<std::string_view> entries(texts.begin(), texts.end());
  return wal->Append(entries);
}

// "17:17:17:…", of `size` bytes.
inline std::string EntryText(uint64_t number, size_t size) {
  std::string text;
  while (text.size() < size) {
    text += fmt::format("{}:", number);
  }
  text.resize(size);
  return text;
}

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_TESTING_REPLAYED_LOG_H_
