// JsonScanner: where one JSON value ends in bytes that come in pieces, and whether it is one.
//
// Laws     1. Every byte is looked at once, however the pieces are cut.
//          2. What it takes for a value is JSON to the letter (RFC 8259): readers of it need no checks of syntax.
//          3. Errors read as those of Go's encoding/json, which is what etcd's gateway answers.
// Memory   one byte per open object or array, at most kDepthMax.
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_GATEWAY_JSON_SCANNER_H_
#define SOCLE_SERVER_GATEWAY_JSON_SCANNER_H_

#include <cstddef>
#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace socle::server::gateway {

class JsonScanner {
 public:
  static constexpr size_t kDepthMax = 10'000;

  enum class Found {
    kMore,   // all of the text belongs to a value that goes on, or is space before one
    kValue,  // *at is where it ends
    kError,  // *at is the byte that can't be; see error()
  };

  // Scans from *at on; what is before it was scanned before. After kValue the next call begins a new value.
  Found Scan(std::string_view text, size_t* at);
  // Nothing follows the text: kValue for a number that its end completes, kMore when there was only space.
  Found ScanEnd();

  // Something other than space was seen of the value under way.
  bool has_begun() const { return state_ != State::kValue || !open_.empty(); }

  const std::string& error() const { return error_; }

 private:
  enum class State {
    kValue,           // a value begins here
    kValueOrEnd,      // after '[': or the array ends
    kKeyOrEnd,        // after '{': or the object ends
    kKey,             // after ',' in an object
    kAfterKey,        // ':' follows
    kAfterMember,     // ',' or '}' follows
    kAfterElement,    // ',' or ']' follows
    kString,          //
    kEscape,          // after a backslash
    kHex,             // hex_left_ digits of \u
    kMinus,           // a digit follows
    kZero,            // a leading 0: no digit follows
    kDigits,          //
    kPoint,           // a digit follows
    kFraction,        //
    kExponent,        // a sign or a digit follows
    kExponentSign,    // a digit follows
    kExponentDigits,  //
    kLiteral,         // the rest of true, false, null
  };
  enum class Step { kGoOn, kEndsAfter, kEndsBefore, kError };

  Step Take(char c);
  Step TakeValue(char c);
  Step TakeInString(char c);
  Step TakeInNumber(char c);
  Step TakeAfter(char c);
  Step Open(char c);
  Step Close();
  // A value, or a key, ended with this byte.
  Step Ended();
  Step Fail(char c, std::string_view context);

  State state_ = State::kValue;
  bool is_key_ = false;  // the string under way is one
  int hex_left_ = 0;
  std::string_view literal_;
  size_t literal_at_ = 0;
  std::string open_;  // '{' and '['
  std::string error_;
};

// That the text is one value with nothing but space around it, as json.Unmarshal wants it.
absl::Status CheckWholeJson(std::string_view text);

// As Go's %q without its quotes.
std::string GoQuoted(std::string_view text);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_JSON_SCANNER_H_
