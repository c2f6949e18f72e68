#include "server/ops/page.h"

#include <algorithm>

namespace socle::server {

std::vector<std::string> QueryValues(std::string_view query, std::string_view name) {
  std::vector<std::string> values;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name) {
      values.emplace_back(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    }
  }
  return values;
}

}  // namespace socle::server
