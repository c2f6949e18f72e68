#include "freelist/freelist.h"

#include <memory>

#include "freelist/array_freelist.h"
#include "freelist/hashmap_freelist.h"
#include "kv/base/check.h"

namespace socle::freelist {

std::unique_ptr<Freelist> NewFreelist(FreelistType type) {
  switch (type) {
    case FreelistType::kHashmap:
      return std::make_unique<HashmapFreelist>();
    case FreelistType::kArray:
      return std::make_unique<ArrayFreelist>();
  }
  CHECK(false);
}

std::optional<FreelistType> ParseFreelistType(std::string_view name) {
  if (name == "hashmap" || name == "map") {
    return FreelistType::kHashmap;
  }
  if (name == "array") {
    return FreelistType::kArray;
  }
  return std::nullopt;
}

}  // namespace socle::freelist
