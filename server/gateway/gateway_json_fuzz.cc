// Any bytes as the body of a call: what is taken for a request is written as JSON that reads as the same request, and how the
// bytes are cut changes nothing.
//
// Input    method, then where the body is cut, then the body.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "etcd/rpc.pb.h"
#include <google/protobuf/util/message_differencer.h>

#include "kv/base/check.h"
#include "server/gateway/json_dialect.h"
#include "server/gateway/json_reader.h"
#include "server/gateway/json_writer.h"

namespace socle::server::gateway {
namespace {

using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::google::protobuf::MethodDescriptor;

constexpr size_t kMessageBytesMax = 4096;

const std::vector<const MethodDescriptor*>& Methods() {
  static const auto* const methods = [] {
    auto* all = new std::vector<const MethodDescriptor*>;
    const auto* const file = etcdserverpb::RangeRequest::descriptor()->file();
    for (int i = 0; i < file->service_count(); ++i) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        all->push_back(file->service(i)->method(k));
      }
    }
    return all;
  }();
  return *methods;
}

std::unique_ptr<Message> RequestOf(const MethodDescriptor* method) {
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(method->input_type())->New());
}

// The requests that the body is taken for, one after the other, and the error at the end.
std::string Taken(const MethodDescriptor* method, std::string_view body, size_t cut) {
  JsonDialect dialect(method, kMessageBytesMax, {}, nullptr);
  std::string requests;
  std::string kept;
  for (const bool is_end : {false, true}) {
    kept += is_end ? body.substr(cut) : body.substr(0, cut);
    std::string_view rest = kept;
    for (;;) {
      const auto message = dialect.Take(&rest, is_end);
      if (!message.ok()) {
        return requests + message.status().ToString();
      }
      if (!message->has_value()) {
        break;
      }
      requests += **message;
      requests += '|';
    }
    kept.erase(0, kept.size() - rest.size());
  }
  CHECK(kept.empty());
  return requests;
}

void TryToRead(const MethodDescriptor* method, std::string_view body) {
  JsonScanner scanner;
  size_t end = 0;
  if (scanner.Scan(body, &end) != JsonScanner::Found::kValue) {
    return;
  }
  const std::unique_ptr<Message> request = RequestOf(method);
  if (!ReadJson(body.substr(0, end), request.get()).ok()) {
    return;
  }
  std::string json;
  AppendJson(*request, &json);
  JsonScanner again;
  size_t all = 0;
  CHECK(again.Scan(json, &all) == JsonScanner::Found::kValue);
  CHECK_EQ(all, json.size());
  const std::unique_ptr<Message> back = RequestOf(method);
  CHECK(ReadJson(json, back.get()).ok());
  CHECK(google::protobuf::util::MessageDifferencer::Equals(*request, *back));
}

}  // namespace
}  // namespace socle::server::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using socle::server::gateway::Methods;
  using socle::server::gateway::Taken;
  if (size < 2) {
    return 0;
  }
  const auto* const method = Methods()[bytes[0] % Methods().size()];
  const std::string body(bytes + 2, bytes + size);
  const size_t cut = std::min<size_t>(bytes[1], body.size());
  socle::server::gateway::TryToRead(method, body);
  CHECK_EQ(Taken(method, body, cut), Taken(method, body, 0));
  return 0;
}
