#include "server/service/node.h"

#include <memory>
#include <utility>

#include <google/protobuf/io/coded_stream.h>

#include "kv/base/log.h"
#include "server/service/error_table.h"

namespace socle::server {

Node::Node(Parts parts) : parts_(std::move(parts)), guard_(parts_.auth, parts_.leases) {}

void Node::FillHeader(etcdserverpb::ResponseHeader* header) const {
  FillIds(header);
  if (header->revision() == 0) {
    header->set_revision(parts_.store->current_revision());
  }
}

void Node::FillIds(etcdserverpb::ResponseHeader* header) const {
  header->set_cluster_id(parts_.identity.cluster_id);
  header->set_member_id(parts_.identity.member.id);
  header->set_raft_term(parts_.identity.raft_term);
}

bool Node::Admit(int64_t cost, Done& done) {
  if (!FitsQuota(cost, done)) {
    return false;
  }
  absl::Status alarm = AlarmAgainst(cost);
  if (!alarm.ok()) {
    done(alarm);
    return false;
  }
  return true;
}

absl::Status Node::AlarmAgainst(int64_t cost) const {
  if (parts_.alarms->IsActive(etcdserverpb::CORRUPT)) [[unlikely]] {
    return WireStatus(EtcdError::kCorrupt);
  }
  if (cost > 0 && parts_.alarms->IsActive(etcdserverpb::NOSPACE) &&
      !parts_.quota->PassesAlarm(cost)) [[unlikely]] {
    return WireStatus(EtcdError::kNoSpace);
  }
  return absl::OkStatus();
}

bool Node::FitsQuota(int64_t cost, Done& done) {
  if (!parts_.quota->Admits(cost)) {
    parts_.alarms->Activate(
        {.member_id = parts_.identity.member.id, .type = etcdserverpb::NOSPACE},
        [done = std::move(done)](const absl::Status& raised) mutable {
          if (!raised.ok()) {
            LogError("the NOSPACE alarm could not be stored", {{"error", raised}});
          }
          done(WireStatus(EtcdError::kNoSpace));
        });
    return false;
  }
  return true;
}

bool Node::IsTooLarge(size_t message_bytes) const {
  // etcd measures the log entry: one field holding the message, and a header with a random 63-bit
  // id.
  constexpr size_t kEntryHeaderBytes = 13;
  const size_t entry_bytes = kEntryHeaderBytes + 1 +
                             google::protobuf::io::CodedOutputStream::VarintSize64(message_bytes) +
                             message_bytes;
  return entry_bytes > static_cast<size_t>(parts_.request_bytes_max);
}

void Node::RunOnWorker(absl::AnyInvocable<void(Done)> task, Done done, WorkerPool::Weight weight) {
  RunOn(parts_.workers, std::move(task), std::move(done), weight);
}

void Node::RunOnAuthWorker(absl::AnyInvocable<void(Done)> task, Done done) {
  RunOn(parts_.auth_workers != nullptr ? parts_.auth_workers : parts_.workers, std::move(task),
        std::move(done));
}

void Node::RunOn(WorkerPool* workers, absl::AnyInvocable<void(Done)> task, Done done,
                 WorkerPool::Weight weight) {
  auto kept_done = std::make_shared<Done>(std::move(done));
  WorkerPool::Task work = [task = std::move(task), kept_done]() mutable {
    task(std::move(*kept_done));
  };
  if (!workers->Submit(work, weight)) {
    (*kept_done)(WireStatus(EtcdError::kTooManyRequests));
  }
}

}  // namespace socle::server
