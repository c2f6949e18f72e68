// SoclectlBench: a small file with everything in it, and commands of soclectl run over it or over what became of it.
#ifndef SOCLE_SERVER_CMD_TESTING_SOCLECTL_BENCH_H_
#define SOCLE_SERVER_CMD_TESTING_SOCLECTL_BENCH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/strings/str_split.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/format.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/record.h"
#include "mvcc/revision.h"
#include "server/cmd/soclectl.h"

namespace socle::server {

inline constexpr uint64_t kPage = 1024;
inline constexpr const char* kPath = "/d/db";

inline std::string RevisionOf(int64_t main, bool is_tombstone = false) {
  return std::string(mvcc::RevisionKey({.main = main, .sub = 0}, is_tombstone).view());
}

inline std::string RecordOf(const mvcc::KeyValueView& kv) {
  std::string bytes;
  AppendRecord(kv, &bytes);
  return bytes;
}

// A small file with everything in it: a tree of two levels, an overflow page, inline buckets, a freelist page.
inline std::string MakeFile() {
  FaultEnv env(1);
  EXPECT_OK(env.CreateDirs("/d"));
  {
    kv::BoltOptions options{.sync_freelist = true, .page_size = kPage};
    options.map_size_bytes = uint64_t{64} << 20U;
    const auto engine = kv::OpenBolt(&env, kPath, options);
    EXPECT_OK(engine);
    const auto first = (*engine)->BeginWrite();
    for (const char* bucket : {"alarm", "key", "meta", "wide"}) {
      EXPECT_OK((*first)->CreateBucket(bucket));
    }
    EXPECT_OK((*first)->Put("key", RevisionOf(2),
                            RecordOf({.key = "color",
                                      .create_revision = 2,
                                      .mod_revision = 2,
                                      .version = 1,
                                      .value = "blue"})));
    EXPECT_OK((*first)->Put("key", RevisionOf(3, true), RecordOf({.key = "color"})));
    EXPECT_OK((*first)->Put("key", RevisionOf(4), "no record"));
    EXPECT_OK((*first)->Put("meta", "tab\there", std::string("\0\xFF", 2)));
    EXPECT_OK((*first)->Put("meta", "quote\"", "back\\slash"));
    for (int i = 0; i < 40; ++i) {
      EXPECT_OK((*first)->Put("wide", "key" + std::to_string(100 + i), std::string(30, 'v')));
    }
    EXPECT_OK((*first)->Commit());
    const auto second = (*engine)->BeginWrite();
    EXPECT_OK((*second)->Put("wide", "large", std::string(1500, 'L')));
    EXPECT_OK((*second)->Commit());
  }
  return *env.Contents(kPath);
}

inline const std::string& WholeFile() {
  static const std::string file = MakeFile();
  return file;
}

inline kv::bolt::MetaBytes NewestMeta(const std::string& file) {
  const auto first = kv::bolt::Load<kv::bolt::MetaBytes>(file.data() + kv::bolt::kHeaderBytes);
  const auto second =
      kv::bolt::Load<kv::bolt::MetaBytes>(file.data() + kPage + kv::bolt::kHeaderBytes);
  return first.txid > second.txid ? first : second;
}

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

// Runs one command over the file `bytes`.
class SoclectlBench {
 public:
  explicit SoclectlBench(const std::string& bytes) : env_(1) {
    EXPECT_OK(env_.CreateDirs("/d/member/snap"));
    env_.SetContents(kPath, bytes);
  }

  Outcome Run(const std::string& line) {
    Outcome outcome;
    const Console console{.env = &env_,
                          .clock = &clock_,
                          .out = [&](std::string_view text) { outcome.out.append(text); },
                          .err = [&](std::string_view text) { outcome.err.append(text); },
                          .err_is_terminal = false};
    outcome.code =
        Soclectl(std::vector<std::string>(absl::StrSplit(line, ' ', absl::SkipEmpty())), console);
    return outcome;
  }

  FaultEnv* env() { return &env_; }

 private:
  FaultEnv env_;
  ManualClock clock_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_TESTING_SOCLECTL_BENCH_H_
