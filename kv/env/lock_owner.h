// LockOwner: which process holds the flock of a file, for error messages.
// Threads  thread-safe.
// Errors   none: what the kernel doesn't tell is "another process".
// Source   proc(5), /proc/locks.
#ifndef SOCLE_KV_ENV_LOCK_OWNER_H_
#define SOCLE_KV_ENV_LOCK_OWNER_H_

#include <sys/stat.h>

#include <string>

namespace socle {

// "socle-kv (process 123)", or "another process". `file` is what stat said about the locked file.
std::string LockOwner(const struct stat& file);

}  // namespace socle

#endif  // SOCLE_KV_ENV_LOCK_OWNER_H_
