#include "server/cmd/soclectl_console.h"

#include <algorithm>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "kv/open_engine.h"

namespace socle::server {

using kv::bolt::OfflineFile;

void Console::Complain(std::string_view what) const {
  std::string line = fmt::format("soclectl: {}", what);
  std::replace(line.begin(), line.end(), '\n', ' ');
  err(line + "\n");
}

std::string TableLine(std::string columns) {
  while (columns.ends_with(' ')) {
    columns.pop_back();
  }
  return columns + "\n";
}

std::string Share(uint64_t part, uint64_t whole) {
  if (whole == 0) {
    return "-";
  }
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string EngineDirectoryOf(const std::string& data_dir) {
  return data_dir + (data_dir.ends_with('/') ? "" : "/") + "member/snap";
}

absl::StatusOr<std::unique_ptr<OfflineFile>> OpenDatabase(const Console& console,
                                                          const std::string& path) {
  std::string file = path;
  // Whatever can be listed is a directory.
  if (console.env->List(path).ok()) {
    const std::string directory = EngineDirectoryOf(path);
    ASSIGN_OR_RETURN(const auto engine, kv::FindEngine(console.env, directory));
    if (!engine.has_value()) {
      return absl::NotFoundError(
          fmt::format("{}: is a directory without member/snap/db; name a database file, or the "
                      "data directory of a server",
                      path));
    }
    if (engine != kv::EngineKind::kBolt) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: is kept by {}, and this looks into bolt files; save a snapshot and look at that, or "
          "convert: soclectl db convert {} --to bolt",
          path, kv::NameOf(*engine), path));
    }
    file = kv::PlaceIn(directory, *engine).path;
  }
  absl::StatusOr<std::unique_ptr<OfflineFile>> opened = OfflineFile::Open(console.env, file);
  if (absl::IsFailedPrecondition(opened.status())) {
    return absl::FailedPreconditionError(fmt::format(
        "{}; stop it first, or save a snapshot and look at that", MessageOf(opened.status())));
  }
  return opened;
}

int Fail(const Console& console, const absl::Status& status) {
  console.Complain(MessageOf(status));
  return absl::IsDataLoss(status) ? kExitBroken : kExitNothing;
}

int Conclude(const Console& console, const std::string& path, const kv::bolt::PageCensus& census) {
  if (census.findings_total() == 0) {
    return kExitDone;
  }
  console.Complain(fmt::format("{}: {} (the first of {}); `soclectl db check` lists them", path,
                               census.findings().front().Text(), census.findings_total()));
  return kExitBroken;
}

}  // namespace socle::server
