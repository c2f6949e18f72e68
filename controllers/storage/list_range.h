// ListRange: what a page of a list reads; and continue tokens, which say where the next one begins.
//
//   token = base64url( 0x01 | varint revision, 0: newest | last key of the page after the prefix )
//
// Laws     1. A token can't leave the prefix it is used with, whatever is in it.
//          2. Pages that follow each other by tokens show one revision, unless ContinueAtNewest was
//             used.
// Errors   InvalidArgument, kInvalidContinue.
// Threads  pure functions.
// Source   spec controllers 9.2 (limit and continue).
#ifndef SOCLE_CONTROLLERS_STORAGE_LIST_RANGE_H_
#define SOCLE_CONTROLLERS_STORAGE_LIST_RANGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "controllers/storage/state_store.h"

namespace socle::storage {

// In etcd's form: keys of [key, range_end), range_end of one zero byte is open.
struct ListRange {
  std::string key;
  std::string range_end;
  int64_t revision = 0;  // 0: newest
};

// All keys that begin with the prefix; an empty prefix is everything.
ListRange RangeOfPrefix(std::string_view prefix);

absl::StatusOr<ListRange> RangeOf(const ListRequest& request);

// Fills what follows from the objects of a page that was read as of `read_revision`, where `live`
// keys were in its range.
void FinishPage(const ListRequest& request, int64_t read_revision, int64_t live, ListPage* page);

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_LIST_RANGE_H_
