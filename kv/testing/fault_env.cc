#include "kv/testing/fault_env.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle {
namespace {

constexpr std::array<std::string_view, 14> kKindNames = {
    "create",   "write", "sync", "truncate", "rename", "remove", "create dirs",
    "sync dir", "open",  "read", "stat",     "list",   "lock",   "map"};

constexpr size_t Slot(CallKind kind) {
  return static_cast<size_t>(kind);
}

// "" is the directory of a relative name and always exists, as "/" does.
std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return "";
  }
  return path.substr(0, std::max<size_t>(slash, 1));
}

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

absl::Status Missing(CallKind kind, const std::string& path) {
  return absl::NotFoundError(fmt::format("{} {}: No such file or directory", NameOf(kind), path));
}

// Whether an unsynced change of a name reaches the disk.
bool Reaches(DurabilityLoss loss, Random* random) {
  return loss == DurabilityLoss::kNone || (loss != DurabilityLoss::kAll && random->OneIn(2));
}

}  // namespace

std::string_view NameOf(CallKind kind) {
  return kKindNames.at(Slot(kind));
}

class FaultFile final : public File {
 public:
  FaultFile(FaultEnv* env, std::string path, std::shared_ptr<SimulatedFile> file, uint64_t life,
            bool is_read_only)
      : env_(env),
        path_(std::move(path)),
        file_(std::move(file)),
        life_(life),
        is_read_only_(is_read_only),
        failed_syncs_reported_(file_->failed_syncs()) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    return env_->ReadFile(path_, file_.get(), life_, offset, out);
  }

  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    RETURN_IF_ERROR(CheckWritable(CallKind::kWrite));
    return env_->WriteFile(path_, file_.get(), life_, offset, bytes);
  }

  absl::Status WriteAtV(uint64_t offset, std::span<const std::string_view> parts) override {
    RETURN_IF_ERROR(CheckWritable(CallKind::kWrite));
    std::string whole;
    for (const std::string_view part : parts) {
      whole.append(part);
    }
    return env_->WriteFile(path_, file_.get(), life_, offset, whole);
  }

  absl::Status SyncData() override {
    return env_->SyncFile(path_, file_.get(), life_, &failed_syncs_reported_);
  }

  absl::Status Truncate(uint64_t size) override {
    RETURN_IF_ERROR(CheckWritable(CallKind::kTruncate));
    return env_->TruncateFile(path_, file_.get(), life_, size);
  }

  absl::StatusOr<uint64_t> Size() override { return env_->SizeOfFile(path_, *file_, life_); }

  absl::StatusOr<std::unique_ptr<Mapping>> MapForReading(size_t length) override {
    return env_->MapFile(path_, file_.get(), life_, length);
  }

 private:
  absl::Status CheckWritable(CallKind kind) const {
    if (is_read_only_) {
      return absl::InternalError(fmt::format("{} {}: opened for reading", NameOf(kind), path_));
    }
    return absl::OkStatus();
  }

  FaultEnv* const env_;
  const std::string path_;
  const std::shared_ptr<SimulatedFile> file_;
  const uint64_t life_;
  const bool is_read_only_;
  uint64_t failed_syncs_reported_;  // guarded by the env's mutex
};

class FaultLock final : public FileLock {
 public:
  FaultLock(FaultEnv* env, std::string path, uint64_t life, bool shared)
      : env_(env), path_(std::move(path)), life_(life), shared_(shared) {}

  ~FaultLock() override { env_->Unlock(path_, life_, shared_); }

  FaultLock(const FaultLock&) = delete;
  FaultLock& operator=(const FaultLock&) = delete;

 private:
  FaultEnv* const env_;
  const std::string path_;
  const uint64_t life_;
  const bool shared_;
};

void FaultEnv::CrashAfterCalls(uint64_t calls) {
  MutexLock lock(&mu_);
  calls_to_crash_ = calls;
}

void FaultEnv::FailCall(CallKind kind, uint64_t nth, absl::StatusCode code) {
  MutexLock lock(&mu_);
  plans_.at(Slot(kind)) = {nth, code};
}

void FaultEnv::SetDiskBytes(uint64_t bytes) {
  MutexLock lock(&mu_);
  disk_bytes_ = bytes;
}

void FaultEnv::PretendToSync(bool pretend) {
  MutexLock lock(&mu_);
  pretends_to_sync_ = pretend;
}

void FaultEnv::PretendToSyncIf(std::function<bool(uint64_t)> lies) {
  MutexLock lock(&mu_);
  lies_ = std::move(lies);
  asked_lies_ = 0;
}

void FaultEnv::SetObserver(std::function<void(CallKind, const std::string&)> observer) {
  MutexLock lock(&mu_);
  observer_ = std::move(observer);
}

void FaultEnv::Restart(DurabilityLoss loss) {
  MutexLock lock(&mu_);
  SettleNames(std::nullopt, loss);
  // Files that only an open File of the last life refers to are gone; the others begin anew, so
  // that such a File can't reach into this life.
  for (auto& [path, file] : durable_) {
    file->Settle(loss, &random_);
    file = std::make_shared<SimulatedFile>(file->durable());
  }
  seen_ = durable_;
  locked_.clear();
  locked_shared_.clear();
  ++life_;
  has_crashed_ = false;
  pretends_to_sync_ = false;
  lies_ = nullptr;
  calls_to_crash_.reset();
  disk_bytes_ = std::numeric_limits<uint64_t>::max();
  plans_ = {};
  observer_ = nullptr;
}

std::unique_ptr<FaultEnv> FaultEnv::AfterPowerCut(DurabilityLoss loss, uint64_t seed) const {
  auto next = std::make_unique<FaultEnv>(seed);
  MutexLock lock(&mu_);
  MutexLock next_lock(&next->mu_);
  next->directories_ = directories_;
  Names names = durable_;
  for (const NameChange& change : unsynced_) {
    if (Reaches(loss, &next->random_)) {
      Apply(change, &names);
    }
  }
  for (const auto& [path, file] : names) {
    next->durable_[path] =
        std::make_shared<SimulatedFile>(file->AfterPowerCut(loss, &next->random_));
  }
  next->seen_ = next->durable_;
  return next;
}

bool FaultEnv::has_crashed() const {
  MutexLock lock(&mu_);
  return has_crashed_;
}

uint64_t FaultEnv::calls(CallKind kind) const {
  MutexLock lock(&mu_);
  return calls_.at(Slot(kind));
}

uint64_t FaultEnv::mutating_calls() const {
  MutexLock lock(&mu_);
  uint64_t count = 0;
  for (size_t slot = 0; slot <= Slot(CallKind::kSyncDir); ++slot) {
    count += calls_.at(slot);
  }
  return count;
}

std::optional<std::string> FaultEnv::Contents(const std::string& path) const {
  MutexLock lock(&mu_);
  const auto found = seen_.find(path);
  return found == seen_.end() ? std::nullopt : std::optional(found->second->seen());
}

std::optional<std::string> FaultEnv::DurableContents(const std::string& path) const {
  MutexLock lock(&mu_);
  const auto found = durable_.find(path);
  return found == durable_.end() ? std::nullopt : std::optional(found->second->durable());
}

void FaultEnv::SetContents(const std::string& path, std::string contents) {
  MutexLock lock(&mu_);
  const auto file = std::make_shared<SimulatedFile>(std::move(contents));
  seen_[path] = file;
  durable_[path] = file;
}

void FaultEnv::Observe(CallKind kind, const std::string& path) {
  std::function<void(CallKind, const std::string&)> observer;
  {
    MutexLock lock(&mu_);
    observer = observer_;
  }
  if (observer) {
    observer(kind, path);
  }
}

FaultEnv::Verdict FaultEnv::Admit(CallKind kind, const std::string& path, uint64_t life) {
  if (has_crashed_ || life != life_) {
    return {Verdict::kDead,
            absl::InternalError(fmt::format("{} {}: the machine has crashed", NameOf(kind), path))};
  }
  ++calls_.at(Slot(kind));
  if (IsMutating(kind) && calls_to_crash_.has_value()) {
    if (*calls_to_crash_ == 0) {
      has_crashed_ = true;
      return {Verdict::kCrash,
              absl::InternalError(fmt::format("{} {}: the machine crashes", NameOf(kind), path))};
    }
    --*calls_to_crash_;
  }
  Plan& plan = plans_.at(Slot(kind));
  if (plan.nth > 0 && --plan.nth == 0) {
    return {Verdict::kFault,
            absl::Status(plan.code, fmt::format("{} {}: planned failure", NameOf(kind), path))};
  }
  return {Verdict::kDone, absl::OkStatus()};
}

bool FaultEnv::HasDirectory(const std::string& path) const {
  return path.empty() || path == "/" || path == "." || directories_.contains(path);
}

uint64_t FaultEnv::FreeBytes() const {
  uint64_t used = 0;
  for (const auto& [path, file] : seen_) {
    used += file->size();
  }
  return used < disk_bytes_ ? disk_bytes_ - used : 0;
}

void FaultEnv::Apply(const NameChange& change, Names* names) {
  std::erase_if(*names, [&](const auto& entry) { return entry.second == change.file; });
  if (!change.to.empty()) {
    (*names)[change.to] = change.file;
  }
}

absl::StatusOr<FaultEnv::SharedFile> FaultEnv::FindOrCreate(const std::string& path, CallKind kind,
                                                            bool create) {
  const auto found = seen_.find(path);
  const bool creates = found == seen_.end() && create;
  const Verdict verdict = Admit(creates ? CallKind::kCreate : kind, path, life_);
  if (verdict.fate == Verdict::kDead || verdict.fate == Verdict::kFault) {
    return verdict.status;
  }
  if (HasDirectory(path)) {
    return absl::InternalError(fmt::format("{} {}: Is a directory", NameOf(kind), path));
  }
  if (!HasDirectory(ParentOf(path)) || (found == seen_.end() && !create)) {
    return Missing(kind, path);
  }
  if (!creates) {
    return found->second;
  }
  auto file = std::make_shared<SimulatedFile>("");
  seen_[path] = file;
  unsynced_.push_back({ParentOf(path), file, path});
  if (!verdict.status.ok()) {
    return verdict.status;
  }
  return file;
}

absl::StatusOr<std::unique_ptr<File>> FaultEnv::Open(const std::string& path, OpenMode mode) {
  Observe(CallKind::kOpen, path);
  MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(SharedFile file,
                   FindOrCreate(path, CallKind::kOpen, mode == OpenMode::kReadWriteCreate));
  return std::make_unique<FaultFile>(this, path, std::move(file), life_,
                                     mode == OpenMode::kReadOnly);
}

absl::StatusOr<bool> FaultEnv::Exists(const std::string& path) {
  Observe(CallKind::kStat, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kStat, path, life_);
  RETURN_IF_ERROR(verdict.status);
  return seen_.contains(path) || HasDirectory(WithoutTrailingSlash(path));
}

absl::Status FaultEnv::Rename(const std::string& from, const std::string& to) {
  Observe(CallKind::kRename, from);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kRename, from, life_);
  if (verdict.fate == Verdict::kDead || verdict.fate == Verdict::kFault) {
    return verdict.status;
  }
  const auto found = seen_.find(from);
  if (found == seen_.end() || !HasDirectory(ParentOf(to))) {
    return Missing(CallKind::kRename, fmt::format("{} to {}", from, to));
  }
  if (from == to) {
    return verdict.status;
  }
  NameChange change = {ParentOf(to), found->second, to};
  Apply(change, &seen_);
  unsynced_.push_back(std::move(change));
  return verdict.status;
}

absl::Status FaultEnv::Remove(const std::string& path) {
  Observe(CallKind::kRemove, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kRemove, path, life_);
  if (verdict.fate == Verdict::kDead || verdict.fate == Verdict::kFault) {
    return verdict.status;
  }
  const auto found = seen_.find(path);
  if (found == seen_.end()) {
    return Missing(CallKind::kRemove, path);
  }
  unsynced_.push_back({ParentOf(path), found->second, ""});
  seen_.erase(found);
  return verdict.status;
}

absl::Status FaultEnv::RemoveDir(const std::string& path) {
  Observe(CallKind::kRemove, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kRemove, path, life_);
  RETURN_IF_ERROR(verdict.status);
  const std::string dir = WithoutTrailingSlash(path);
  const auto is_inside = [&](const auto& full) { return ParentOf(full) == dir; };
  if (std::any_of(directories_.begin(), directories_.end(), is_inside) ||
      std::any_of(seen_.begin(), seen_.end(),
                  [&](const auto& named) { return is_inside(named.first); })) {
    return absl::FailedPreconditionError(fmt::format("rmdir {}: Directory not empty", path));
  }
  return directories_.erase(dir) == 1 ? absl::OkStatus() : Missing(CallKind::kRemove, path);
}

absl::Status FaultEnv::CreateDirs(const std::string& path) {
  Observe(CallKind::kCreateDirs, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kCreateDirs, path, life_);
  RETURN_IF_ERROR(verdict.status);
  for (std::string dir = WithoutTrailingSlash(path); !HasDirectory(dir); dir = ParentOf(dir)) {
    if (seen_.contains(dir)) {
      return absl::AlreadyExistsError(fmt::format("create dirs {}: File exists", dir));
    }
    directories_.insert(dir);
  }
  return absl::OkStatus();
}

absl::Status FaultEnv::SyncDir(const std::string& path) {
  Observe(CallKind::kSyncDir, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kSyncDir, path, life_);
  const std::string dir = WithoutTrailingSlash(path);
  if (verdict.fate == Verdict::kFault) {
    SettleNames(dir, DurabilityLoss::kRandom);  // as with a failed sync of a file
  }
  RETURN_IF_ERROR(verdict.status);
  if (!HasDirectory(dir)) {
    return Missing(CallKind::kSyncDir, path);
  }
  if (!pretends_to_sync_) {
    SettleNames(dir, DurabilityLoss::kNone);
  }
  return absl::OkStatus();
}

void FaultEnv::SettleNames(std::optional<std::string_view> dir, DurabilityLoss loss) {
  std::erase_if(unsynced_, [&](const NameChange& change) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (dir && change.directory != *dir) {
      return false;
    }
    if (Reaches(loss, &random_)) {
      Apply(change, &durable_);
    }
    return true;
  });
}

absl::StatusOr<std::vector<std::string>> FaultEnv::List(const std::string& path) {
  Observe(CallKind::kList, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kList, path, life_);
  RETURN_IF_ERROR(verdict.status);
  const std::string dir = WithoutTrailingSlash(path);
  if (!HasDirectory(dir)) {
    return Missing(CallKind::kList, path);
  }
  std::vector<std::string> names;
  const auto add = [&](const std::string& full) {
    if (ParentOf(full) == dir) {
      names.push_back(full.substr(full.rfind('/') + 1));
    }
  };
  for (const auto& [full, file] : seen_) {
    add(full);
  }
  std::for_each(directories_.begin(), directories_.end(), add);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::unique_ptr<FileLock>> FaultEnv::Lock(const std::string& path) {
  Observe(CallKind::kLock, path);
  MutexLock lock(&mu_);
  RETURN_IF_ERROR(FindOrCreate(path, CallKind::kLock, true).status());
  if (locked_shared_.contains(path) || !locked_.insert(path).second) {
    return absl::FailedPreconditionError(fmt::format("lock {}: locked already", path));
  }
  return std::make_unique<FaultLock>(this, path, life_, false);
}

absl::StatusOr<std::unique_ptr<FileLock>> FaultEnv::LockShared(const std::string& path) {
  Observe(CallKind::kLock, path);
  MutexLock lock(&mu_);
  RETURN_IF_ERROR(FindOrCreate(path, CallKind::kLock, false).status());
  if (locked_.contains(path)) {
    return absl::FailedPreconditionError(fmt::format("lock {}: locked already", path));
  }
  ++locked_shared_[path];
  return std::make_unique<FaultLock>(this, path, life_, true);
}

void FaultEnv::Unlock(const std::string& path, uint64_t life, bool shared) {
  MutexLock lock(&mu_);
  if (life != life_) {
    return;
  }
  if (!shared) {
    locked_.erase(path);
  } else if (--locked_shared_.at(path) == 0) {
    locked_shared_.erase(path);
  }
}

absl::Status FaultEnv::ReadFile(const std::string& path, SimulatedFile* file, uint64_t life,
                                uint64_t offset, std::span<char> out) {
  Observe(CallKind::kRead, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kRead, path, life);
  RETURN_IF_ERROR(verdict.status);
  if (offset > file->size() || out.size() > file->size() - offset) {
    return absl::OutOfRangeError(fmt::format("read {}: end of file at {}, asked for {} bytes at {}",
                                             path, file->size(), out.size(), offset));
  }
  std::copy_n(file->seen().data() + offset, out.size(), out.data());
  return absl::OkStatus();
}

absl::Status FaultEnv::WriteFile(const std::string& path, SimulatedFile* file, uint64_t life,
                                 uint64_t offset, std::string_view bytes) {
  Observe(CallKind::kWrite, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kWrite, path, life);
  if (verdict.fate == Verdict::kDead) {
    return verdict.status;
  }
  if (verdict.fate == Verdict::kFault) {
    file->Write(offset, bytes.substr(0, random_.Below(bytes.size() + 1)));
    return verdict.status;
  }
  const uint64_t end = offset + bytes.size();
  if (end > file->size() && end - file->size() > FreeBytes()) {
    const uint64_t end_that_fits = file->size() + FreeBytes();
    if (end_that_fits > offset) {
      file->Write(offset, bytes.substr(0, end_that_fits - offset));
    }
    return absl::ResourceExhaustedError(fmt::format("write {}: No space left on device", path));
  }
  file->Write(offset, bytes);
  return verdict.status;
}

absl::Status FaultEnv::SyncFile(const std::string& path, SimulatedFile* file, uint64_t life,
                                uint64_t* failed_syncs_reported) {
  Observe(CallKind::kSync, path);
  MutexLock lock(&mu_);
  Verdict verdict = Admit(CallKind::kSync, path, life);
  if (verdict.fate == Verdict::kFault) {
    file->Settle(DurabilityLoss::kRandom, &random_);
    file->CountFailedSync();
  } else if (verdict.fate == Verdict::kDone && !pretends_to_sync_ &&
             !(lies_ && lies_(++asked_lies_))) {
    file->Sync();
  }
  if (std::exchange(*failed_syncs_reported, file->failed_syncs()) != file->failed_syncs() &&
      verdict.status.ok()) {
    return absl::InternalError(fmt::format("sync {}: an earlier sync of the file failed", path));
  }
  return verdict.status;
}

absl::Status FaultEnv::TruncateFile(const std::string& path, SimulatedFile* file, uint64_t life,
                                    uint64_t size) {
  Observe(CallKind::kTruncate, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kTruncate, path, life);
  if (verdict.fate == Verdict::kDone || verdict.fate == Verdict::kCrash) {
    file->Truncate(size);
  }
  return verdict.status;
}

absl::StatusOr<uint64_t> FaultEnv::SizeOfFile(const std::string& path, const SimulatedFile& file,
                                              uint64_t life) {
  Observe(CallKind::kStat, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kStat, path, life);
  RETURN_IF_ERROR(verdict.status);
  return file.size();
}

absl::StatusOr<std::unique_ptr<Mapping>> FaultEnv::MapFile(const std::string& path,
                                                           SimulatedFile* file, uint64_t life,
                                                           size_t length) {
  Observe(CallKind::kMap, path);
  MutexLock lock(&mu_);
  const Verdict verdict = Admit(CallKind::kMap, path, life);
  RETURN_IF_ERROR(verdict.status);
  return file->MapForReading(length);
}

}  // namespace socle
