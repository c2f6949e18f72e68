// ElectionService: v3electionpb.Election without transport.
//
// Laws     1. Campaign answers when its key is the oldest of the name; a client that goes before takes its
//             key along. The same lease campaigning again with another value proclaims it.
//          2. Proclaim and Resign act on the very key that was elected (its create revision): a leader that
//             lost can't speak; resigning what is lost succeeds.
// Threads  thread-safe; `done` runs on the caller, a worker or the store's write loop.
// Source   spec etcd 1.10.
#ifndef SOCLE_SERVER_SERVICE_ELECTION_SERVICE_H_
#define SOCLE_SERVER_SERVICE_ELECTION_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "etcd/election.pb.h"
#include <absl/status/statusor.h>

#include "server/service/node.h"
#include "server/service/withdrawal.h"

namespace socle::server {

// What a client of Observe is told: the leader there is, then each that comes and each value proclaimed.
class LeaderStream {
 public:
  // `on_ready` is called, on the store's watch thread, when Next has something again.
  LeaderStream(Node* node, std::string name, std::function<void()> on_ready);

  // False when there is nothing to tell now. Not to be called twice at once.
  absl::StatusOr<bool> Next(v3electionpb::LeaderResponse* response);

 private:
  // The oldest key, if there is one; else waits for the first.
  absl::StatusOr<bool> FindLeader(v3electionpb::LeaderResponse* response);
  void Watch(mvcc::WatchRequest request);

  Node* const node_;
  const std::string name_;
  const std::function<void()> on_ready_;
  std::string leader_;  // its key; empty: there is none
  // One stream for all leaders: it may not be closed by whoever its callback waits for.
  std::unique_ptr<mvcc::WatchStream> watch_;
  int64_t watch_id_ = 0;  // of the newest leader's
};

class ElectionService {
 public:
  explicit ElectionService(Node* node) : node_(node) {}

  Withdrawal Campaign(const Caller& caller, const v3electionpb::CampaignRequest& request,
                      v3electionpb::CampaignResponse* response, Done done);
  void Proclaim(const Caller& caller, const v3electionpb::ProclaimRequest& request,
                v3electionpb::ProclaimResponse* response, Done done);
  absl::Status Leader(const Caller& caller, const v3electionpb::LeaderRequest& request,
                      v3electionpb::LeaderResponse* response) const;
  void Resign(const Caller& caller, const v3electionpb::ResignRequest& request,
              v3electionpb::ResignResponse* response, Done done);
  absl::StatusOr<std::unique_ptr<LeaderStream>> Observe(const Caller& caller,
                                                        const v3electionpb::LeaderRequest& request,
                                                        std::function<void()> on_ready);

 private:
  // True when the caller may do it and the node takes it; else answers.
  bool Admits(const Caller& caller, const mvcc::TxnRequest& txn, int64_t cost, Done& done);

  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_ELECTION_SERVICE_H_
