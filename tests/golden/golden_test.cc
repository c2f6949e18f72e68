// Files that other programs wrote (README.md says which) open here, hold what their makers put in, and can be written
// on; and what we write after them is whole.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/meta.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "server/cmd/soclectl.h"

namespace socle {
namespace {

using kv::BoltOptions;
using kv::ModelBucket;
using kv::ModelState;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const char* const kPath = "/d/db";

std::string ReadGolden(const std::string& name) {
  const auto file =
      Env::Posix()->Open(std::string(SOCLE_GOLDEN_DIR "/") + name, OpenMode::kReadOnly);
  EXPECT_OK(file);
  std::string bytes(*(*file)->Size(), '\0');
  EXPECT_OK((*file)->ReadAt(0, bytes));
  return bytes;
}

// What make_golden.go writes, as far as an Engine shows it: of buckets inside buckets only the names.
ModelState GoldenState() {
  ModelState state;
  state["empty"];
  state["inline"] = {{"only", "one"}};
  state["large"] = {{"a", std::string(10000, 'A')}, {"b", std::string(3000, 'B')}, {"c", ""}};
  for (size_t i = 0; i < 300; ++i) {
    if (i < 100 || i >= 200) {
      state["numbers"][fmt::format("n{:04}", i)] = std::string(i % 40, 'v');
    }
  }
  state["outer"] = {{"inner", ""}, {"key", "value"}, {"middle", ""}};
  return state;
}

struct Golden {
  const char* name;
  uint32_t page_size;
  bool has_freelist;
};

const std::vector<Golden> kGolden = {
    {"synced.db", 4096, true},   {"unsynced.db", 4096, false},   {"unsynced_1_5.db", 4096, false},
    {"pages_1k.db", 1024, true}, {"pages_64k.db", 65536, false},
};

BoltOptions Options(bool sync_freelist) {
  return {.sync_freelist = sync_freelist, .map_size_bytes = uint64_t{256} << 20U};
}

// Exit code of soclectl over the file, its output appended to `out`.
int Soclectl(FaultEnv* env, std::vector<std::string> arguments, std::string* out) {
  ManualClock clock;
  const auto append = [out](std::string_view text) { out->append(text); };
  return server::Soclectl(arguments, {.env = env, .clock = &clock, .out = append, .err = append});
}

// With SOCLE_KEEP_FILES=FOLDER the files that we wrote stay there, for other programs to check (README.md).
void Keep(const FaultEnv& env, const std::string& name) {
  const char* const folder = std::getenv("SOCLE_KEEP_FILES");  // NOLINT(concurrency-mt-unsafe)
  if (folder != nullptr) {
    const auto file =
        Env::Posix()->Open(std::string(folder) + "/" + name, OpenMode::kReadWriteCreate);
    ASSERT_OK(file);
    ASSERT_OK((*file)->WriteAt(0, *env.Contents(kPath)));
  }
}

TEST(Golden, FilesOfBboltHoldWhatWasPutIn) {
  for (const Golden& golden : kGolden) {
    SCOPED_TRACE(golden.name);
    FaultEnv env(1);
    ASSERT_OK(env.CreateDirs("/d"));
    env.SetContents(kPath, ReadGolden(golden.name));
    ASSERT_OK_AND_ASSIGN(const auto file, env.Open(kPath, OpenMode::kReadOnly));
    ASSERT_OK_AND_ASSIGN(const auto meta, kv::bolt::ReadNewestMeta(file.get(), *file->Size()));
    EXPECT_EQ(meta.page_size, golden.page_size);
    EXPECT_EQ(meta.has_freelist(), golden.has_freelist);

    std::string out;
    EXPECT_EQ(Soclectl(&env, {"db", "check", kPath}, &out), 0) << out;
    out.clear();
    EXPECT_EQ(Soclectl(&env, {"db", "dump", kPath, "--bucket", "outer"}, &out), 0) << out;
    EXPECT_EQ(out,
              "outer/inner\tk\tv\n"
              "outer\tkey\tvalue\n"
              "outer/middle/deep\t0x000102ff\tbinary key\n");
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, kPath, Options(false)));
    ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
    EXPECT_TRUE(kv::Dump(*reader) == GoldenState());
  }
}

// As etcd leaves out the freelist page, and as others write it.
TEST(Golden, FilesOfBboltCanBeWrittenOnInBothModes) {
  for (const Golden& golden : kGolden) {
    for (const bool sync : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, synced {}", golden.name, sync));
      FaultEnv env(1);
      ASSERT_OK(env.CreateDirs("/d"));
      env.SetContents(kPath, ReadGolden(golden.name));
      ModelState expected = GoldenState();
      {
        ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, kPath, Options(sync)));
        for (int round = 0; round < 3; ++round) {
          ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
          for (int i = round; i < 300; i += 3) {
            const std::string key = fmt::format("n{:04}", i);
            ASSERT_OK(txn->Put("numbers", key, std::string(50, 'w')));
            expected["numbers"][key] = std::string(50, 'w');
          }
          ASSERT_OK(txn->Commit());
        }
        ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
        ASSERT_OK(txn->DeleteBucket("outer"));
        expected.erase("outer");
        ASSERT_OK(txn->Commit());
        ASSERT_OK(engine->Check());
      }
      Keep(env, fmt::format("written_on_{}_{}", sync ? "synced" : "unsynced", golden.name));
      std::string out;
      EXPECT_EQ(Soclectl(&env, {"db", "check", kPath}, &out), 0) << out;
      ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, kPath, Options(sync)));
      ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
      EXPECT_TRUE(kv::Dump(*reader) == expected);
    }
  }
}

TEST(Golden, AFileOfEtcdShowsItsHistory) {
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  env.SetContents(kPath, ReadGolden("etcd_3_4.db"));
  std::string out;
  EXPECT_EQ(Soclectl(&env, {"db", "check", kPath}, &out), 0) << out;
  EXPECT_THAT(out, StartsWith("/d/db: clean: 12 pages of 4096 bytes"));
  out.clear();
  EXPECT_EQ(Soclectl(&env, {"db", "dump", kPath, "--bucket", "key", "--decode-revisions"}, &out),
            0);
  // Compacted at 50: the history begins with what was alive then.
  EXPECT_THAT(out, StartsWith("key\t26/0\tput\tkey24\tvalue 24\tcreate=26 mod=26 version=1"));
  EXPECT_THAT(out, HasSubstr("\nkey\t102/0\tput\tlarge\txxxx"));
  EXPECT_THAT(out, HasSubstr("\nkey\t103/0\tdelete\tkey03\n"));
}

// More free pages than the count field of a page can say. Real bbolt has read the file that this test makes.
TEST(Golden, AFreelistOfMoreThan65535PagesIsReadBack) {
  constexpr uint64_t kValueBytes = uint64_t{1} << 20U;
  BoltOptions options = Options(true);
  options.page_size = 1024;
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  {
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, kPath, options));
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(txn->CreateBucket("gone"));
    ASSERT_OK(txn->CreateBucket("kept"));
    ASSERT_OK(txn->Put("kept", "key", "value"));
    const std::string value(kValueBytes, 'x');
    for (int i = 0; i < 66; ++i) {
      ASSERT_OK(txn->Put("gone", fmt::format("{:03}", i), value));
    }
    ASSERT_OK(txn->Commit());
    ASSERT_OK_AND_ASSIGN(const auto deletes, engine->BeginWrite());
    ASSERT_OK(deletes->DeleteBucket("gone"));
    ASSERT_OK(deletes->Commit());
  }
  Keep(env, "long_freelist.db");
  std::string out;
  EXPECT_EQ(Soclectl(&env, {"db", "check", kPath}, &out), 0) << out;
  out.clear();
  EXPECT_EQ(Soclectl(&env, {"db", "pages", kPath, "--type", "freelist"}, &out), 0) << out;
  EXPECT_THAT(out, HasSubstr(" freelist     67")) << "that is 67,000 ids or so";
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, kPath, options));
  EXPECT_OK(engine->Check());
  EXPECT_LT(engine->Size().in_use_bytes, 2'000'000U);
}

}  // namespace
}  // namespace socle
