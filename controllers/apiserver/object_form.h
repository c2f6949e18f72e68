// ObjectForm: writes objects of a kind in the form that was negotiated: whole, metadata only, or rows.
//
//   list:   AppendListHead ─► AppendItem … ─► AppendListTail
//   one:    AppendOne
//   watch:  AppendEventObject for each event
//
// Laws     1. Whole objects are copied from their stored bytes; only rows and metadata cost a parse.
// Threads  immutable.
// Memory   appends to the caller's buffer, an item at a time.
// Source   spec controllers 9.2.
#ifndef SOCLE_CONTROLLERS_APISERVER_OBJECT_FORM_H_
#define SOCLE_CONTROLLERS_APISERVER_OBJECT_FORM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controllers/api/json.h"
#include "controllers/api/kind.h"
#include "controllers/apiserver/negotiation.h"

namespace socle::apiserver {

class ObjectForm {
 public:
  ObjectForm(const api::ServedKind* served, Form form) : served_(served), form_(form) {}

  const api::ServedKind& served() const { return *served_; }

  const Form& form() const { return form_; }

  struct ListEnd {
    int64_t revision = 0;
    std::string_view continue_token = {};
    std::optional<int64_t> remaining = {};
  };

  // Everything before the first item.
  void AppendListHead(const ListEnd& end, std::string* out) const;
  void AppendItem(std::string_view document, int64_t mod_revision, bool is_first, int64_t now_nanos,
                  std::string* out) const;

  static void AppendListTail(std::string* out) { *out += "]}"; }

  void AppendOne(std::string_view document, int64_t mod_revision, int64_t now_nanos,
                 std::string* out) const;

  // The object of a watch event. Columns are only needed in a client's first one.
  void AppendEventObject(std::string_view document, int64_t mod_revision, int64_t now_nanos,
                         bool has_columns, std::string* out) const;
  // That of a bookmark; `is_initial_end` marks the end of the initial events.
  void AppendBookmark(int64_t revision, bool is_initial_end, std::string* out) const;

  // A number for what AppendEventObject without columns writes: forms that differ have others.
  uint64_t EncodingId() const;

 private:
  void AppendMetadata(const api::Json& object, std::string* out) const;
  void AppendRow(std::string_view document, int64_t mod_revision, int64_t now_nanos,
                 std::string* out) const;
  void AppendTableHead(const ListEnd& end, bool has_columns, std::string* out) const;

  const api::ServedKind* served_;
  Form form_;
};

// `"text"` with what JSON escapes.
void AppendQuoted(std::string_view text, std::string* out);

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_OBJECT_FORM_H_
