// StorageError: what can go wrong at the store of the control plane that a caller tells apart.
//
// Laws     1. The enum travels as a payload of the Status; nobody matches on message text.
//          2. Every error but kOutcomeUnknown means: nothing was written.
//          3. A Status without a StorageError is a caller's mistake (InvalidArgument) or a broken
//             store (DataLoss, Internal …).
// Threads  pure functions.
// Source   spec controllers 9.2, 9.3: the answers 409, 410, 413, 503 and 504 are made from these.
#ifndef SOCLE_CONTROLLERS_STORAGE_ERRORS_H_
#define SOCLE_CONTROLLERS_STORAGE_ERRORS_H_

#include <optional>
#include <string_view>

#include <absl/status/status.h>

namespace socle::storage {

enum class StorageError {
  kAlreadyExists,    // create: there is an object under the key
  kConflict,         // update, delete: the object is not, or no longer, at the expected revision
  kExpired,          // the revision was compacted: list again
  kFutureRevision,   // the revision is ahead of the store
  kInvalidContinue,  // not a continue token of a list of this prefix
  kTooLarge,         // the store does not take a request of this size
  kNoSpace,          // the store is over its quota
  kUnavailable,      // no answer, or too busy: the same request may be made again
  kOutcomeUnknown,   // a write whose answer was lost: read before trying again
};

// A Status with a fitting code, the error's words (and the detail) as message, and the enum as
// payload.
absl::Status MakeError(StorageError error, std::string_view detail = {});

// nullopt for a Status that is OK or carries no StorageError.
std::optional<StorageError> ErrorOf(const absl::Status& status);

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_ERRORS_H_
