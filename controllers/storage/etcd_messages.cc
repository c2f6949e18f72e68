#include "controllers/storage/etcd_messages.h"

#include <array>
#include <string>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

#include "controllers/storage/errors.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::storage {
namespace {

constexpr std::string_view kCompactedText =
    "etcdserver: mvcc: required revision has been compacted";
constexpr std::string_view kLeaseNotFoundText = "etcdserver: requested lease not found";

// Errors that say for certain that nothing was done.
struct Refusal {
  std::string_view text;
  StorageError error;
};

constexpr std::array kRefusals = {
    Refusal{kCompactedText, StorageError::kExpired},
    Refusal{"etcdserver: mvcc: required revision is a future revision",
            StorageError::kFutureRevision},
    Refusal{"etcdserver: request is too large", StorageError::kTooLarge},
    Refusal{"etcdserver: mvcc: database space exceeded", StorageError::kNoSpace},
    Refusal{kLeaseNotFoundText, StorageError::kUnavailable},
    Refusal{"etcdserver: too many requests", StorageError::kUnavailable},
    Refusal{"etcdserver: no leader", StorageError::kUnavailable},
};

// What leaves open whether the server acted.
bool IsLost(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status) || absl::IsInternal(status) || absl::IsUnknown(status);
}

absl::Status Translate(const absl::Status& status, StorageError when_lost) {
  if (status.ok()) {
    return status;
  }
  const std::string_view text = MessageOf(status);
  for (const Refusal& refusal : kRefusals) {
    if (text == refusal.text) {
      return MakeError(refusal.error, text);
    }
  }
  if (absl::IsResourceExhausted(status)) {
    return MakeError(StorageError::kTooLarge, text);  // gRPC's limit of messages, on either side.
  }
  return IsLost(status) ? MakeError(when_lost, text) : status;
}

}  // namespace

ObjectView ViewOf(const mvccpb::KeyValue& kv) {
  return {.key = kv.key(),
          .document = kv.value(),
          .create_revision = kv.create_revision(),
          .mod_revision = kv.mod_revision()};
}

etcdserverpb::TxnRequest TxnOf(Write* write, mvcc::LeaseId lease) {
  etcdserverpb::TxnRequest txn;
  etcdserverpb::Compare* const compare = txn.add_compare();
  compare->set_result(etcdserverpb::Compare::EQUAL);
  compare->set_target(etcdserverpb::Compare::MOD);
  compare->set_key(write->key);
  compare->set_mod_revision(write->expected_revision);
  if (write->kind == WriteKind::kDelete) {
    txn.add_success()->mutable_request_delete_range()->set_key(write->key);
  } else {
    etcdserverpb::PutRequest* const put = txn.add_success()->mutable_request_put();
    put->set_key(write->key);
    put->set_value(std::move(write->document));
    put->set_lease(mvcc::Raw(lease));
  }
  if (write->wants_current) {
    txn.add_failure()->mutable_request_range()->set_key(write->key);
  }
  return txn;
}

WriteResult ResultOf(WriteKind kind, const etcdserverpb::TxnResponse& response) {
  WriteResult result;
  result.revision = response.header().revision();
  if (response.succeeded()) {
    return result;
  }
  result.status = MakeError(kind == WriteKind::kCreate ? StorageError::kAlreadyExists
                                                       : StorageError::kConflict);
  if (response.responses_size() > 0 && response.responses(0).response_range().kvs_size() > 0) {
    result.current = ViewOf(response.responses(0).response_range().kvs(0));
  }
  return result;
}

absl::Status TranslateRead(const absl::Status& status) {
  return Translate(status, StorageError::kUnavailable);
}

absl::Status TranslateWrite(const absl::Status& status) {
  return Translate(status, StorageError::kOutcomeUnknown);
}

bool IsCompacted(const absl::Status& status) {
  return MessageOf(status) == kCompactedText;
}

bool IsLeaseNotFound(const absl::Status& status) {
  return MessageOf(status) == kLeaseNotFoundText;
}

bool AnswersProgressInOrder(std::string_view version) {
  const std::vector<std::string> parts = absl::StrSplit(std::string(version), '.');
  int major = 0;
  int minor = 0;
  int patch = 0;
  // A patch may carry a suffix, "0-rc.1": a pre-release counts as what came before it.
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[0], &major) ||
      !absl::SimpleAtoi(parts[1], &minor)) {
    return false;
  }
  if (major != 3 || minor > 5) {
    return major >= 3;
  }
  if (!absl::SimpleAtoi(parts[2], &patch)) {
    return false;
  }
  return (minor == 5 && patch >= 13) || (minor == 4 && patch >= 31);
}

}  // namespace socle::storage
