// Printable: keys and values as text for people.
// Threads  pure functions.
#ifndef SOCLE_KV_BOLT_PRINTABLE_H_
#define SOCLE_KV_BOLT_PRINTABLE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace socle::kv::bolt {

// True for UTF-8 without control characters.
bool IsPrintable(std::string_view bytes);

// Two digits per byte, lower case.
std::string Hex(std::string_view bytes);

// The bytes as they are when they are printable and don't begin with 0x, else in hexadecimal with 0x in front. Never
// holds a tab or a line break. Longer ones than `bytes_max` are cut, and their length is said.
std::string Printable(std::string_view bytes, size_t bytes_max = std::string_view::npos);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PRINTABLE_H_
