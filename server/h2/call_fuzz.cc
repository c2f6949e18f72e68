// Any bytes as the body of any call of the gRPC front: each is answered with a status, and the server goes on.
//
// Input    method, flags, then the body. 1: the bytes are no message but frames already; 2: the frame says that it is compressed;
//          4: a second message follows, the same; 8: the client leaves in the middle.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "server/h2/method_table.h"
#include "server/h2/testing/h2_site.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server {
namespace {

constexpr size_t kBodyBytesMax = 16'384;

// One server for all inputs: what an input leaves behind is the next one's state.
class Front {
 public:
  void Send(const h2::MethodRow& row, const std::string& body, bool leaves) {
    if (client_ == nullptr || client_->is_over()) {
      client_ = std::make_unique<http::Http2Client>(site_.port());
    }
    // Streams and whoever waits end by themselves.
    const http::Http2Client::Fields fields = {{"content-type", "application/grpc"},
                                              {"grpc-timeout", "20m"}};
    const int32_t id = client_->Request("POST", fmt::format("/{}/{}", row.service, row.method),
                                        body, fields, leaves);
    if (leaves) {
      client_->Reset(id, http::kResetCancel);
      return;
    }
    const auto& stream = client_->Await(id);
    CHECK(stream.is_closed);
    CHECK_EQ(stream.error, 0U);
    CHECK(stream.fields.contains("grpc-status"));
  }

 private:
  H2Site site_;
  std::unique_ptr<http::Http2Client> client_;
};

int RunInput(std::string_view input) {
  static auto* const front = new Front;
  if (input.size() < 2 || input.size() > kBodyBytesMax) {
    return 0;
  }
  const auto methods = h2::MethodTable();
  const h2::MethodRow& row = methods[static_cast<uint8_t>(input[0]) % methods.size()];
  const auto flags = static_cast<uint8_t>(input[1]);
  const std::string bytes(input.substr(2));
  std::string body = (flags & 1U) != 0 ? bytes : Framed(bytes, (flags & 2U) != 0 ? '\1' : '\0');
  if ((flags & 4U) != 0) {
    body += body;
  }
  front->Send(row, body, (flags & 8U) != 0);
  return 0;
}

}  // namespace
}  // namespace socle::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return socle::server::RunInput({reinterpret_cast<const char*>(bytes), size});
}
