// ParseAnswer: a server's message as the protobuf message it must be.
// Threads  pure function.
// Errors   Internal when the bytes are no such message.
#ifndef SOCLE_BENCH_WORKLOAD_ANSWER_H_
#define SOCLE_BENCH_WORKLOAD_ANSWER_H_

#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace socle::bench {

template <typename Message>
absl::Status ParseAnswer(std::string_view bytes, Message* message) {
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InternalError("a " + message->GetTypeName() + " that can't be read");
  }
  return absl::OkStatus();
}

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_ANSWER_H_
