#include "controllers/storage/list_range.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "controllers/storage/errors.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::storage {
namespace {

constexpr char kTokenVersion = 1;
constexpr char kZeroByte[] = {'\0'};

struct Position {
  int64_t revision = 0;
  std::string last_key;  // without the prefix
};

std::string Encode(int64_t revision, std::string_view last_key) {
  std::string bytes(1, kTokenVersion);
  AppendVarint(static_cast<uint64_t>(revision), &bytes);
  bytes.append(last_key);
  return absl::WebSafeBase64Escape(bytes);
}

absl::StatusOr<Position> Decode(std::string_view token) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(AbslView(token), &bytes) || bytes.empty() ||
      bytes[0] != kTokenVersion) {
    return MakeError(StorageError::kInvalidContinue);
  }
  std::string_view rest = std::string_view(bytes).substr(1);
  uint64_t revision = 0;
  if (!ConsumeVarint(&rest, &revision) || revision > uint64_t{INT64_MAX}) {
    return MakeError(StorageError::kInvalidContinue);
  }
  return Position{.revision = static_cast<int64_t>(revision), .last_key = std::string(rest)};
}

// The first key after all that begin with the prefix; one zero byte when there is none.
std::string EndOf(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xFF) {
    end.pop_back();
  }
  if (end.empty()) {
    return std::string(kZeroByte, 1);
  }
  end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace

ListRange RangeOfPrefix(std::string_view prefix) {
  return {.key = prefix.empty() ? std::string(kZeroByte, 1) : std::string(prefix),
          .range_end = EndOf(prefix)};
}

absl::StatusOr<ListRange> RangeOf(const ListRequest& request) {
  if (request.revision < 0 || request.limit < 0) {
    return absl::InvalidArgumentError(fmt::format(
        "list: revision {} and limit {} must not be negative", request.revision, request.limit));
  }
  ListRange range = RangeOfPrefix(request.prefix);
  range.revision = request.revision;
  if (request.continue_token.empty()) {
    return range;
  }
  if (request.revision != 0) {
    return absl::InvalidArgumentError("list: a continued list has its own revision; give none");
  }
  ASSIGN_OR_RETURN(const Position position, Decode(request.continue_token));
  range.revision = position.revision;
  range.key = request.prefix + position.last_key;
  range.key.push_back('\0');  // The first key after it.
  return range;
}

void FinishPage(const ListRequest& request, int64_t read_revision, int64_t live, ListPage* page) {
  page->revision = read_revision;
  page->remaining = live - static_cast<int64_t>(page->objects.size());
  if (page->remaining > 0 && !page->objects.empty()) {
    page->continue_token =
        Encode(page->revision, page->objects.back().key.substr(request.prefix.size()));
  }
}

absl::StatusOr<std::string> ContinueAtNewest(std::string_view continue_token) {
  ASSIGN_OR_RETURN(const Position position, Decode(continue_token));
  return Encode(0, position.last_key);
}

}  // namespace socle::storage
