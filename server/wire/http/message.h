// Message: the heads of requests and responses, the same for HTTP/1.1 and HTTP/2.
//
// Laws     1. Names of fields are in lower case; a request's method, target and authority are no fields.
// Threads  thread-compatible.
// Memory   a Request keeps its memory when cleared: one serves a whole connection. Views into it end
//          with the callback that got it.
#ifndef SOCLE_SERVER_WIRE_HTTP_MESSAGE_H_
#define SOCLE_SERVER_WIRE_HTTP_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace socle::server::http {

struct Field {
  std::string_view name;
  std::string_view value;
  bool is_constant = false;  // both views live for ever: they need not be copied
};

using Fields = std::span<const Field>;

enum class Version { kHttp10, kHttp11, kHttp2 };

class Request {
 public:
  Version version() const { return version_; }

  std::string_view method() const { return View(method_); }

  std::string_view target() const { return View(target_); }

  std::string_view authority() const { return View(authority_); }

  // The target before '?', and what follows it.
  std::string_view path() const { return target().substr(0, target().find('?')); }

  std::string_view query() const {
    const size_t mark = target().find('?');
    return mark == std::string_view::npos ? std::string_view() : target().substr(mark + 1);
  }

  // The first value of a field; empty when there is none.
  std::string_view Find(std::string_view name) const {
    for (const Place& place : fields_) {
      if (View(place.name) == name) {
        return View(place.value);
      }
    }
    return {};
  }

  size_t field_count() const { return fields_.size(); }

  Field field(size_t index) const {
    return {View(fields_[index].name), View(fields_[index].value)};
  }

  // For the protocols.
  void Clear(Version version) {
    version_ = version;
    bytes_.clear();
    fields_.clear();
    method_ = target_ = authority_ = {};
  }

  void SetMethod(std::string_view method) { method_ = Keep(method); }

  void SetTarget(std::string_view target) { target_ = Keep(target); }

  void SetAuthority(std::string_view authority) { authority_ = Keep(authority); }

  void Add(std::string_view name, std::string_view value) {
    const Piece name_piece = Keep(name);
    fields_.push_back({name_piece, Keep(value)});
  }

 private:
  struct Piece {
    uint32_t at = 0;
    uint32_t size = 0;
  };

  struct Place {
    Piece name;
    Piece value;
  };

  Piece Keep(std::string_view text) {
    const Piece piece{static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(text.size())};
    bytes_.append(text);
    return piece;
  }

  std::string_view View(const Piece& piece) const {
    return std::string_view(bytes_).substr(piece.at, piece.size);
  }

  Version version_ = Version::kHttp2;
  std::string bytes_;
  std::vector<Place> fields_;
  Piece method_;
  Piece target_;
  Piece authority_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_MESSAGE_H_
