// EmptyCursor: iterates a bucket that is not there.
// Threads  as Cursor.
#ifndef SOCLE_KV_EMPTY_CURSOR_H_
#define SOCLE_KV_EMPTY_CURSOR_H_

#include <string_view>

#include "kv/engine.h"

namespace socle::kv {

class EmptyCursor final : public Cursor {
 public:
  void Seek(std::string_view /*key*/) override {}

  void SeekToFirst() override {}

  void SeekToLast() override {}

  void Next() override {}

  void Prev() override {}

  bool Valid() const override { return false; }

  std::string_view key() const override { return {}; }

  std::string_view value() const override { return {}; }

  absl::Status status() const override { return absl::OkStatus(); }
};

}  // namespace socle::kv

#endif  // SOCLE_KV_EMPTY_CURSOR_H_
