#include "tests/conformance/pair.h"

namespace socle::conformance {

std::string Shown(const grpc::Status& status, const google::protobuf::Message& response) {
  if (!status.ok()) {
    return fmt::format("code {}: {}\n", static_cast<int>(status.error_code()),
                       status.error_message());
  }
  return response.Utf8DebugString();
}

}  // namespace socle::conformance
