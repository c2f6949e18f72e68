// Observed: what a call with one request and one answer tells the observer of calls. Does nothing while nobody wants to know of it.
//
//   Begin ─► MayBegin ─► Answered ─► Told ─► Sent          from the destructor: Told and Sent, of what is untold
//
// Laws     1. A call that the observer does not want costs one comparison at each step.
//          2. What the service answered is told once, even when the client went before.
// Threads  Answered: any thread. The rest: the call's loop, or the thread of its destructor.
#ifndef SOCLE_SERVER_H2_OBSERVED_H_
#define SOCLE_SERVER_H2_OBSERVED_H_

#include <cstddef>
#include <memory>

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include "server/ops/call_observer.h"

namespace socle::server::h2 {

class Observed {
 public:
  // The request's bytes are whole. `origin()` is asked only when it is wanted.
  template <typename Origin>
  void Begin(const CallObserver* observer, RpcMethod method, size_t request_bytes,
             const Origin& origin) {
    if (observer == nullptr) [[likely]] {
      return;
    }
    if (bool is_sample = false; observer->Wants(&is_sample)) {
      observer_ = observer;
      note_ = observer->Begin(method, request_bytes, is_sample, origin());
    }
  }

  bool is_on() const { return note_ != nullptr; }

  // OK, or what the call is answered instead of being begun.
  absl::Status MayBegin(const google::protobuf::MessageLite& request) const {
    return is_on() ? observer_->MayBegin(note_->method, request) : absl::OkStatus();
  }

  void Answered() {
    if (is_on()) [[unlikely]] {
      CallObserver::Answered(note_.get());
    }
  }

  // Requires is_untold().
  void Told(const google::protobuf::MessageLite& request, const CallOutcome& outcome,
            const absl::Status& status) {
    observer_->Told(note_.get(), request, outcome, status);
  }

  void Sent(const google::protobuf::MessageLite* request, const absl::Status& status) const {
    if (is_on() && note_->is_told) [[unlikely]] {
      observer_->Sent(*note_, *request, status);
    }
  }

  bool is_untold() const { return is_on() && note_->answered != 0 && !note_->is_told; }

 private:
  const CallObserver* observer_ = nullptr;
  std::unique_ptr<CallNote> note_;  // null: nobody wants to know of this call
};

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_OBSERVED_H_
