// Any bytes as a database file (or as its checksums): refused, or read, checked and written without
// a crash; a file that passes Check still does after a commit.
//
// Input    flags, then the file. 1: meta pages get right checksums; 2: freelist is stored; 4: array
//          freelist; 8: the bytes are the checksum file of a good database.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/format.h"
#include "kv/bolt/meta.h"
#include "kv/testing/fault_env.h"

namespace socle::kv {
namespace {

const char* const kPath = "/d/db";
constexpr uint32_t kPage = 1024;

void FixMeta(std::string* file, size_t at) {
  if (file->size() < at + bolt::kHeaderBytes + sizeof(bolt::MetaBytes)) {
    return;
  }
  char* const bytes = file->data() + at + bolt::kHeaderBytes;
  auto meta = bolt::Load<bolt::MetaBytes>(bytes);
  meta.magic = bolt::kMagic;
  meta.version = bolt::kVersion;
  meta.page_size = kPage;
  bolt::Store(meta, bytes);
  meta.checksum = bolt::Fnv1a({bytes, offsetof(bolt::MetaBytes, checksum)});
  bolt::Store(meta, bytes);
}

void ReadAll(Engine* engine) {
  const auto reader = engine->BeginRead();
  const auto buckets = (*reader)->Buckets();
  if (!buckets.ok()) {
    return;
  }
  for (const std::string& bucket : *buckets) {
    (*reader)->Get(bucket, "k1").status().IgnoreError();
    const auto cursor = (*reader)->NewCursor(bucket);
    if (!cursor.ok()) {
      continue;
    }
    // A cycle of pages is found by its keys, which don't ascend.
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
    }
    for ((*cursor)->SeekToLast(); (*cursor)->Valid(); (*cursor)->Prev()) {
    }
    (*cursor)->Seek("k5");
  }
}

absl::Status Change(Engine* engine) {
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(txn->CreateBucket("key"));
  for (int i = 0; i < 12; ++i) {
    const std::string key = "k" + std::to_string(i);
    RETURN_IF_ERROR(i % 3 == 0 ? txn->Delete("key", key)
                               : txn->Put("key", key, std::string(i == 7 ? 3000 : 90, 'n')));
  }
  const absl::Status dropped = txn->DeleteBucket("meta");
  if (!dropped.ok() && !absl::IsNotFound(dropped)) {
    return dropped;
  }
  return txn->Commit();
}

void Use(FaultEnv* env, const BoltOptions& options) {
  const auto engine = OpenBolt(env, kPath, options);
  if (!engine.ok()) {
    return;
  }
  const bool is_sound = (*engine)->Check().ok();
  ReadAll(engine->get());
  const absl::Status changed = Change(engine->get());
  if (is_sound) {
    CHECK(changed.ok() || absl::IsResourceExhausted(changed));
    const absl::Status still = (*engine)->Check();
    CHECK(still.ok());
  }
}

std::string MakeDatabase(const BoltOptions& options) {
  FaultEnv env(1);
  CHECK(env.CreateDirs("/d").ok());
  const auto engine = OpenBolt(&env, kPath, options);
  CHECK(engine.ok());
  CHECK(Change(engine->get()).ok());
  CHECK(Change(engine->get()).ok());
  return *env.Contents(kPath);
}

int RunInput(std::string_view input) {
  LogOptions quiet;
  quiet.level = LogLevel::kError;
  static const bool is_quiet = InitLog(quiet).ok();
  CHECK(is_quiet);
  if (input.empty() || input.size() > (size_t{1} << 18U)) {
    return 0;
  }
  const auto flags = static_cast<uint8_t>(input[0]);
  std::string file(input.substr(1));
  BoltOptions options;
  options.page_size = kPage;
  options.map_size_bytes = uint64_t{4} << 20U;
  options.sync_freelist = (flags & 2U) != 0;
  options.freelist_type =
      (flags & 4U) != 0 ? freelist::FreelistType::kArray : freelist::FreelistType::kHashmap;
  FaultEnv env(1);
  CHECK(env.CreateDirs("/d").ok());
  if ((flags & 8U) != 0) {
    static const std::string database = MakeDatabase(options);
    options.page_checksums = true;
    env.SetContents(kPath, database);
    env.SetContents(std::string(kPath) + ".sums", std::move(file));
  } else {
    if ((flags & 1U) != 0) {
      FixMeta(&file, 0);
      FixMeta(&file, kPage);
    }
    env.SetContents(kPath, std::move(file));
  }
  Use(&env, options);
  return 0;
}

}  // namespace
}  // namespace socle::kv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return socle::kv::RunInput({reinterpret_cast<const char*>(bytes), size});
}
