// ObjectView: one stored object: an opaque document under a key, and its revisions.
//
// Memory   the views point into memory that the Pin handed out with them keeps. A pin of the
//          embedded store also keeps the pages of its view from reuse: copy what is kept for long.
// Threads  values.
#ifndef SOCLE_CONTROLLERS_STORAGE_OBJECT_VIEW_H_
#define SOCLE_CONTROLLERS_STORAGE_OBJECT_VIEW_H_

#include <cstdint>
#include <memory>
#include <string_view>

namespace socle::storage {

using Pin = std::shared_ptr<const void>;

struct ObjectView {
  std::string_view key;
  std::string_view document;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;  // of the last write; what a guard compares
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_OBJECT_VIEW_H_
