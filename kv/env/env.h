// Env: files, directories, locks and mappings; the only file access of the project, but for the
// engines of LMDB and RocksDB, whose libraries do their own.
//
// Laws     1. Data is durable only after SyncData (file contents) and SyncDir (names) returned OK.
//          2. A failed sync is never retried as if nothing happened: the caller stops using the
//             file.
//          3. Mappings are read-only and as long as asked, longer than the file if need be: bytes
//             that the file grows into become readable without remapping. Touching beyond the end
//             of file is the caller's bug.
// Threads  Env is thread-safe; File is thread-safe for positional reads and writes of disjoint
//          ranges.
// Errors   the failed call, the path and the errno text; NotFound, AlreadyExists, PermissionDenied,
//          ResourceExhausted (disk full, limits), FailedPrecondition (locked), Internal (I/O
//          error).
// Source   DESIGN 3 (kv); LevelDB's Env. Test twin: kv/testing/fault_env.h.
#ifndef SOCLE_KV_ENV_ENV_H_
#define SOCLE_KV_ENV_ENV_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace socle {

// A file mapped for reading. Unmapped by the destructor.
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual const char* data() const = 0;
  // Length of the address range, not of the file.
  virtual size_t size() const = 0;
};

// A held lock; released by the destructor (or by the death of the process).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class File {
 public:
  virtual ~File() = default;

  // Fills `out` whole from `offset`; OutOfRange when the file ends before.
  virtual absl::Status ReadAt(uint64_t offset, std::span<char> out) = 0;
  // Writes all of `bytes` at `offset`, extending the file if need be.
  virtual absl::Status WriteAt(uint64_t offset, std::string_view bytes) = 0;
  // Writes the parts one after the other at `offset`, in one system call where possible.
  virtual absl::Status WriteAtV(uint64_t offset, std::span<const std::string_view> parts) = 0;

  // A hint: the disk may begin to write these bytes now, so that SyncData has less to wait for. Makes
  // nothing durable; an error shows in SyncData.
  virtual void StartWriting(uint64_t /*offset*/, uint64_t /*size*/) {}

  // fdatasync: contents and length are durable.
  virtual absl::Status SyncData() = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
  // Maps [0, length) for reading (law 3).
  virtual absl::StatusOr<std::unique_ptr<Mapping>> MapForReading(size_t length) = 0;
};

enum class OpenMode {
  kReadOnly,         // must exist
  kReadWrite,        // must exist
  kReadWriteCreate,  // created empty with mode 0600 if missing
};

class Env {
 public:
  virtual ~Env() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual absl::StatusOr<bool> Exists(const std::string& path) = 0;
  // Replaces `to` if it exists. Durable after SyncDir of the directory.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // The directory must be empty.
  virtual absl::Status RemoveDir(const std::string& path) = 0;
  // Makes the directory and its missing parents, mode 0700, durable on return. OK when it exists.
  virtual absl::Status CreateDirs(const std::string& path) = 0;
  virtual absl::Status SyncDir(const std::string& path) = 0;
  // Names (not paths) in the directory, ascending, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;
  // Exclusive lock on the file (created if missing) held against other processes and other calls in this one;
  // FailedPrecondition at once when somebody holds it.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  // Lock for looking: as many as like hold it together, none beside an exclusive one. The file must exist; it is
  // opened for reading only, so that read-only media will do.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> LockShared(const std::string& path) = 0;

  // The machine's file system; lives for ever.
  static Env* Posix();
};

}  // namespace socle

#endif  // SOCLE_KV_ENV_ENV_H_
