#include "server/migrate/import.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "lease/lessor.h"
#include "server/migrate/image.h"
#include "server/migrate/log_request.h"
#include "server/migrate/membership.h"

namespace socle::server {
namespace {

constexpr uint64_t kEntriesPerLook = 256;

absl::Status CopyDatabase(Env* env, const EtcdDirectory& source, const NewDirectory& target,
                          const MigrateProgress& progress) {
  constexpr std::array<std::string_view, 1> kMembers = {"members"};
  return WriteImageForAnother(kMembers, source.pages(), env, target.database_path(), progress);
}

absl::StatusOr<std::unique_ptr<mvcc::Store>> OpenStore(Env* env, const NewDirectory& target,
                                                       lease::Lessor* lessor) {
  mvcc::StoreOptions options;
  options.directory = target.path();
  options.env = env;
  options.lease_hook = lessor;
  // What is in the log was within the limits that the server had.
  options.txn_ops_max = INT64_MAX;
  options.request_bytes_max = INT64_MAX;
  return mvcc::Store::Open(std::move(options));
}

// What would end the replay is found before anything is written; so are keys of the v2 API that are not even in a
// snapshot of the log yet: the database, whatever it has applied, has none of them.
absl::Status ExpectKnown(const EtcdDirectory& source) {
  const EtcdLog& log = source.log();
  const uint64_t kept = NewestMarker(log, std::max(log.commit, source.applied())).index;
  for (const EtcdEntry& entry : log.entries) {
    if (entry.index <= kept) {
      continue;
    }
    const absl::Status known = DecodeLogRequest(entry).status();
    const bool is_lost = absl::IsFailedPrecondition(known) || entry.index > source.applied();
    if (!known.ok() && is_lost) {
      return Annotate(known, fmt::format("{}: entry {}", log.Text(entry.place), entry.index));
    }
  }
  return absl::OkStatus();
}

absl::Status ReplayTail(const EtcdDirectory& source, const MigrateProgress& progress,
                        Replay* replay) {
  const EtcdLog& log = source.log();
  for (const EtcdEntry& entry : log.entries) {
    if (entry.index <= source.applied()) {
      continue;
    }
    RETURN_IF_ERROR(replay->Apply(entry));
    if (progress && entry.index % kEntriesPerLook == 0) {
      progress(fmt::format("applying the log, entry {} of {}", entry.index, log.last_index()));
    }
  }
  return replay->Finish();
}

// What the entries said about the member and the term, as a booted etcd 3.6 has it.
absl::Status WriteOwner(const EtcdDirectory& source, const MemberRecord& member,
                        mvcc::Store* store) {
  const EtcdLog& log = source.log();
  const uint64_t term =
      std::max(log.term, log.entries.empty() ? uint64_t{0} : log.entries.back().term);
  return store
      ->WriteSystem(
          {MemberWrite(member),
           {.bucket = "meta",
            .key = "confState",
            .value = fmt::format(R"({{"voters":[{}],"auto_leave":false}})", member.id)},
           {.bucket = "meta", .key = "term", .value = BigEndian64(std::max<uint64_t>(term, 1))}})
      .status();
}

absl::StatusOr<Imported> Fill(Env* env, const EtcdDirectory& source, const NewDirectory& target,
                              const MigrateProgress& progress) {
  RETURN_IF_ERROR(CopyDatabase(env, source, target, progress));
  lease::Lessor lessor;
  ASSIGN_OR_RETURN(const std::unique_ptr<mvcc::Store> store, OpenStore(env, target, &lessor));
  if (!store->Corruption().ok()) {
    return store->Corruption();
  }
  Imported result{.applied_before = source.applied(),
                  .last_index = source.log().last_index(),
                  .torn = source.log().torn,
                  .cluster_id = source.log().cluster_id};
  {
    Replay replay(store.get(), &lessor, &source.log(), source.member());
    RETURN_IF_ERROR(replay.Load());
    RETURN_IF_ERROR(ReplayTail(source, progress, &replay));
    result.entries = replay.counts();
    result.member = replay.member();
  }
  RETURN_IF_ERROR(WriteOwner(source, result.member, store.get()));
  if (progress) {
    progress("hashing");
  }
  ASSIGN_OR_RETURN(result.hash, store->HashKv(0));
  result.keys = store->Stats().keys;
  result.leases = lessor.Stats().leases;
  RETURN_IF_ERROR(store->CommitAndRead().status());
  return result;
}

}  // namespace

absl::StatusOr<Imported> ImportEtcd(Env* env, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const std::unique_ptr<EtcdDirectory> source,
                   EtcdDirectory::Open(env, {.directory = options.source,
                                             .wal_directory = options.source_wal,
                                             .progress = options.progress}));
  RETURN_IF_ERROR(ExpectKnown(*source));
  ASSIGN_OR_RETURN(NewDirectory target, NewDirectory::Begin(env, options.target));
  absl::StatusOr<Imported> imported = Fill(env, *source, target, options.progress);
  if (!imported.ok()) {
    return target.Explain(imported.status(), options.source);
  }
  RETURN_IF_ERROR(target.Finish());
  return imported;
}

}  // namespace socle::server
