// Random input for both protocols: sessions are fed without sockets, from strings.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "kv/base/random.h"
#include "server/wire/http/collect_body.h"
#include "server/wire/http/http1_session.h"
#include "server/wire/http/http2_session.h"
#include "server/wire/http/testing/silent_host.h"

namespace socle::server::http {
namespace {

constexpr size_t kBodyBytesMax = 10'000;

class EchoHandler final : public Handler {
 public:
  std::shared_ptr<Receiver> Begin(const Request& request,
                                  const std::shared_ptr<Exchange>& exchange) override {
    ++begun_;
    if (request.path() == "/no") {
      exchange->Respond(404, {}, {});
      return nullptr;
    }
    return CollectBody(exchange, kBodyBytesMax, [exchange](std::string body) {
      exchange->Respond(200, {}, std::move(body));
    });
  }

  int begun() const { return begun_; }

 private:
  int begun_ = 0;
};

std::string Mutated(std::string bytes, Random* random) {
  const uint64_t changes = random->Below(4);
  for (uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
    const auto at = static_cast<size_t>(random->Below(bytes.size()));
    const auto size = static_cast<size_t>(random->Below(20));
    switch (random->Below(4)) {
      case 0:
        bytes[at] = static_cast<char>(random->Below(256));
        break;
      case 1:
        bytes.erase(at, size);
        break;
      case 2:
        bytes.insert(at, bytes.substr(static_cast<size_t>(random->Below(bytes.size())), size));
        break;
      default:
        bytes.resize(at);
        break;
    }
  }
  return bytes;
}

// Feeds `bytes` in random pieces; the output stays in proportion.
void Feed(Session* session, std::string_view bytes, Random* random) {
  std::string out;
  size_t said = 0;
  while (!bytes.empty()) {
    const size_t piece = std::min(bytes.size(), static_cast<size_t>(1 + random->Below(40)));
    const bool goes_on = session->Receive(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
    do {
      out.clear();
      if (!session->CollectOutput(&out)) {
        return;
      }
      said += out.size();
      ASSERT_LT(said, size_t{1} << 20U);
    } while (!out.empty());
    if (!goes_on || session->wants_close()) {
      return;
    }
  }
}

std::string Frame(uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload) {
  std::string frame = {static_cast<char>(payload.size() >> 16U),
                       static_cast<char>(payload.size() >> 8U),
                       static_cast<char>(payload.size()),
                       static_cast<char>(type),
                       static_cast<char>(flags),
                       0,
                       0,
                       0,
                       static_cast<char>(stream)};
  return frame.append(payload);
}

// GET or POST of "/": the static table of HPACK has them.
std::string Http2Conversation(Random* random) {
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, "");
  uint8_t stream = 1;
  for (int i = 0; i < 12; ++i, stream = static_cast<uint8_t>(stream + 2)) {
    bytes += Frame(1, 4, stream, "\x83\x84\x86\x41\x01x");
    if (random->Below(3) == 0) {
      bytes += Frame(3, 0, stream, std::string("\0\0\0\x08", 4));
    } else {
      bytes += Frame(0, 0, stream, "some body");
      bytes += Frame(0, 1, stream, std::string(static_cast<size_t>(random->Below(300)), 'b'));
    }
    if (random->Below(3) == 0) {
      bytes += Frame(6, 0, 0, "8 bytes.");
    }
    if (random->Below(3) == 0) {
      bytes += Frame(8, 0, random->Below(2) == 0 ? uint8_t{0} : stream, std::string("\0\0\1\0", 4));
    }
  }
  return bytes;
}

std::string Http1Conversation(Random* random) {
  std::string bytes;
  for (int i = 0; i < 6; ++i) {
    switch (random->Below(4)) {
      case 0:
        bytes += "GET /no?a=b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
        break;
      case 1:
        bytes += "POST /yes HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world";
        break;
      case 2:
        bytes +=
            "POST /yes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: 1\r\n\r\n";
        break;
      default:
        bytes += "POST /yes HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
        break;
    }
  }
  return bytes;
}

class SessionRandomTest : public ::testing::TestWithParam<bool> {};

TEST_P(SessionRandomTest, SurvivesWhateverComes) {
  const bool is_http2 = GetParam();
  SilentHost host;
  EchoHandler handler;
  Limits limits;
  limits.header_bytes_max = 1'000;
  host.Run([&] {
    for (uint64_t seed = 1; seed <= 2'000; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      std::unique_ptr<Session> session;
      if (is_http2) {
        session = std::make_unique<Http2Session>(&host, &handler, &limits);
      } else {
        session = std::make_unique<Http1Session>(&host, &handler, &limits);
      }
      const std::string talk = is_http2 ? Http2Conversation(&random) : Http1Conversation(&random);
      Feed(session.get(), Mutated(talk, &random), &random);
    }
  });
  EXPECT_GT(handler.begun(), 2'000) << "most of it is understood";
}

INSTANTIATE_TEST_SUITE_P(Protocols, SessionRandomTest, ::testing::Values(false, true),
                         [](const auto& protocol) { return protocol.param ? "Http2" : "Http1"; });

}  // namespace
}  // namespace socle::server::http
