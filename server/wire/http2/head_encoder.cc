#include "server/wire/http2/head_encoder.h"

namespace socle::server::http2 {
namespace {

constexpr uint32_t kTableBytes = 4'096;     // unless the other end says otherwise
constexpr size_t kEntryOverheadBytes = 32;  // RFC 7541 4.1
constexpr size_t kEntriesMax = 32;          // each is looked at
constexpr size_t kFirstOfTable = 62;        // after the static ones
constexpr uint8_t kIndexed = 0x80;          // with 7 bits of number
constexpr uint8_t kWithIndexing = 0x40;     // then name and value
constexpr uint8_t kWithoutIndexing = 0x00;  // then name and value
constexpr uint8_t kTableSizeZero = 0x20;

// RFC 7541 5.1.
void AppendNumber(uint8_t pattern, int bits, size_t number, std::string* out) {
  const size_t most = (size_t{1} << static_cast<unsigned>(bits)) - 1;
  if (number < most) {
    out->push_back(static_cast<char>(pattern | number));
    return;
  }
  out->push_back(static_cast<char>(pattern | most));
  number -= most;
  for (; number >= 0x80; number >>= 7U) {
    out->push_back(static_cast<char>((number & 0x7fU) | 0x80U));
  }
  out->push_back(static_cast<char>(number));
}

void AppendText(std::string_view text, std::string* out) {
  AppendNumber(0, 7, text.size(), out);
  out->append(text);
}

bool IsSame(std::string_view a, std::string_view b) {
  return a.data() == b.data() && a.size() == b.size();
}

}  // namespace

void HeadEncoder::Begin(std::string* out) {
  if (must_say_limit_) {
    must_say_limit_ = false;
    out->push_back(static_cast<char>(kTableSizeZero));
  }
}

void HeadEncoder::Add(StaticField field, std::string* out) {
  out->push_back(static_cast<char>(kIndexed | static_cast<uint8_t>(field)));
}

void HeadEncoder::Add(std::string_view name, std::string_view value, bool is_constant,
                      std::string* out) {
  uint8_t how = kWithoutIndexing;
  if (is_constant && uses_table_) {
    for (size_t i = 0; i < table_.size(); ++i) {
      if (IsSame(table_[i].name, name) && IsSame(table_[i].value, value)) {
        AppendNumber(kIndexed, 7, kFirstOfTable + table_.size() - 1 - i, out);
        return;
      }
    }
    const size_t bytes = name.size() + value.size() + kEntryOverheadBytes;
    if (table_.size() < kEntriesMax && table_bytes_ + bytes <= kTableBytes) {
      table_bytes_ += bytes;
      table_.push_back({.name = name, .value = value});
      how = kWithIndexing;
    }
  }
  out->push_back(static_cast<char>(how));
  AppendText(name, out);
  AppendText(value, out);
}

void HeadEncoder::LimitTable(uint32_t bytes) {
  if (bytes < kTableBytes && uses_table_) {
    uses_table_ = false;
    must_say_limit_ = true;
    table_ = {};
  }
}

}  // namespace socle::server::http2
