#include "kv/convert.h"

#include <xxhash.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/engine.h"

namespace socle::kv {
namespace {

struct FreeHashState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Counts and hashes what one side holds.
class Tally {
 public:
  Tally() : state_(XXH3_createState()) { CHECK(XXH3_64bits_reset(state_.get()) == XXH_OK); }

  void AddBucket(std::string_view name) {
    ++result_.buckets;
    Hash("b", name);
  }

  void Add(std::string_view key, std::string_view value) {
    ++result_.entries;
    result_.bytes += key.size() + value.size();
    Hash("k", key);
    Hash("v", value);
  }

  uint64_t entries() const { return result_.entries; }

  uint64_t bytes() const { return result_.bytes; }

  ConvertResult Result() const {
    ConvertResult result = result_;
    result.hash = XXH3_64bits_digest(state_.get());
    return result;
  }

 private:
  void Hash(std::string_view tag, std::string_view bytes) {
    const uint64_t size = bytes.size();
    XXH3_64bits_update(state_.get(), tag.data(), tag.size());
    XXH3_64bits_update(state_.get(), &size, sizeof(size));
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
  }

  const std::unique_ptr<XXH3_state_t, FreeHashState> state_;
  ConvertResult result_;
};

using Visit = std::function<absl::Status(const std::string& bucket, std::string_view key,
                                         std::string_view value)>;

// A bucket inside a bucket shows as an entry without value, which Get does not find.
absl::Status RefuseNestedBucket(const ReadTxn& txn, const std::string& bucket, std::string_view key,
                                std::string_view value) {
  if (!value.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto found, txn.Get(bucket, key));
  if (found) {
    return absl::OkStatus();
  }
  PROBE("convert: nested bucket");
  return absl::FailedPreconditionError(fmt::format(
      "bucket '{}' has a bucket '{}' inside, which only bolt can; it was not made by etcd", bucket,
      key));
}

absl::Status VisitAll(const ReadTxn& txn, Tally* tally, const Visit& visit) {
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, txn.Buckets());
  for (const std::string& bucket : buckets) {
    tally->AddBucket(bucket);
    ASSIGN_OR_RETURN(const std::unique_ptr<Cursor> cursor, txn.NewCursor(bucket));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      tally->Add(cursor->key(), cursor->value());
      RETURN_IF_ERROR(visit(bucket, cursor->key(), cursor->value()));
    }
    RETURN_IF_ERROR(cursor->status());
  }
  return absl::OkStatus();
}

struct OpenSource {
  EngineKind kind;
  std::unique_ptr<Engine> engine;
};

class Conversion {
 public:
  Conversion(const ConvertOptions& options, bool can_nest)
      : options_(options), can_nest_(can_nest) {}

  absl::StatusOr<ConvertResult> Copy(Engine* from, Engine* to) {
    ASSIGN_OR_RETURN(const std::unique_ptr<ReadTxn> source, from->BeginRead());
    progress_ = {.bytes_expected = from->Size().in_use_bytes};
    ASSIGN_OR_RETURN(std::unique_ptr<WriteTxn> batch, to->BeginWrite());
    ASSIGN_OR_RETURN(const std::vector<std::string> buckets, source->Buckets());
    for (const std::string& bucket : buckets) {
      RETURN_IF_ERROR(batch->CreateBucket(bucket));
    }
    Tally tally;
    uint64_t batched = 0;
    const auto put = [&](const std::string& bucket, std::string_view key,
                         std::string_view value) -> absl::Status {
      if (can_nest_) {
        RETURN_IF_ERROR(RefuseNestedBucket(*source, bucket, key, value));
      }
      RETURN_IF_ERROR(batch->Put(bucket, key, value));
      batched += key.size() + value.size();
      if (batched < options_.batch_bytes) {
        return absl::OkStatus();
      }
      batched = 0;
      RETURN_IF_ERROR(batch->Commit());
      batch.reset();  // One write transaction at a time.
      ASSIGN_OR_RETURN(batch, to->BeginWrite());
      return Report(bucket, tally);
    };
    RETURN_IF_ERROR(VisitAll(*source, &tally, put));
    RETURN_IF_ERROR(batch->Commit());
    return tally.Result();
  }

  absl::Status Verify(Engine* engine, const ConvertResult& expected) {
    RETURN_IF_ERROR(engine->Check());
    ASSIGN_OR_RETURN(const std::unique_ptr<ReadTxn> copy, engine->BeginRead());
    progress_ = {.is_verifying = true, .bytes_expected = expected.bytes};
    Tally tally;
    uint64_t reported = 0;
    const auto report = [&](const std::string& bucket, std::string_view /*key*/,
                            std::string_view /*value*/) {
      if (tally.bytes() - reported < options_.batch_bytes) {
        return absl::OkStatus();
      }
      reported = tally.bytes();
      return Report(bucket, tally);
    };
    RETURN_IF_ERROR(VisitAll(*copy, &tally, report));
    const ConvertResult found = tally.Result();
    if (found.buckets != expected.buckets || found.entries != expected.entries ||
        found.hash != expected.hash) {
      return absl::DataLossError(fmt::format(
          "the copy differs from its source: {} buckets, {} entries, hash {:016x}; expected {}, "
          "{}, {:016x}",
          found.buckets, found.entries, found.hash, expected.buckets, expected.entries,
          expected.hash));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Report(const std::string& bucket, const Tally& tally) {
    if (!options_.progress) {
      return absl::OkStatus();
    }
    progress_.bucket = bucket;
    progress_.entries = tally.entries();
    progress_.bytes = tally.bytes();
    return options_.progress(progress_);
  }

  const ConvertOptions& options_;
  const bool can_nest_;
  ConvertProgress progress_;
};

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::StatusOr<ConvertResult> MakeCopy(Env* env, const OpenSource& source,
                                       const EnginePlace& unfinished,
                                       const ConvertOptions& options) {
  Conversion conversion(options, source.kind == EngineKind::kBolt);
  ConvertResult result;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Engine> target,
                     OpenEngineAt(env, unfinished, options.engine));
    ASSIGN_OR_RETURN(result, conversion.Copy(source.engine.get(), target.get()));
  }
  // What counts is what is read from the disk again.
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> copy,
                   OpenEngineAt(env, unfinished, options.engine));
  RETURN_IF_ERROR(conversion.Verify(copy.get(), result));
  return result;
}

absl::StatusOr<OpenSource> Open(Env* env, const EnginePlace& from, const EngineOptions& options) {
  ASSIGN_OR_RETURN(const bool exists, env->Exists(from.path));
  if (!exists) {
    return absl::NotFoundError(
        fmt::format("{}: there is no {} store", from.path, NameOf(from.kind)));
  }
  absl::StatusOr<std::unique_ptr<Engine>> engine = OpenEngineAt(env, from, options);
  if (!engine.ok()) {
    return Annotate(engine.status(), "source");
  }
  return OpenSource{from.kind, *std::move(engine)};
}

absl::StatusOr<ConvertResult> Convert(Env* env, const OpenSource& source, const EnginePlace& to,
                                      const ConvertOptions& options) {
  ASSIGN_OR_RETURN(const bool has_target, env->Exists(to.path));
  if (has_target) {
    return absl::AlreadyExistsError(
        fmt::format("{}: there is something with this name already; move it away", to.path));
  }
  const EnginePlace unfinished{.kind = to.kind, .path = to.path + ".converting"};
  RETURN_IF_ERROR(RemoveEngineAt(env, unfinished));
  absl::StatusOr<ConvertResult> result = MakeCopy(env, source, unfinished, options);
  if (!result.ok()) {
    // The first error is the one to tell; what stays is removed by the next attempt.
    RemoveEngineAt(env, unfinished).IgnoreError();
    return result;
  }
  RETURN_IF_ERROR(env->Rename(unfinished.path, to.path));
  RETURN_IF_ERROR(env->SyncDir(DirectoryOf(to.path)));
  RETURN_IF_ERROR(RemoveEngineAt(env, unfinished));  // its lock files
  return result;
}

}  // namespace

absl::StatusOr<ConvertResult> ConvertEngine(Env* env, const EnginePlace& from,
                                            const EnginePlace& to, const ConvertOptions& options) {
  ASSIGN_OR_RETURN(const OpenSource source, Open(env, from, options.engine));
  return Convert(env, source, to, options);
}

absl::StatusOr<ConvertResult> ConvertDirectory(Env* env, const std::string& directory,
                                               EngineKind to, const ConvertOptions& options) {
  ASSIGN_OR_RETURN(const std::optional<EngineKind> from, FindEngine(env, directory));
  if (!from) {
    return absl::NotFoundError(fmt::format("{}: there is no store in this directory", directory));
  }
  if (*from == to) {
    return absl::AlreadyExistsError(
        fmt::format("{}: the storage engine is {} already", directory, NameOf(to)));
  }
  // Locked until the directory is the new engine's: no server writes to the old one in between.
  ASSIGN_OR_RETURN(const OpenSource source, Open(env, PlaceIn(directory, *from), options.engine));
  ASSIGN_OR_RETURN(const ConvertResult result,
                   Convert(env, source, PlaceIn(directory, to), options));
  RETURN_IF_ERROR(RememberEngine(env, directory, to));
  return result;
}

}  // namespace socle::kv
