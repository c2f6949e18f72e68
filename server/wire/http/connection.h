// Connection: one client's bytes between its socket and its session.
//
// States   greeting  the first bytes (or ALPN) have not said yet which protocol it is; no session
//          open      the session runs; reading pauses while it says so or the socket is full
//          ending    what is left is flushed, nothing is read any more
//          dead      out of the epoll set, exchanges closed; deleted at the end of the turn
// Laws     1. A connection that says nothing, takes nothing or does not end is closed at its time.
//          2. Output is collected 64 KiB at a time and only while the socket takes it.
// Threads  confined to its loop.
#ifndef SOCLE_SERVER_WIRE_HTTP_CONNECTION_H_
#define SOCLE_SERVER_WIRE_HTTP_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/wire/http/byte_stream.h"
#include "server/wire/http/session.h"

namespace socle::server::http {

class Connection;

// The connections of one loop.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  // The last call; the owner buries it.
  virtual void OnDead(Connection* connection) = 0;
};

class Connection final : public Loop::Pollable, private SessionHost, private Loop::Timed {
 public:
  Connection(std::shared_ptr<Loop> loop, ConnectionOwner* owner, Handler* handler,
             const Limits* limits, std::unique_ptr<ByteStream> stream);
  ~Connection() override;

  // Enters the epoll set. False: the kernel refused.
  bool Open();
  void BeginStop();
  void Kill();

  void OnReady(uint32_t events) override;
  void Flush() override;

 private:
  enum class State { kGreeting, kOpen, kEnding, kDead };

  void OutputReady() override;
  void SetReading(bool wants_bytes) override;

  const std::shared_ptr<Loop>& loop() const override { return loop_; }

  std::string_view peer_name() override { return stream_->peer_name(); }

  std::string_view peer_address() override;

  bool is_encrypted() const override { return stream_->is_encrypted(); }

  void OnTime(int64_t now_nanos) override;

  void ReadAll();
  bool Take(std::string_view bytes);
  void BeginEnding();
  bool ChooseProtocol(std::string_view bytes);
  void WriteOut();
  bool has_much_to_say() const;
  void Watch();
  void SetTimer();

  const std::shared_ptr<Loop> loop_;
  ConnectionOwner* const owner_;
  Handler* const handler_;
  const Limits* const limits_;
  const std::unique_ptr<ByteStream> stream_;
  State state_ = State::kGreeting;
  std::unique_ptr<Session> session_;
  std::string peer_address_;  // once somebody has asked
  std::string greeting_;      // first bytes, while too few
  std::string out_;
  size_t out_sent_ = 0;
  uint32_t watched_ = 0;
  bool is_dirty_ = false;
  bool session_reads_ = true;
  bool is_full_ = false;              // the socket took no more
  bool is_held_back_ = false;         // not read from, since it takes nothing
  bool reading_wants_write_ = false;  // TLS: to read, the socket must take bytes first
  bool writing_wants_read_ = false;   // TLS: to write, the socket must have bytes first
  bool is_stopping_ = false;
  bool has_ended_writing_ = false;
  const int64_t opened_nanos_;
  int64_t stalled_since_nanos_ = 0;  // while is_full_
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_CONNECTION_H_
