#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/cursor.h"
#include "kv/bolt/printable.h"
#include "kv/bolt/tree.h"
#include "mvcc/record.h"
#include "mvcc/revision.h"
#include "server/cmd/soclectl_db.h"

namespace socle::server {
namespace {

using kv::bolt::BoltCursor;
using kv::bolt::BucketRoot;
using kv::bolt::Entry;
using kv::bolt::Hex;
using kv::bolt::OfflineFile;
using kv::bolt::PageReader;
using kv::bolt::Printable;

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(AbslView(bytes));
}

// Printable text has no control characters: quotes and backslashes are what is left to escape.
std::string JsonString(std::string_view printable) {
  std::string out = "\"";
  for (const char c : printable) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out + "\"";
}

// One entry of the `key` bucket, as MVCC means it.
struct Decoded {
  mvcc::ParsedRevisionKey revision;
  mvcc::KeyValueView kv;
};

std::optional<Decoded> Decode(std::string_view key, std::string_view value) {
  const auto revision = mvcc::ParseRevisionKey(key);
  const auto kv = mvcc::DecodeRecord(value);
  if (!revision.has_value() || !kv.has_value()) {
    return std::nullopt;
  }
  return Decoded{*revision, *kv};
}

class Dump {
 public:
  Dump(const OfflineFile& file, const DumpOptions& options, const Console& console)
      : file_(file), reader_(file.reader()), options_(options), console_(console) {}

  // What could be read is printed; the first error is returned.
  absl::Status Run() {
    BucketRoot bucket;
    bucket.root = file_.meta().root;
    std::string path;
    if (!options_.bucket.empty()) {
      RETURN_IF_ERROR(FindBucket(&bucket, &path));
    }
    DumpBucket(path, bucket, 0);
    return first_error_;
  }

 private:
  void Fail(absl::Status status) {
    if (first_error_.ok()) {
      first_error_ = std::move(status);
    }
  }

  absl::Status FindBucket(BucketRoot* bucket, std::string* path) const {
    const std::vector<std::string> names = absl::StrSplit(options_.bucket, '/');
    for (const std::string& name : names) {
      std::string key = name;
      if (name.starts_with("0x")) {
        key = std::string(absl::HexStringToBytes(name.substr(2)));
      }
      Entry entry;
      bool found = false;
      RETURN_IF_ERROR(FindEntry(reader_, *bucket, key, &entry, &found));
      if (!found || !entry.is_bucket()) {
        return absl::NotFoundError(
            fmt::format("{}: there is no bucket {}; `soclectl db buckets` lists them", file_.path(),
                        options_.bucket));
      }
      RETURN_IF_ERROR(reader_.ParseBucket(entry.value, file_.meta().root, bucket));
      *path += (path->empty() ? "" : "/") + Printable(key);
    }
    return absl::OkStatus();
  }

  // On broken files, too, every tree is walked once, and every key is above the one before: this ends.
  void DumpBucket(const std::string& path, const BucketRoot& bucket, uint32_t depth) {
    const PageId where = bucket.is_inline ? file_.meta().root : bucket.root;
    if (bucket.is_inline) {
      inline_bytes_ += bucket.inline_page.extent();
    }
    if (depth == kv::bolt::kDepthMax || (!bucket.is_inline && !roots_.insert(where).second) ||
        inline_bytes_ > file_.meta().file_bytes()) {
      Fail(reader_.Broken(where, fmt::format("bucket {} is reached twice", path)));
      return;
    }
    BoltCursor cursor(reader_, bucket);
    std::string_view previous;
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
      const Entry& entry = cursor.entry();
      if (entry.key.data() != nullptr && previous.data() != nullptr && entry.key <= previous) {
        Fail(reader_.Broken(where, fmt::format("keys of bucket {} don't ascend", path)));
        return;
      }
      previous = entry.key;
      if (!entry.is_bucket()) {
        Print(path, entry);
        continue;
      }
      BucketRoot nested;
      const absl::Status parsed = reader_.ParseBucket(entry.value, where, &nested);
      if (!parsed.ok()) {
        Fail(parsed);
      } else {
        DumpBucket((path.empty() ? "" : path + "/") + Printable(entry.key), nested, depth + 1);
      }
    }
    if (!cursor.status().ok()) {
      Fail(cursor.status());
    }
  }

  std::string Text(std::string_view bytes) const {
    return options_.hex ? "0x" + Hex(bytes) : Printable(bytes);
  }

  void Print(const std::string& path, const Entry& entry) {
    std::optional<Decoded> decoded;
    if (options_.decode_revisions && path == "key") {
      decoded = Decode(entry.key, entry.value);
    }
    if (options_.json) {
      console_.out(decoded.has_value() ? DecodedJson(path, *decoded) : Json(path, entry));
    } else if (decoded.has_value()) {
      console_.out(DecodedLine(path, *decoded));
    } else {
      console_.out(options_.keys_only
                       ? fmt::format("{}\t{}\n", path, Text(entry.key))
                       : fmt::format("{}\t{}\t{}\n", path, Text(entry.key), Text(entry.value)));
    }
  }

  std::string Json(const std::string& path, const Entry& entry) const {
    return fmt::format(
        R"({{"bucket":{},"key":"{}"{}}})"
        "\n",
        JsonString(path), Base64(entry.key),
        options_.keys_only ? "" : fmt::format(R"(,"value":"{}")", Base64(entry.value)));
  }

  std::string DecodedLine(const std::string& path, const Decoded& entry) const {
    const auto& [revision, is_tombstone] = entry.revision;
    std::string line = fmt::format("{}\t{}/{}\t{}\t{}", path, revision.main, revision.sub,
                                   is_tombstone ? "delete" : "put", Text(entry.kv.key));
    if (!is_tombstone && !options_.keys_only) {
      line += fmt::format("\t{}\tcreate={} mod={} version={} lease={:x}", Text(entry.kv.value),
                          entry.kv.create_revision, entry.kv.mod_revision, entry.kv.version,
                          Raw(entry.kv.lease));
    }
    return line + "\n";
  }

  std::string DecodedJson(const std::string& path, const Decoded& entry) const {
    const auto& [revision, is_tombstone] = entry.revision;
    std::string line = fmt::format(R"({{"bucket":{},"main":{},"sub":{},"type":"{}","key":"{}")",
                                   JsonString(path), revision.main, revision.sub,
                                   is_tombstone ? "delete" : "put", Base64(entry.kv.key));
    if (!is_tombstone && !options_.keys_only) {
      line += fmt::format(
          R"(,"value":"{}","create_revision":{},"mod_revision":{},"version":{},"lease":{})",
          Base64(entry.kv.value), entry.kv.create_revision, entry.kv.mod_revision, entry.kv.version,
          Raw(entry.kv.lease));
    }
    return line + "}\n";
  }

  const OfflineFile& file_;
  const PageReader reader_;
  const DumpOptions& options_;
  const Console& console_;
  absl::flat_hash_set<PageId> roots_;
  uint64_t inline_bytes_ = 0;
  absl::Status first_error_;
};

}  // namespace

int DbDump(const DumpOptions& options, const Console& console) {
  const auto opened = OpenDatabase(console, options.path);
  if (!opened.ok()) {
    return Fail(console, opened.status());
  }
  const absl::Status status = Dump(**opened, options, console).Run();
  return status.ok() ? kExitDone : Fail(console, status);
}

}  // namespace socle::server
