// Kube: what a Kubernetes API server sends its etcd, in the shapes that its client package sends:
//
//   OptimisticPut     Txn{if mod_revision(key) = expected; then put; else get when asked}
//   OptimisticDelete  Txn{if mod_revision(key) = expected; then delete; else get}
//   List              range of a prefix with a limit, going on behind the last key at the first page's revision
//
// Laws     1. An update that meets another revision than it expected is sent again with the one the answer brought,
//             and counted as a conflict.
// Threads  confined to the loop that calls it.
// Memory   a number for each node, for each pod alive.
// Source   spec etcd 5.2.
#ifndef SOCLE_BENCH_WORKLOAD_KUBE_H_
#define SOCLE_BENCH_WORKLOAD_KUBE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <absl/status/status.h>
#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"

namespace socle::bench {

inline constexpr std::string_view kPodKeys = "/registry/pods/";

// First key behind those with the prefix.
std::string PrefixEnd(std::string_view prefix);

// N nodes renew their Lease objects in turn; the first renewal of each creates it.
class KubeLeasesSource final : public RequestSource {
 public:
  // Requires: nodes > 0.
  KubeLeasesSource(uint64_t nodes, uint64_t val_size);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::map<std::string, uint64_t> counters() const override { return {{"conflicts", conflicts_}}; }

 private:
  const google::protobuf::MessageLite& BuildUpdate(uint64_t sequence);

  std::vector<int64_t> revisions_;  // by node; 0: there is none yet
  uint64_t conflicts_ = 0;
  std::string value_;
  etcdserverpb::TxnRequest request_;
};

// One request is the life of a pod: created, bound to a node, its status reported; then the oldest pod goes when
// there are more than `population`.
class KubePodsSource final : public RequestSource {
 public:
  KubePodsSource(uint64_t population, uint64_t val_size);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::vector<std::string> parts() const override { return {"create", "bind", "status", "delete"}; }

  size_t part() const override { return part_; }

  std::map<std::string, uint64_t> counters() const override { return {{"conflicts", conflicts_}}; }

  // Changes of pods that were acknowledged: what every watcher of the pods must see.
  uint64_t changes() const { return changes_; }

 private:
  enum Step : size_t { kCreate, kBind, kStatus, kDelete };

  struct Life {
    Step step = kCreate;
    int64_t revision = 0;  // that the next transaction expects
  };

  const google::protobuf::MessageLite* BuildStep(uint64_t sequence, const Life& life);

  const uint64_t population_;
  const uint64_t val_size_;
  size_t part_ = 0;
  uint64_t conflicts_ = 0;
  uint64_t changes_ = 0;
  std::unordered_map<uint64_t, Life> in_flight_;  // by request
  std::unordered_map<uint64_t, int64_t> alive_;   // mod_revision, by pod
  etcdserverpb::TxnRequest request_;
};

// The whole list of a prefix page by page, all pages of one revision, again and again.
class KubeListSource final : public RequestSource {
 public:
  KubeListSource(std::string_view prefix, int64_t page);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::map<std::string, uint64_t> counters() const override { return {{"objects", objects_}}; }

 private:
  const std::string prefix_;
  const int64_t page_;
  uint64_t objects_ = 0;
  std::unordered_map<uint64_t, int64_t> revisions_;  // of the first page, by request in flight
  etcdserverpb::RangeRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_KUBE_H_
