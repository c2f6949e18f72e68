// What the StateStore says to an etcd server and what comes back: requests, views, errors.
//
// Laws     1. A write is one Txn: compare mod revision; put or delete; else get.
//          2. etcd's errors are told apart by their exact text, which is its contract.
// Memory   views point into the message they were made from.
// Threads  pure functions.
// Source   spec etcd 1.3, 5.2.
#ifndef SOCLE_CONTROLLERS_STORAGE_ETCD_MESSAGES_H_
#define SOCLE_CONTROLLERS_STORAGE_ETCD_MESSAGES_H_

#include <cstdint>
#include <string_view>

#include <absl/status/status.h>
#include <etcd/rpc.pb.h>

#include "controllers/storage/object_view.h"
#include "controllers/storage/state_store.h"
#include "mvcc/record.h"

namespace socle::storage {

ObjectView ViewOf(const mvccpb::KeyValue& kv);

// Takes the document out of the write.
etcdserverpb::TxnRequest TxnOf(Write* write, mvcc::LeaseId lease);

// Without pin: `response` must live as long as the result.
WriteResult ResultOf(WriteKind kind, const etcdserverpb::TxnResponse& response);

// The failure of a request that changes nothing, or may be repeated.
absl::Status TranslateRead(const absl::Status& status);
// The failure of a write: what is not known to have been refused is kOutcomeUnknown.
absl::Status TranslateWrite(const absl::Status& status);

bool IsCompacted(const absl::Status& status);
bool IsLeaseNotFound(const absl::Status& status);

// Whether a server of this version orders the answers to progress requests behind events
// (etcd#15220): 3.4 from 3.4.31, 3.5 from 3.5.13, and all later ones.
bool AnswersProgressInOrder(std::string_view version);

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_ETCD_MESSAGES_H_
