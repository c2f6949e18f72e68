// Exchange: one request and its response, whatever the protocol.
//
//   begun ──► body chunks … body end ──► closed         (what the client sends, to the Receiver)
//         └─► head, data …, finish ───────┘              (what the server answers, to the Exchange)
//
// Laws     1. What one turn of the loop says on one connection goes out in one send.
//          2. Answers may come from any thread; those of other threads are applied on the loop, in order,
//             with one wake-up of the loop however many exchanges are answered while it sleeps.
//          3. After it is closed every function is a no-op: a late answer finds nobody and harms nobody.
//          4. A writer that asks CanWrite holds at most kBacklogLow bytes and one message back.
//          5. A body from a source is made as the client takes it: the bytes that wait are nowhere yet.
// Threads  as said in each group. Receiver: all calls on the loop's thread, none after OnClosed.
// Memory   shared by the connection and whoever answers.
#ifndef SOCLE_SERVER_WIRE_HTTP_EXCHANGE_H_
#define SOCLE_SERVER_WIRE_HTTP_EXCHANGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/base/mutex.h"
#include "server/wire/http/linked_list.h"
#include "server/wire/http/loop.h"
#include "server/wire/http/message.h"
#include "server/wire/http2/frame.h"

namespace socle::server::http {

class Session;

// Serves one request: the application's half of an exchange.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // The bytes are valid during the call.
  virtual void OnBody(std::string_view bytes) = 0;
  virtual void OnBodyEnd() = 0;

  // After CanWrite said no: it would say yes again.
  virtual void OnWritable() {}

  // After Exchange::Wake, at least once since the last one.
  virtual void OnWake() {}

  // After Exchange::WakeAt.
  virtual void OnTime() {}

  // The server is stopping: streams end themselves; others go on and are answered.
  virtual void OnStopping() {}

  // Response sent, or the client gave up, or the connection is gone.
  virtual void OnClosed() = 0;
};

inline constexpr uint32_t kResetInternal = static_cast<uint32_t>(http2::ErrorCode::kInternalError);
inline constexpr uint32_t kResetCancel = static_cast<uint32_t>(http2::ErrorCode::kCancel);
inline constexpr uint32_t kResetEnhanceYourCalm =
    static_cast<uint32_t>(http2::ErrorCode::kEnhanceYourCalm);

// Makes the bytes of a body when they can be sent.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Not yet taken; known from the start, or of what has_more says.
  virtual size_t bytes_left() const = 0;

  // Once these are taken there will be others: they are made then, some at least. What is not known is how many.
  virtual bool has_more() const { return false; }

  // Appends the next `bytes`, at most bytes_left.
  virtual void Take(size_t bytes, std::string* out) = 0;
  // Memory that it holds meanwhile; asked once.
  virtual size_t held_bytes() const = 0;

  // Its client took less than 1 MiB in Limits::source_patience_nanos: the time to let go of what others wait for.
  virtual void OnSlow() {}
};

struct Sending;

class Exchange final : public std::enable_shared_from_this<Exchange>,
                       private Loop::Timed,
                       private ListLink<Sending> {
 public:
  static constexpr size_t kBacklogLow = 64 * 1024;
  // What an answer that waits to be sent counts beside its bytes: much more than it takes, since nobody needs many thousands of
  // them, and small ones do not add up otherwise.
  static constexpr size_t kWaitingBytes = 16 * 1024;

  Exchange(std::shared_ptr<Loop> loop, Session* session)
      : loop_(std::move(loop)), session_(session) {}

  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Any thread.
  // Head, whole body and end at once: with a content-length, which is not among `fields`, or trailers on HTTP/2.
  void Respond(int status, Fields fields, std::string body, Fields trailers = {});
  void SendHead(int status, Fields fields);
  void SendData(std::string bytes);
  void Finish(Fields trailers = {});
  void Reset(uint32_t http2_error);
  // Has OnWake called on the loop's thread, soon.
  void Wake();

  // On the loop's thread.
  bool is_closed() const { return session_ == nullptr; }

  bool is_finished() const { return is_finished_; }

  // The common name in the client's certificate, verified; empty when it has none or has gone.
  std::string_view peer_name() const;

  // As SessionHost::peer_address; empty when the client has gone.
  std::string_view peer_address() const;

  // The connection is one of TLS.
  bool is_encrypted() const;

  // Where to append data: serialise into it, then call DataAdded. The head must have been sent before,
  // or be sent in the same turn.
  std::string* buffer() { return &body_; }

  void DataAdded(size_t bytes);
  // After what is in the buffer comes what the source makes; only Finish follows. When the client takes nothing of it for
  // Limits::stall_timeout_nanos, the exchange is reset.
  void SendSource(std::unique_ptr<BodySource> source);
  bool CanWrite();

  // Of the body, not yet sent.
  size_t unsent_bytes() const {
    return body_.size() - body_sent_ + (source_ == nullptr ? 0 : source_->bytes_left());
  }

  // No byte comes after those.
  bool is_all_made() const { return is_finished_ && (source_ == nullptr || !source_->has_more()); }

  // Between them the client is held back after at most one stream window (HTTP/2) or what was read.
  void PauseBody();
  void ResumeBody();
  // Has OnTime called at the time; replaces an earlier one. INT64_MAX: never.
  void WakeAt(int64_t monotonic_nanos);

  // Nobody else is served by this loop: no other exchange, no other connection.
  bool is_alone() const;

  Loop* loop() const { return loop_.get(); }

 private:
  friend class Loop;
  friend class Session;
  friend class Http1Session;
  friend class Http2Session;
  friend class LinkedList<Exchange, Sending>;

  struct Answer {
    enum class Kind { kHead, kData, kFinish, kReset };
    Kind kind;
    int number = 0;  // status or error
    std::string bytes;
    std::vector<std::pair<std::string, std::string>> fields;
  };

  // What HTTP/2 keeps of it.
  struct Stream {
    uint32_t id = 0;
    bool has_ended = false;      // its last frame is said
    bool is_reset = false;       // and was a reset: its client may not know yet
    bool wants_no_body = false;  // a HEAD request
    int64_t send_window = 0;     // bytes; less than nothing when the client takes back what it gave
    int64_t receive_window = 0;  // bytes
    uint32_t unreported = 0;     // bytes taken that the client does not know of
    int64_t body_left = -1;      // of the content-length; -1: none was said
    size_t body_unconsumed = 0;  // received while paused
  };

  void SayAll(int status, Fields fields, std::string body, Fields trailers);
  void Post(Answer answer);
  void MarkReady();
  // By the loop, for what other threads asked.
  void RunReady();
  void Apply(Answer& answer);
  void OnTime(int64_t now_nanos) override;

  // By the session: the next bytes of the body, at most unsent_bytes, go to `out`.
  void Take(size_t bytes, std::string* out);
  // What is left of the body is not sent.
  void Skip();
  void Sent(size_t bytes);
  void DropSource();
  void WatchSource();
  // The session lets go of it: no call reaches it from here on.
  void Close();

  const std::shared_ptr<Loop> loop_;

  // Any thread.
  std::atomic<bool> is_ready_{false};     // in the loop's list; set by whoever puts it there
  std::atomic<bool> is_woken_{false};     // Wake was called; cleared by the loop before OnWake
  std::atomic<bool> has_answers_{false};  // answers_ has something; a hint for RunReady
  Mutex mu_;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mu_);

  // Of the loop's thread.
  Session* session_;  // null: closed
  std::shared_ptr<Receiver> receiver_;
  std::shared_ptr<Exchange> self_;  // while the session has it
  Exchange* prev_ = nullptr;        // the session's list
  Exchange* next_ = nullptr;
  Stream stream_;
  std::string body_;
  size_t body_sent_ = 0;
  std::unique_ptr<BodySource> source_;  // the rest of the body
  size_t source_held_bytes_ = 0;
  size_t source_taken_ = 0;         // since it was last looked at
  int64_t source_moved_nanos_ = 0;  // the last look that found something taken
  std::vector<std::pair<std::string, std::string>> trailers_;
  std::vector<Field> constant_trailers_;
  bool has_head_ = false;
  bool is_finished_ = false;
  bool is_waiting_ = false;  // counted in the session's backlog with kWaitingBytes
  bool has_body_ended_ = false;
  bool is_paused_ = false;
  bool wants_writable_ = false;
};

// Where requests go. Begin runs on the loop of the connection.
class Handler {
 public:
  virtual ~Handler() = default;
  // `request` is valid during the call. Null when the exchange was answered at once and the body is
  // not wanted.
  virtual std::shared_ptr<Receiver> Begin(const Request& request,
                                          const std::shared_ptr<Exchange>& exchange) = 0;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_EXCHANGE_H_
