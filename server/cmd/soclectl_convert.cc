#include <optional>
#include <string>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "kv/convert.h"
#include "kv/open_engine.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

using kv::ConvertProgress;
using kv::ConvertResult;
using kv::EngineKind;

absl::StatusOr<ConvertResult> Convert(const ConvertCommand& command, const Console& console) {
  const std::string directory = EngineDirectoryOf(command.path);
  ASSIGN_OR_RETURN(const bool exists, console.env->Exists(directory));
  if (!exists) {
    return absl::NotFoundError(
        fmt::format("{}: is no data directory: there is no {}", command.path, directory));
  }
  ASSIGN_OR_RETURN(const EngineKind to, kv::EngineKindOf(command.to));
  ProgressLine line(&console);
  return kv::ConvertDirectory(
      console.env, directory, to, {.progress = [&line](const ConvertProgress& progress) {
        line.Draw(fmt::format("{} bucket {}: {} entries, {} of {} MiB",
                              progress.is_verifying ? "comparing" : "copying", progress.bucket,
                              progress.entries, progress.bytes >> 20U,
                              progress.bytes_expected >> 20U));
        return absl::OkStatus();
      }});
}

}  // namespace

int DbConvert(const ConvertCommand& command, const Console& console) {
  const absl::StatusOr<ConvertResult> result = Convert(command, console);
  if (!result.ok()) {
    return Fail(console, result.status());
  }
  console.out(fmt::format(
      "{}: is kept by {} now: {} entries in {} buckets, {} bytes, read back and compared (hash "
      "{:016x})\nthe files of the engine before are still beside the new ones\n",
      command.path, command.to, result->entries, result->buckets, result->bytes, result->hash));
  return kExitDone;
}

}  // namespace socle::server
