// An Http2Session against another implementation's client, both in memory: random requests, bodies, windows and resets.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "kv/base/check.h"
#include "kv/base/random.h"
#include "server/wire/http/collect_body.h"
#include "server/wire/http/http2_session.h"
#include "server/wire/http/testing/silent_host.h"

namespace socle::server::http {
namespace {

constexpr size_t kBodyBytesMax = 200'000;

// Answers with what the request had: in one piece, or bit by bit as the client takes it.
class BitByBit final : public Receiver {
 public:
  explicit BitByBit(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  void OnBody(std::string_view bytes) override { body_ += bytes; }

  void OnBodyEnd() override {
    exchange_->SendHead(200, {});
    OnWritable();
  }

  void OnWritable() override {
    while (sent_ < body_.size()) {
      if (!exchange_->CanWrite()) {
        return;
      }
      const std::string_view piece = std::string_view(body_).substr(sent_, 7'000);
      sent_ += piece.size();
      exchange_->SendData(std::string(piece));
    }
    const Field trailer{"grpc-status", "0", true};
    exchange_->Finish({&trailer, 1});
  }

  void OnClosed() override { exchange_.reset(); }

 private:
  std::shared_ptr<Exchange> exchange_;
  std::string body_;
  size_t sent_ = 0;
};

class Echo final : public Handler {
 public:
  std::shared_ptr<Receiver> Begin(const Request& request,
                                  const std::shared_ptr<Exchange>& exchange) override {
    if (request.path() == "/bits") {
      return std::make_shared<BitByBit>(exchange);
    }
    return CollectBody(exchange, kBodyBytesMax, [exchange](std::string body) {
      exchange->Respond(200, {}, std::move(body));
    });
  }
};

// nghttp2's client; it ends the connection itself when the server breaks a rule.
class PairedClient {
 public:
  PairedClient(Session* server, Random* random) : server_(server), random_(random) {
    nghttp2_session_callbacks* callbacks = nullptr;
    CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_option* option = nullptr;
    CHECK_EQ(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    CHECK_EQ(nghttp2_session_client_new2(&session_, callbacks, this, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    ChangeSettings();
  }

  ~PairedClient() { nghttp2_session_del(session_); }

  PairedClient(const PairedClient&) = delete;
  PairedClient& operator=(const PairedClient&) = delete;

  void Ask() {
    auto call = std::make_unique<Call>();
    call->body =
        std::string(static_cast<size_t>(random_->Below(4) == 0 ? random_->Below(kBodyBytesMax)
                                                               : random_->Below(300)),
                    static_cast<char>('a' + random_->Below(26)));
    call->left = call->body;
    const bool is_bits = random_->Below(2) == 0;
    const auto field = [](std::string_view name, std::string_view value) {
      return nghttp2_nv{reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                        reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                        value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    const nghttp2_nv fields[] = {field(":method", "POST"), field(":scheme", "http"),
                                 field(":path", is_bits ? "/bits" : "/whole"),
                                 field(":authority", "x")};
    nghttp2_data_provider body{{.ptr = call.get()}, ReadBody};
    const int32_t id =
        nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &body, nullptr);
    ASSERT_GT(id, 0);
    calls_[id] = std::move(call);
  }

  // Something that a client may do.
  void DoSomething() {
    switch (random_->Below(12)) {
      case 0:
        ChangeSettings();
        return;
      case 1:
        if (!calls_.empty() && random_->Below(4) == 0) {
          const int32_t id = calls_.rbegin()->first;
          calls_.at(id)->is_reset = true;
          nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        }
        return;
      case 2:
      case 3:
        Ask();
        return;
      default:
        GrantWindows(/*all=*/false);
    }
  }

  void GrantWindows(bool all) {
    const size_t most = all ? SIZE_MAX : static_cast<size_t>(random_->Below(30'000));
    const size_t of_all = std::min(most, ungranted_);
    ungranted_ -= of_all;
    nghttp2_session_consume_connection(session_, of_all);
    for (auto& [id, call] : calls_) {
      const size_t bytes = std::min(most, call->ungranted);
      call->ungranted -= bytes;
      nghttp2_session_consume_stream(session_, id, bytes);
    }
  }

  // Random amounts go over and back.
  void Exchange() {
    const uint8_t* bytes = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(session_, &bytes)) > 0) {
      sent_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
    const auto part = std::min<size_t>(sent_.size(), random_->Below(40'000));
    if (part > 0) {
      ASSERT_TRUE(server_->Receive(std::string_view(sent_).substr(0, part)));
      sent_.erase(0, part);
    }
    ASSERT_TRUE(server_->CollectOutput(&said_));
    const auto heard = std::min<size_t>(said_.size(), random_->Below(40'000));
    ASSERT_EQ(
        nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(said_.data()), heard),
        static_cast<ssize_t>(heard));
    said_.erase(0, heard);
  }

  bool has_calls() const { return !calls_.empty(); }

  int answered() const { return answered_; }

  bool has_goaway() const { return has_goaway_; }

 private:
  struct Call {
    std::string body;
    std::string_view left;
    std::string answer;
    size_t ungranted = 0;
    bool is_reset = false;
  };

  void ChangeSettings() {
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(random_->Below(100'000))},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, static_cast<uint32_t>(random_->Below(8'000))},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, static_cast<uint32_t>(16'384 + random_->Below(60'000))}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  }

  static ssize_t ReadBody(nghttp2_session* /*session*/, int32_t /*id*/, uint8_t* buffer,
                          size_t length, uint32_t* flags, nghttp2_data_source* source,
                          void* /*user*/) {
    auto* const call = static_cast<Call*>(source->ptr);
    const size_t size = std::min(length, call->left.size());
    call->left.copy(reinterpret_cast<char*>(buffer), size);
    call->left.remove_prefix(size);
    if (call->left.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return static_cast<ssize_t>(size);
  }

  static int OnData(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t id,
                    const uint8_t* bytes, size_t size, void* user) {
    auto* const self = static_cast<PairedClient*>(user);
    self->ungranted_ += size;
    Call& call = *self->calls_.at(id);
    call.ungranted += size;
    call.answer.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }

  static int OnClose(nghttp2_session* /*session*/, int32_t id, uint32_t error, void* user) {
    auto* const self = static_cast<PairedClient*>(user);
    const auto it = self->calls_.find(id);
    EXPECT_NE(it, self->calls_.end());
    if (!it->second->is_reset) {
      EXPECT_EQ(error, 0U);
      EXPECT_EQ(it->second->answer == it->second->body, true)
          << it->second->answer.size() << " bytes of " << it->second->body.size();
      ++self->answered_;
    }
    self->calls_.erase(it);
    return 0;
  }

  static int OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      static_cast<PairedClient*>(user)->has_goaway_ = true;
    }
    return 0;
  }

  Session* const server_;
  Random* const random_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::unique_ptr<Call>> calls_;
  size_t ungranted_ = 0;
  std::string sent_;
  std::string said_;
  int answered_ = 0;
  bool has_goaway_ = false;
};

void RunSeed(SessionHost* host, uint64_t seed, int* answered) {
  SCOPED_TRACE(seed);
  Random random(seed);
  Limits limits;
  limits.stream_window_bytes = static_cast<uint32_t>(1 + random.Below(100'000));
  limits.connection_window_bytes = static_cast<uint32_t>(100'000 + random.Below(100'000));
  Echo handler;
  Http2Session server(host, &handler, &limits);
  PairedClient client(&server, &random);
  for (int step = 0; step < 400 && !::testing::Test::HasFatalFailure(); ++step) {
    client.DoSomething();
    client.Exchange();
  }
  for (int step = 0; step < 20'000 && client.has_calls(); ++step) {
    client.GrantWindows(/*all=*/true);
    client.Exchange();
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
  EXPECT_FALSE(client.has_calls()) << "an answer did not come";
  EXPECT_FALSE(client.has_goaway());
  EXPECT_FALSE(server.has_exchanges());
  EXPECT_EQ(server.backlog_bytes(), 0U);
  *answered += client.answered();
}

TEST(Http2Pair, AnswersEveryCallWholeWhateverTheWindowsAre) {
  SilentHost host;
  int answered = 0;
  host.Run([&] {
    for (uint64_t seed = 1; seed <= 300 && !::testing::Test::HasFailure(); ++seed) {
      RunSeed(&host, seed, &answered);
    }
  });
  EXPECT_GT(answered, 10'000);
}

}  // namespace
}  // namespace socle::server::http
