#include "server/wire/http/testing/test_site.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "server/wire/http/collect_body.h"

namespace socle::server::http {
namespace {

constexpr size_t kEchoBytesMax = 8 * 1024 * 1024;
constexpr std::array kText = {Field{"content-type", "text/plain"}};

}  // namespace

class SiteReceiver final : public Receiver {
 public:
  SiteReceiver(TestSite* site, std::string_view page, std::shared_ptr<Exchange> exchange)
      : site_(site), page_(page), exchange_(std::move(exchange)) {
    ++site_->open_;
  }

  void OnBody(std::string_view bytes) override {
    if (page_ == "/held") {
      site_->held_bytes_ += bytes.size();
      exchange_->PauseBody();
    }
  }

  void OnBodyEnd() override {
    if (page_ == "/held") {
      exchange_->Respond(200, kText, "got it");
    }
  }

  void OnWritable() override { Pump(); }

  void OnWake() override {
    if (page_ == "/held") {
      exchange_->ResumeBody();
    }
  }

  void OnStopping() override {
    if (page_ == "/stop") {
      exchange_->SendData("bye");
      exchange_->Finish();
    }
  }

  void OnClosed() override {
    --site_->open_;
    exchange_.reset();
  }

  void Pump() {
    while (page_ == "/flood" && exchange_->CanWrite()) {
      constexpr size_t kPieceBytes = 10'000;
      exchange_->buffer()->append(kPieceBytes, 'x');
      exchange_->DataAdded(kPieceBytes);
      site_->flooded_bytes_ += kPieceBytes;
    }
  }

 private:
  TestSite* const site_;
  const std::string page_;
  std::shared_ptr<Exchange> exchange_;
};

class SiteSource final : public BodySource {
 public:
  SiteSource(TestSite* site, size_t piece_bytes) : site_(site), piece_bytes_(piece_bytes) {
    ++site_->sources_;
  }

  ~SiteSource() override { --site_->sources_; }

  size_t bytes_left() const override { return std::min(all_left(), piece_bytes_ - piece_taken_); }

  bool has_more() const override { return bytes_left() < all_left(); }

  void Take(size_t bytes, std::string* out) override {
    CHECK(bytes <= bytes_left());
    for (const size_t end = at_ + bytes; at_ < end; ++at_) {
      out->push_back(TestSite::SourceByte(at_));
    }
    piece_taken_ = (piece_taken_ + bytes) % piece_bytes_;
  }

  size_t held_bytes() const override { return 100; }

  void OnSlow() override { ++site_->slow_calls_; }

 private:
  size_t all_left() const { return TestSite::kSourceBytes - at_; }

  TestSite* const site_;
  const size_t piece_bytes_;
  size_t at_ = 0;
  size_t piece_taken_ = 0;
};

TestSite::TestSite(ServerOptions options) {
  auto server = Server::Start(std::move(options), this);
  CHECK_OK(server.status());
  server_ = *std::move(server);
  const absl::StatusOr<uint16_t> port = server_->Listen("127.0.0.1", 0);
  CHECK_OK(port.status());
  port_ = *port;
}

TestSite::~TestSite() {
  server_.reset();
  std::vector<Thread> threads;
  {
    MutexLock lock(&mu_);
    threads.swap(threads_);
  }
}

void TestSite::RunElsewhere(std::function<void()> task) {
  MutexLock lock(&mu_);
  threads_.emplace_back("elsewhere", std::move(task));
}

void TestSite::ReleaseHeld() {
  MutexLock lock(&mu_);
  held_->Wake();
}

std::shared_ptr<Receiver> TestSite::Begin(const Request& request,
                                          const std::shared_ptr<Exchange>& exchange) {
  ++begun_;
  const std::string_view page = request.path();
  if (page == "/echo" || page == "/later") {
    const bool is_later = page == "/later";
    std::string intro = fmt::format("{} {} ", request.method(), request.target());
    return CollectBody(exchange, kEchoBytesMax,
                       [this, is_later, exchange, intro = std::move(intro)](std::string body) {
                         auto answer = [exchange, text = intro + body] {
                           exchange->Respond(200, kText, text);
                         };
                         is_later ? RunElsewhere(answer) : answer();
                       });
  }
  if (page == "/chunks") {
    RunElsewhere([exchange] {
      exchange->SendHead(200, kText);
      exchange->SendData("one ");
      exchange->SendData("two ");
      exchange->SendData("three");
      const std::array trailers = {Field{"x-count", "3"}};
      exchange->Finish(trailers);
    });
    return nullptr;
  }
  if (page == "/whoami") {
    exchange->Respond(200, kText, fmt::format("you are '{}'", exchange->peer_name()));
    return nullptr;
  }
  if (page == "/source" || page == "/pieces") {
    constexpr size_t kPieceBytes = 10'007;
    exchange->SendHead(200, kText);
    exchange->SendData("head ");
    exchange->SendSource(
        std::make_unique<SiteSource>(this, page == "/source" ? kSourceBytes : kPieceBytes));
    exchange->Finish();
    return nullptr;
  }
  if (page == "/early") {
    exchange->Respond(403, kText, "no");
    return nullptr;
  }
  if (page != "/flood" && page != "/open" && page != "/stop" && page != "/held") {
    exchange->Respond(404, {}, {});
    return nullptr;
  }
  auto receiver = std::make_shared<SiteReceiver>(this, page, exchange);
  if (page == "/held") {
    MutexLock lock(&mu_);
    held_ = exchange;
  } else {
    exchange->SendHead(200, kText);
    receiver->Pump();
  }
  return receiver;
}

bool Eventually(const std::function<bool()>& is_so) {
  const int64_t deadline = Clock::Real()->MonotonicNanos() + 5 * kNanosPerSecond;
  while (!is_so()) {
    if (Clock::Real()->MonotonicNanos() > deadline) {
      return false;
    }
    Clock::Real()->SleepFor(kNanosPerMilli);
  }
  return true;
}

}  // namespace socle::server::http
