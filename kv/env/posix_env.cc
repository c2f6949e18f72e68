#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include <absl/base/thread_annotations.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"
#include "kv/env/lock_owner.h"

namespace socle {
namespace {

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EWOULDBLOCK:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status ErrnoStatus(std::string_view call, std::string_view path, int error) {
  return {CodeOfErrno(error),
          fmt::format("{} {}: {}", call, path, std::generic_category().message(error))};
}

// Repeats a call that a signal interrupted before it did anything.
template <typename Call>
auto RetryOnSignal(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) {
    result = call();
  }
  return result;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}

  // An error of close is of no interest: what had to be durable was synced.
  ~FileDescriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  FileDescriptor& operator=(FileDescriptor&&) = delete;

  int get() const { return fd_; }

 private:
  int fd_;
};

absl::StatusOr<FileDescriptor> OpenDescriptor(const std::string& path, int flags) {
  const int fd = RetryOnSignal([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (fd < 0) {
    return ErrnoStatus("open", path, errno);
  }
  return FileDescriptor(fd);
}

class PosixMapping final : public Mapping {
 public:
  PosixMapping(void* address, size_t size) : address_(address), size_(size) {}

  ~PosixMapping() override { CHECK_EQ(::munmap(address_, size_), 0); }

  PosixMapping(const PosixMapping&) = delete;
  PosixMapping& operator=(const PosixMapping&) = delete;

  const char* data() const override { return static_cast<const char*>(address_); }

  size_t size() const override { return size_; }

 private:
  void* const address_;
  const size_t size_;
};

class PosixFile final : public File {
 public:
  PosixFile(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = RetryOnSignal([&] {
        return ::pread(fd_.get(), out.data() + done, out.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (count < 0) {
        return ErrnoStatus("pread", path_, errno);
      }
      if (count == 0) {
        return absl::OutOfRangeError(
            fmt::format("pread {}: end of file at {}, asked for {} bytes at {}", path_,
                        offset + done, out.size(), offset));
      }
      done += static_cast<size_t>(count);
    }
    return absl::OkStatus();
  }

  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = RetryOnSignal([&] {
        return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      });
      if (count < 0) {
        return ErrnoStatus("pwrite", path_, errno);
      }
      bytes.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return absl::OkStatus();
  }

  absl::Status WriteAtV(uint64_t offset, std::span<const std::string_view> parts) override {
    std::array<iovec, IOV_MAX> vectors;  // NOLINT: filled below as far as it is used
    size_t part = 0;
    size_t skip = 0;  // bytes of parts[part] already written
    while (part < parts.size()) {
      size_t used = 0;
      for (size_t i = part; i < parts.size() && used < vectors.size(); ++i) {
        const std::string_view rest = parts[i].substr(i == part ? skip : 0);
        if (!rest.empty()) {
          vectors[used++] = {const_cast<char*>(rest.data()), rest.size()};
        }
      }
      if (used == 0) {
        return absl::OkStatus();
      }
      const ssize_t count = RetryOnSignal([&] {
        return ::pwritev(fd_.get(), vectors.data(), static_cast<int>(used),
                         static_cast<off_t>(offset));
      });
      if (count < 0) {
        return ErrnoStatus("pwritev", path_, errno);
      }
      offset += static_cast<uint64_t>(count);
      skip += static_cast<size_t>(count);
      while (part < parts.size() && skip >= parts[part].size()) {
        skip -= parts[part].size();
        ++part;
      }
    }
    return absl::OkStatus();
  }

  // Not even EINTR is retried: the kernel may have reported and forgotten a lost write with it (law
  // 2).
  void StartWriting(uint64_t offset, uint64_t size) override {
    // Without the flags that wait, no error of the disk is taken from the sync to come.
    ::sync_file_range(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(size),
                      SYNC_FILE_RANGE_WRITE);
  }

  absl::Status SyncData() override {
    if (::fdatasync(fd_.get()) != 0) {
      return ErrnoStatus("fdatasync", path_, errno);
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (RetryOnSignal([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
      return ErrnoStatus("ftruncate", path_, errno);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat attributes = {};
    if (::fstat(fd_.get(), &attributes) != 0) {
      return ErrnoStatus("fstat", path_, errno);
    }
    return static_cast<uint64_t>(attributes.st_size);
  }

  absl::StatusOr<std::unique_ptr<Mapping>> MapForReading(size_t length) override {
    void* address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
    if (address == MAP_FAILED) {  // NOLINT: the macro casts
      return ErrnoStatus(fmt::format("mmap {} bytes of address space (ulimit -v) for", length),
                         path_, errno);
    }
    return std::make_unique<PosixMapping>(address, length);
  }

 private:
  const std::string path_;
  const FileDescriptor fd_;
};

// Files locked by this process, by device and inode. flock alone keeps two locks of one process
// apart on local file systems, but not on those that map it to POSIX locks (NFS).
class LockTable {
 public:
  using FileIdentity = std::pair<dev_t, ino_t>;

  bool Insert(FileIdentity file, bool shared) {
    MutexLock lock(&mu_);
    const auto [held, is_new] = held_.try_emplace(file, Held{.shared = shared, .holders = 1});
    if (!is_new && (!shared || !held->second.shared)) {
      return false;
    }
    held->second.holders += is_new ? 0 : 1;
    return true;
  }

  void Erase(FileIdentity file) {
    MutexLock lock(&mu_);
    const auto held = held_.find(file);
    if (--held->second.holders == 0) {
      held_.erase(held);
    }
  }

  static LockTable* Get() {
    static auto* const table = new LockTable;
    return table;
  }

 private:
  struct Held {
    bool shared = false;
    uint64_t holders = 0;
  };

  Mutex mu_;
  std::map<FileIdentity, Held> held_ ABSL_GUARDED_BY(mu_);
};

// A place in the LockTable, given up by the destructor.
class LockTableEntry {
 public:
  explicit LockTableEntry(LockTable::FileIdentity file) : file_(file) {}

  ~LockTableEntry() { LockTable::Get()->Erase(file_); }

  LockTableEntry(const LockTableEntry&) = delete;
  LockTableEntry& operator=(const LockTableEntry&) = delete;

 private:
  const LockTable::FileIdentity file_;
};

class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(std::unique_ptr<LockTableEntry> entry, FileDescriptor fd)
      : entry_(std::move(entry)), fd_(std::move(fd)) {}

 private:
  const std::unique_ptr<LockTableEntry> entry_;
  const FileDescriptor fd_;  // closing it releases the flock, before the table entry goes
};

absl::Status LockedElsewhere(const std::string& path, std::string_view owner) {
  return absl::FailedPreconditionError(fmt::format("flock {}: in use by {}", path, owner));
}

class PosixEnv final : public Env {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_RDWR;
    if (mode == OpenMode::kReadOnly) {
      flags = O_RDONLY;
    } else if (mode == OpenMode::kReadWriteCreate) {
      flags = O_RDWR | O_CREAT;
    }
    ASSIGN_OR_RETURN(FileDescriptor fd, OpenDescriptor(path, flags));
    return std::make_unique<PosixFile>(path, std::move(fd));
  }

  absl::StatusOr<bool> Exists(const std::string& path) override {
    struct stat attributes = {};
    if (::stat(path.c_str(), &attributes) == 0) {
      return true;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
      return false;
    }
    return ErrnoStatus("stat", path, errno);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus("rename", fmt::format("{} to {}", from, to), errno);
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      return ErrnoStatus("unlink", path, errno);
    }
    return absl::OkStatus();
  }

  absl::Status RemoveDir(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) {
      return ErrnoStatus("rmdir", path, errno);
    }
    return absl::OkStatus();
  }

  absl::Status CreateDirs(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      RETURN_IF_ERROR(CreateDir(path.substr(0, end)));
      if (end == std::string::npos) {
        return absl::OkStatus();
      }
    }
  }

  absl::Status SyncDir(const std::string& path) override {
    ASSIGN_OR_RETURN(const FileDescriptor fd, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) {
      return ErrnoStatus("fsync", path, errno);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) {
      return ErrnoStatus("opendir", path, errno);
    }
    std::vector<std::string> names;
    errno = 0;
    // Each call has a stream of its own, which is what makes readdir safe between threads.
    while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe)
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") {
        names.emplace_back(name);
      }
      errno = 0;
    }
    const int error = errno;
    ::closedir(dir);
    if (error != 0) {
      return ErrnoStatus("readdir", path, error);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return LockDescriptor(path, O_RDWR | O_CREAT, LOCK_EX);
  }

  absl::StatusOr<std::unique_ptr<FileLock>> LockShared(const std::string& path) override {
    return LockDescriptor(path, O_RDONLY, LOCK_SH);
  }

 private:
  static absl::StatusOr<std::unique_ptr<FileLock>> LockDescriptor(const std::string& path,
                                                                  int open_flags, int operation) {
    ASSIGN_OR_RETURN(FileDescriptor fd, OpenDescriptor(path, open_flags));
    struct stat attributes = {};
    if (::fstat(fd.get(), &attributes) != 0) {
      return ErrnoStatus("fstat", path, errno);
    }
    const LockTable::FileIdentity identity(attributes.st_dev, attributes.st_ino);
    if (!LockTable::Get()->Insert(identity, operation == LOCK_SH)) {
      return LockedElsewhere(path, "this process");
    }
    auto entry = std::make_unique<LockTableEntry>(identity);
    if (RetryOnSignal([&] { return ::flock(fd.get(), operation | LOCK_NB); }) != 0) {
      return errno == EWOULDBLOCK ? LockedElsewhere(path, LockOwner(attributes))
                                  : ErrnoStatus("flock", path, errno);
    }
    return std::make_unique<PosixFileLock>(std::move(entry), std::move(fd));
  }

  absl::Status CreateDir(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) {
      const std::string parent = std::filesystem::path(path + "/..").lexically_normal();
      return SyncDir(parent);
    }
    // On a parent that may not be written, or a read-only file system, mkdir fails so even for what
    // exists.
    const int error = errno;
    struct stat attributes = {};
    if (::stat(path.c_str(), &attributes) != 0) {
      // Of a symbolic link to nowhere "exists" would be half the truth.
      return error == EEXIST ? ErrnoStatus("stat", path, errno) : ErrnoStatus("mkdir", path, error);
    }
    return S_ISDIR(attributes.st_mode)
               ? absl::OkStatus()
               : absl::AlreadyExistsError(fmt::format("mkdir {}: it is not a directory", path));
  }
};

}  // namespace

Env* Env::Posix() {
  static auto* const env = new PosixEnv;
  return env;
}

}  // namespace socle
