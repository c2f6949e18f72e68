// EtcdClient: the etcd v3 API as blocking calls, over one connection with a loop of its own.
//
//   ASSIGN_OR_RETURN(auto client, EtcdClient::Open("http://127.0.0.1:2379"));
//   ASSIGN_OR_RETURN(auto put, client->Put("key", "value"));
//
// Laws     1. A failed call carries the server's gRPC code and its text byte for byte.
//          2. Open does not connect: an absent server shows at the first call, as Unavailable. With a user it does, to
//             log in.
//          3. Streams are destroyed before their client.
// Threads  thread-safe; never from a callback of its own streams.
// Errors   as channel.h, law 2; Internal when a response does not parse.
#ifndef SOCLE_SERVER_WIRE_CLIENT_ETCD_CLIENT_H_
#define SOCLE_SERVER_WIRE_CLIENT_ETCD_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "server/wire/client/channel.h"
#include "server/wire/client/client_loop.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::server {

struct EtcdClientOptions {
  int64_t timeout_nanos = 10 * kNanosPerSecond;  // of each blocking call; 0: none
  Metadata metadata;                             // sent with every call and stream
  ClientAccess access;
};

// The endpoint, with the token of the user when there is one: then it connects, and blocks. Unauthenticated when the
// server does not know the user by that password.
absl::StatusOr<Endpoint> ReachEndpoint(std::string_view text, const ClientAccess& access,
                                       int64_t timeout_nanos = 10 * kNanosPerSecond);

// A stream driven from any thread. Callbacks run on the client's loop thread. The destructor
// cancels the stream and waits until no callback runs any more.
class EtcdStream {
 public:
  ~EtcdStream();
  EtcdStream(const EtcdStream&) = delete;
  EtcdStream& operator=(const EtcdStream&) = delete;

  void Send(const google::protobuf::MessageLite& message);
  void HalfClose();
  void Cancel();
  // Blocks until the stream has ended; its final status.
  absl::Status Wait();

 private:
  friend class EtcdClient;
  struct State;
  explicit EtcdStream(std::shared_ptr<State> state);
  const std::shared_ptr<State> state_;
};

class EtcdClient {
 public:
  using MessageCallback = absl::AnyInvocable<void(std::string_view message)>;
  using WatchCallback = absl::AnyInvocable<void(const etcdserverpb::WatchResponse&)>;

  static absl::StatusOr<std::unique_ptr<EtcdClient>> Open(std::string_view endpoint,
                                                          EtcdClientOptions options = {});
  static absl::StatusOr<std::unique_ptr<EtcdClient>> Open(const Endpoint& endpoint,
                                                          EtcdClientOptions options);

  absl::StatusOr<etcdserverpb::PutResponse> Put(std::string_view key, std::string_view value,
                                                int64_t lease = 0);
  absl::StatusOr<etcdserverpb::PutResponse> Put(const etcdserverpb::PutRequest& request);
  // One key at the latest revision.
  absl::StatusOr<etcdserverpb::RangeResponse> Get(std::string_view key);
  absl::StatusOr<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request);
  absl::StatusOr<etcdserverpb::DeleteRangeResponse> DeleteRange(
      const etcdserverpb::DeleteRangeRequest& request);
  absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request);
  absl::StatusOr<etcdserverpb::CompactionResponse> Compact(int64_t revision, bool physical = false);
  absl::StatusOr<etcdserverpb::LeaseGrantResponse> LeaseGrant(int64_t ttl_seconds, int64_t id = 0);
  absl::StatusOr<etcdserverpb::LeaseRevokeResponse> LeaseRevoke(int64_t id);
  // One renewal on a stream of its own.
  absl::StatusOr<etcdserverpb::LeaseKeepAliveResponse> LeaseKeepAliveOnce(int64_t id);
  absl::StatusOr<etcdserverpb::LeaseTimeToLiveResponse> LeaseTimeToLive(int64_t id, bool keys);
  absl::StatusOr<etcdserverpb::LeaseLeasesResponse> LeaseLeases();
  absl::StatusOr<etcdserverpb::StatusResponse> Status();
  absl::StatusOr<etcdserverpb::MemberListResponse> MemberList();

  // A watch stream; Send WatchRequests to add, cancel and poke watchers.
  std::unique_ptr<EtcdStream> OpenWatch(WatchCallback on_response);
  // A watch stream with one watcher already asked for.
  std::unique_ptr<EtcdStream> Watch(const etcdserverpb::WatchCreateRequest& create,
                                    WatchCallback on_response);
  // Hands the snapshot to `sink` blob by blob (the last one is its SHA-256); blocks until it is
  // complete.
  absl::Status Snapshot(absl::AnyInvocable<void(std::string_view blob)> sink);

  // Any unary method: Call<PutResponse>(method::kPut, request).
  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(std::string_view path, const Request& request) {
    Response response;
    const absl::Status status = CallInto(path, request, &response);
    if (!status.ok()) {
      return status;
    }
    return response;
  }

  std::unique_ptr<EtcdStream> OpenStream(std::string_view path, MessageCallback on_message);

  const std::string& authority() const { return channel_->authority(); }

 private:
  EtcdClient(std::unique_ptr<ClientLoop> loop, const Endpoint& endpoint, EtcdClientOptions options);

  absl::Status CallInto(std::string_view path, const google::protobuf::MessageLite& request,
                        google::protobuf::MessageLite* response);

  const EtcdClientOptions options_;
  const std::unique_ptr<ClientLoop> loop_;
  Channel* const channel_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_ETCD_CLIENT_H_
