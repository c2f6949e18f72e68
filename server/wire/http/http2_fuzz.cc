// Any bytes as what an HTTP/2 client says: whatever comes, the answer is HTTP/2, and nothing is left behind.
//
// Input    flags, then bytes. 1: the preface and empty SETTINGS go before them; 2: they come one by one; 4: the windows are small.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "kv/base/check.h"
#include "server/wire/http/collect_body.h"
#include "server/wire/http/http2_session.h"
#include "server/wire/http/testing/silent_host.h"
#include "server/wire/http2/frame_reader.h"
#include "server/wire/http2/head_decoder.h"

namespace socle::server::http {
namespace {

constexpr size_t kInputBytesMax = 64 * 1024;
constexpr size_t kBodyBytesMax = 10'000;

// The client's ear.
class Listener final : public http2::FrameSink {
 public:
  void Hear(std::string_view bytes) {
    const http2::ConnectionError error = reader_.Receive(bytes, this);
    CHECK(error.ok());
  }

 private:
  using Error = http2::ConnectionError;

  Error OnData(uint32_t, std::string_view, size_t, bool) override { return {}; }

  Error OnHead(uint32_t, std::string_view block, bool) override {
    CHECK(decoder_.Decode(block, [](std::string_view, std::string_view) {}));
    return {};
  }

  Error OnReset(uint32_t, http2::ErrorCode) override { return {}; }

  Error OnSetting(const http2::Setting&) override { return {}; }

  Error OnSettingsEnd() override { return {}; }

  Error OnSettingsAck() override { return {}; }

  Error OnPing(std::string_view, bool) override { return {}; }

  void OnGoaway(uint32_t, http2::ErrorCode, std::string_view) override {}

  Error OnWindowUpdate(uint32_t, uint32_t bytes) override {
    CHECK_GT(bytes, 0U);
    return {};
  }

  http2::FrameReader reader_{/*expects_preface=*/false};
  http2::HeadDecoder decoder_;
};

class Echo final : public Handler {
 public:
  std::shared_ptr<Receiver> Begin(const Request& request,
                                  const std::shared_ptr<Exchange>& exchange) override {
    if (request.path() == "/") {
      const Field trailer{"grpc-status", "0", true};
      exchange->Respond(200, {}, "a", {&trailer, 1});
      return nullptr;
    }
    return CollectBody(exchange, kBodyBytesMax, [exchange](std::string body) {
      exchange->Respond(200, {}, std::move(body));
    });
  }
};

void Talk(SessionHost* host, std::string_view said, bool is_bit_by_bit, const Limits& limits) {
  Echo handler;
  Http2Session session(host, &handler, &limits);
  Listener listener;
  bool goes_on = true;
  while (goes_on && !said.empty()) {
    const std::string_view piece = said.substr(0, is_bit_by_bit ? 1 : 5'000);
    said.remove_prefix(piece.size());
    goes_on = session.Receive(piece);
    std::string out;
    do {
      out.clear();
      CHECK(session.CollectOutput(&out));
      listener.Hear(out);
    } while (!out.empty());
    goes_on = goes_on && !session.wants_close();
  }
}

int RunInput(std::string_view input) {
  static auto* const host = new SilentHost;
  if (input.empty() || input.size() > kInputBytesMax) {
    return 0;
  }
  const auto flags = static_cast<uint8_t>(input[0]);
  std::string said;
  if ((flags & 1U) != 0) {
    said = http2::kPreface;
    http2::AppendSettings({}, &said);
  }
  said += input.substr(1);
  Limits limits;
  if ((flags & 4U) != 0) {
    limits.stream_window_bytes = 100;
    limits.streams_max = 3;
    limits.header_bytes_max = 500;
  }
  host->Run([&] { Talk(host, said, (flags & 2U) != 0, limits); });
  return 0;
}

}  // namespace
}  // namespace socle::server::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return socle::server::http::RunInput({reinterpret_cast<const char*>(bytes), size});
}
