#include "bench/workload/kube.h"

#include <algorithm>

#include <fmt/format.h>

#include "bench/workload/answer.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

constexpr std::string_view kLeaseKeys = "/registry/leases/kube-node-lease/";
constexpr uint64_t kPodsPerNamespace = 100;

void Expect(const std::string& key, int64_t revision, etcdserverpb::TxnRequest* request) {
  request->Clear();
  etcdserverpb::Compare* const compare = request->add_compare();
  compare->set_result(etcdserverpb::Compare::EQUAL);
  compare->set_target(etcdserverpb::Compare::MOD);
  compare->set_key(key);
  compare->set_mod_revision(revision);
}

void GetOnFailure(const std::string& key, etcdserverpb::TxnRequest* request) {
  request->add_failure()->mutable_request_range()->set_key(key);
}

// What the else branch read.
int64_t RevisionRead(const etcdserverpb::TxnResponse& answer) {
  if (answer.responses_size() == 0 || answer.responses(0).response_range().kvs_size() == 0) {
    return 0;
  }
  return answer.responses(0).response_range().kvs(0).mod_revision();
}

// Objects of an API server begin so, which tells their encoding.
void AssignObject(std::string_view what, uint64_t size, std::string* value) {
  value->assign("k8s\0", 4);
  value->append(what);
  value->resize(std::max<size_t>(value->size(), size), 'x');
}

std::string PodKey(uint64_t pod) {
  return fmt::format("{}ns-{:06}/pod-{:010}", kPodKeys, pod / kPodsPerNamespace, pod);
}

}  // namespace

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') {
    end.pop_back();
  }
  if (end.empty()) {
    return std::string(1, '\0');
  }
  ++end.back();
  return end;
}

KubeLeasesSource::KubeLeasesSource(uint64_t nodes, uint64_t val_size) : revisions_(nodes, 0) {
  AssignObject("coordination.k8s.io/v1 Lease ", val_size, &value_);
}

std::string_view KubeLeasesSource::path() const {
  return server::method::kTxn;
}

const google::protobuf::MessageLite& KubeLeasesSource::Build(uint64_t sequence) {
  return BuildUpdate(sequence);
}

const google::protobuf::MessageLite& KubeLeasesSource::BuildUpdate(uint64_t sequence) {
  const uint64_t node = sequence % revisions_.size();
  const std::string key = fmt::format("{}hollow-node-{}", kLeaseKeys, node);
  Expect(key, revisions_[node], &request_);
  etcdserverpb::PutRequest* const put = request_.add_success()->mutable_request_put();
  put->set_key(key);
  put->set_value(value_);
  GetOnFailure(key, &request_);
  return request_;
}

absl::StatusOr<const google::protobuf::MessageLite*> KubeLeasesSource::Next(
    uint64_t sequence, std::string_view response) {
  etcdserverpb::TxnResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  int64_t& revision = revisions_[sequence % revisions_.size()];
  if (answer.succeeded()) {
    revision = answer.header().revision();
    return nullptr;
  }
  ++conflicts_;
  revision = RevisionRead(answer);
  return &BuildUpdate(sequence);
}

KubePodsSource::KubePodsSource(uint64_t population, uint64_t val_size)
    : population_(population), val_size_(val_size) {}

std::string_view KubePodsSource::path() const {
  return server::method::kTxn;
}

const google::protobuf::MessageLite& KubePodsSource::Build(uint64_t sequence) {
  return *BuildStep(sequence, in_flight_[sequence] = Life());
}

const google::protobuf::MessageLite* KubePodsSource::BuildStep(uint64_t sequence,
                                                               const Life& life) {
  part_ = life.step;
  const std::string key = PodKey(life.step == kDelete ? sequence - population_ : sequence);
  Expect(key, life.revision, &request_);
  if (life.step == kDelete) {
    request_.add_success()->mutable_request_delete_range()->set_key(key);
  } else {
    constexpr std::string_view kWhat[] = {"v1 Pod pending ", "v1 Pod bound ", "v1 Pod running "};
    etcdserverpb::PutRequest* const put = request_.add_success()->mutable_request_put();
    put->set_key(key);
    AssignObject(kWhat[life.step], val_size_, put->mutable_value());
  }
  if (life.step != kCreate) {
    GetOnFailure(key, &request_);
  }
  return &request_;
}

absl::StatusOr<const google::protobuf::MessageLite*> KubePodsSource::Next(
    uint64_t sequence, std::string_view response) {
  etcdserverpb::TxnResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  const auto found = in_flight_.find(sequence);
  Life& life = found->second;
  if (!answer.succeeded()) {
    const int64_t revision = RevisionRead(answer);
    if (life.step == kCreate || revision == 0) {
      in_flight_.erase(found);
      return absl::AlreadyExistsError(
          life.step == kCreate ? "a pod of that name is there already: use an empty server"
                               : "a pod went away under the load");
    }
    ++conflicts_;
    life.revision = revision;
    return BuildStep(sequence, life);
  }
  ++changes_;
  life.revision = answer.header().revision();
  if (life.step < kStatus) {
    life.step = life.step == kCreate ? kBind : kStatus;
    return BuildStep(sequence, life);
  }
  if (life.step == kStatus) {
    alive_[sequence] = life.revision;
    const auto oldest = sequence < population_ ? alive_.end() : alive_.find(sequence - population_);
    if (oldest != alive_.end()) {
      life = {kDelete, oldest->second};
      alive_.erase(oldest);
      return BuildStep(sequence, life);
    }
  }
  in_flight_.erase(found);
  return nullptr;
}

KubeListSource::KubeListSource(std::string_view prefix, int64_t page)
    : prefix_(prefix), page_(page) {}

std::string_view KubeListSource::path() const {
  return server::method::kRange;
}

const google::protobuf::MessageLite& KubeListSource::Build(uint64_t sequence) {
  revisions_[sequence] = 0;
  request_.set_key(prefix_);
  request_.set_range_end(PrefixEnd(prefix_));
  request_.set_limit(page_);
  request_.set_revision(0);
  return request_;
}

absl::StatusOr<const google::protobuf::MessageLite*> KubeListSource::Next(
    uint64_t sequence, std::string_view response) {
  etcdserverpb::RangeResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  objects_ += static_cast<uint64_t>(answer.kvs_size());
  const auto found = revisions_.find(sequence);
  if (!answer.more() || answer.kvs_size() == 0) {
    revisions_.erase(found);
    return nullptr;
  }
  if (found->second == 0) {
    found->second = answer.header().revision();
  }
  request_.set_key(answer.kvs(answer.kvs_size() - 1).key() + std::string(1, '\0'));
  request_.set_range_end(PrefixEnd(prefix_));
  request_.set_limit(page_);
  request_.set_revision(found->second);
  return &request_;
}

}  // namespace socle::bench
