// BoltCases: the configurations under which every bolt test runs.
#ifndef SOCLE_KV_BOLT_TESTING_BOLT_CASES_H_
#define SOCLE_KV_BOLT_TESTING_BOLT_CASES_H_

#include <string>
#include <vector>

#include "kv/bolt/bolt_engine.h"

namespace socle::kv {

// A mapping that many engines of one process can afford.
inline BoltOptions SmallMap(BoltOptions options) {
  options.map_size_bytes = uint64_t{256} << 20U;
  return options;
}

struct BoltCase {
  std::string name;
  BoltOptions options;
};

// Both freelists, with and without synced freelist page, an unusual page size, and checksums of
// pages.
inline std::vector<BoltCase> BoltCases() {
  using freelist::FreelistType;
  std::vector<BoltCase> cases;
  for (const bool sync : {false, true}) {
    for (const FreelistType type : {FreelistType::kHashmap, FreelistType::kArray}) {
      BoltOptions options = SmallMap({});
      options.sync_freelist = sync;
      options.freelist_type = type;
      cases.push_back({std::string(type == FreelistType::kHashmap ? "Hashmap" : "Array") +
                           (sync ? "Synced" : "Unsynced"),
                       options});
    }
  }
  BoltOptions options = SmallMap({});
  options.page_size = 1024;
  cases.push_back({"SmallPages", options});
  options = SmallMap({});
  options.page_checksums = true;
  cases.push_back({"Checksums", options});
  options.sync_freelist = true;
  options.freelist_type = FreelistType::kArray;
  cases.push_back({"ChecksumsSynced", options});
  return cases;
}

}  // namespace socle::kv

#endif  // SOCLE_KV_BOLT_TESTING_BOLT_CASES_H_
