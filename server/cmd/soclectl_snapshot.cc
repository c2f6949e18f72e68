#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/cmd/soclectl_migrate.h"
#include "server/cmd/soclectl_progress.h"
#include "server/migrate/snapshot_file.h"
#include "server/wire/client/etcd_client.h"

namespace socle::server {
namespace {

// As etcd's tools print sizes: powers of 1000, one digit after the point below ten.
std::string HumanBytes(uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 10) {
    return fmt::format("{} B", bytes);
  }
  double scale = 1;
  size_t unit = 0;
  while (static_cast<double>(bytes) >= scale * 1000) {
    scale *= 1000;
    ++unit;
  }
  const double value = std::floor(static_cast<double>(bytes) / scale * 10 + 0.5) / 10;
  return value < 10 ? fmt::format("{:.1f} {}", value, kUnits.at(unit))
                    : fmt::format("{:.0f} {}", value, kUnits.at(unit));
}

std::string Table(const std::vector<std::pair<std::string, std::string>>& columns) {
  std::string line = "+";
  std::string head = "|";
  std::string row = "|";
  for (const auto& [title, value] : columns) {
    const size_t width = std::max(title.size(), value.size());
    const size_t left = (width - title.size()) / 2;
    line += std::string(width + 2, '-') + "+";
    head += fmt::format(" {}{}{} |", std::string(left, ' '), title,
                        std::string(width - title.size() - left, ' '));
    row += fmt::format(" {:>{}} |", value, width);
  }
  return fmt::format("{}\n{}\n{}\n{}\n{}\n", line, head, line, row, line);
}

std::string StatusText(const SnapshotFigures& figures, const std::string& format) {
  if (format == "json") {
    return fmt::format(
        R"({{"hash":{},"revision":{},"totalKey":{},"totalSize":{}{}}})"
        "\n",
        figures.hash, figures.revision, figures.total_keys, figures.total_bytes,
        figures.version.empty() ? "" : fmt::format(R"(,"version":"{}")", figures.version));
  }
  if (format == "fields") {
    return fmt::format(
        "\"Hash\" : {}\n\"Revision\" : {}\n\"Keys\" : {}\n\"Size\" : {}\n{}", figures.hash,
        figures.revision, figures.total_keys, figures.total_bytes,
        figures.version.empty() ? "" : fmt::format("\"Version\" : {}\n", figures.version));
  }
  const std::vector<std::pair<std::string, std::string>> columns = {
      {"HASH", fmt::format("{:x}", figures.hash)},
      {"REVISION", fmt::format("{}", figures.revision)},
      {"TOTAL KEYS", fmt::format("{}", figures.total_keys)},
      {"TOTAL SIZE", HumanBytes(figures.total_bytes)}};
  if (format == "table") {
    return Table(columns);
  }
  std::string text;
  for (const auto& [title, value] : columns) {
    text += (text.empty() ? "" : ", ") + value;
  }
  return text + "\n";
}

absl::Status Save(const SnapshotSaveCommand& command, const Console& console) {
  // A snapshot takes as long as it takes.
  ASSIGN_OR_RETURN(
      const std::unique_ptr<EtcdClient> client,
      EtcdClient::Open(command.endpoint, {.timeout_nanos = 0, .access = command.access}));
  ASSIGN_OR_RETURN(const std::unique_ptr<SnapshotWriter> writer,
                   SnapshotWriter::Begin(console.env, command.path));
  ProgressLine line(&console);
  const absl::Status received = client->Snapshot([&](std::string_view blob) {
    writer->Add(blob);
    line.Draw(fmt::format("{} of the snapshot came", HumanBytes(writer->bytes())));
  });
  if (!received.ok()) {
    return Annotate(received, command.endpoint);
  }
  return writer->Finish();
}

absl::StatusOr<RestoreOptions> RestoreOptionsOf(const SnapshotRestoreCommand& command) {
  if ((command.bump_revision > 0) != command.mark_compacted) {
    return absl::InvalidArgumentError(
        "--bump-revision and --mark-compacted go together: watches and caches of a newer state "
        "must be told that their "
        "revisions are gone");
  }
  RestoreOptions options{
      .snapshot = command.path,
      .target = command.data_dir.empty() ? command.name + ".socle" : command.data_dir,
      .name = command.name,
      .cluster_token = command.initial_cluster_token,
      .peer_urls = absl::StrSplit(command.initial_advertise_peer_urls, ','),
      .skip_hash_check = command.skip_hash_check,
      .bump_revision = command.bump_revision};
  if (command.initial_cluster.empty()) {
    return options;
  }
  std::vector<std::string> urls;
  const std::vector<std::string> members = absl::StrSplit(command.initial_cluster, ',');
  for (const std::string& member : members) {
    if (!std::string_view(member).starts_with(command.name + "=")) {
      return absl::InvalidArgumentError(
          fmt::format("--initial-cluster: {} is not member {}: socle-kv serves alone; etcd's own "
                      "restore (etcdctl, etcdutl "
                      "snapshot restore) makes members of a cluster from the same file",
                      member, command.name));
    }
    urls.push_back(member.substr(command.name.size() + 1));
  }
  std::sort(urls.begin(), urls.end());
  std::vector<std::string> advertised = options.peer_urls;
  std::sort(advertised.begin(), advertised.end());
  if (urls != advertised) {
    return absl::InvalidArgumentError(
        fmt::format("--initial-cluster must give {} the URLs of --initial-advertise-peer-urls ({})",
                    command.name, command.initial_advertise_peer_urls));
  }
  return options;
}

}  // namespace

int SnapshotSave(const SnapshotSaveCommand& command, const Console& console) {
  const absl::Status saved = Save(command, console);
  if (!saved.ok()) {
    return Fail(console, saved);
  }
  console.out(fmt::format("Snapshot saved at {}\n", command.path));
  return kExitDone;
}

int SnapshotStatus(const SnapshotStatusCommand& command, const Console& console) {
  absl::StatusOr<SnapshotFigures> figures = absl::UnknownError("not run");
  {
    ProgressLine line(&console);
    figures = ReadSnapshot(console.env, command.path,
                           [&line](std::string_view what) { line.Draw(what); });
  }
  if (!figures.ok()) {
    return Fail(console, figures.status());
  }
  console.out(StatusText(*figures, command.format));
  return kExitDone;
}

int SnapshotRestore(const SnapshotRestoreCommand& command, const Console& console) {
  absl::StatusOr<RestoreOptions> options = RestoreOptionsOf(command);
  if (!options.ok()) {
    return Fail(console, options.status());
  }
  absl::StatusOr<Restored> restored = absl::UnknownError("not run");
  {
    ProgressLine line(&console);
    options->progress = [&line](std::string_view what) { line.Draw(what); };
    restored = RestoreSnapshot(console.env, *options);
  }
  if (!restored.ok()) {
    return Fail(console, restored.status());
  }
  console.out(
      fmt::format("{}: restored into {}: revision {}, member {} {:x} in cluster {:x}\n"
                  "start it: socle-kv --data-dir {} --name {}\n",
                  command.path, options->target, restored->revision, command.name,
                  restored->member_id, restored->cluster_id, options->target, command.name));
  return kExitDone;
}

}  // namespace socle::server
