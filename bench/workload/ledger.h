// Ledger and VerifiedSource: what a load was promised, kept while it runs, and compared afterwards with what the server
// has. For every workload, since it looks at the messages and not at who made them.
//
// Laws     1. Of each key counts the acknowledged change of the highest revision: the key must have exactly that
//             mod_revision and that value, or be absent when it was deleted. So an old value that came back is found.
//          2. A key that a request without an answer may have changed may also be newer than that; one with a lease
//             may be gone.
//          3. Of a deleted interval its first key and the keys that the load wrote are judged.
//          4. All reads are of one revision, in key order, in pages.
// Threads  VerifiedSource: the loop of the load; Verify: afterwards, blocks.
// Memory   a map node for each key, the changes of each request in flight.
// Errors   Verify: what the server answered.
#ifndef SOCLE_BENCH_WORKLOAD_LEDGER_H_
#define SOCLE_BENCH_WORKLOAD_LEDGER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "server/wire/client/endpoint.h"

namespace socle::bench {

struct Change {
  std::string key;
  std::string range_end;  // of a delete of an interval
  bool is_delete = false;
  bool has_lease = false;
  uint64_t value_hash = 0;
};

struct VerifyResult {
  int64_t revision = 0;
  uint64_t keys = 0;  // that were promised
  uint64_t right = 0;
  uint64_t missing = 0;
  uint64_t wrong = 0;                 // another value or revision, or there though it was deleted
  uint64_t uncertain = 0;             // not as promised, and allowed to be: law 2
  std::vector<std::string> examples;  // of what is missing or wrong, at most ten

  bool is_good() const { return missing == 0 && wrong == 0; }
};

class Ledger {
 public:
  void Promise(const std::vector<Change>& changes, int64_t revision);
  // Changes that nobody acknowledged.
  void Doubt(const std::vector<Change>& changes);

  absl::StatusOr<VerifyResult> Verify(const server::Endpoint& endpoint) const;

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    int64_t revision = 0;  // 0: nothing was promised
    uint64_t value_hash = 0;
    bool is_deleted = false;
    bool is_uncertain = false;
    bool may_be_gone = false;
  };

  void PromiseOne(const Change& change, int64_t revision, Entry* entry);
  static void Judge(const std::string& key, const Entry& entry, const mvccpb::KeyValue* found,
                    VerifyResult* result);

  std::map<std::string, Entry, std::less<>> entries_;
};

// Hands everything on to `source`, and keeps the ledger.
class VerifiedSource final : public RequestSource {
 public:
  explicit VerifiedSource(RequestSource* source) : source_(source) {}

  Kind kind() const override { return source_->kind(); }

  std::string_view path() const override { return source_->path(); }

  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::vector<std::string> parts() const override { return source_->parts(); }

  size_t part() const override { return source_->part(); }

  std::map<std::string, uint64_t> counters() const override { return source_->counters(); }

  // Requires: the load has ended. What is still without an answer is in doubt.
  const Ledger& Close();

 private:
  // What a call will change if the server says yes; and otherwise (of a transaction).
  struct Pending {
    std::vector<Change> success;
    std::vector<Change> failure;
    bool is_txn = false;
    bool is_put = false;
  };

  void Remember(uint64_t sequence, const google::protobuf::MessageLite& message);
  void Settle(const Pending& pending, std::string_view response);

  RequestSource* const source_;
  std::unordered_map<uint64_t, Pending> pending_;  // by request in flight, or failed
  Ledger ledger_;
};

// The lines behind a table of a run.
std::string RenderVerification(const VerifyResult& result);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_LEDGER_H_
