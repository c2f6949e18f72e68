#include "mvcc/log_entry.h"

#include <memory>
#include <utility>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"

namespace socle::mvcc {
namespace {

// Checkpoints have two kinds: logs may still hold entries from before deadlines were noted.
constexpr size_t kCheckpointWithoutNotes = 6;
constexpr size_t kCheckpointWithNotes = 8;

class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void Number(int64_t number) { AppendVarint(static_cast<uint64_t>(number), out_); }

  void Bytes(std::string_view bytes) { AppendLengthPrefixed(bytes, out_); }

  void Bits(std::initializer_list<bool> bits) {
    uint64_t word = 0;
    uint64_t mask = 1;
    for (const bool bit : bits) {
      word |= bit ? mask : 0;
      mask <<= 1U;
    }
    AppendVarint(word, out_);
  }

  void Write(const RangeRequest& range) {
    Bytes(range.key);
    Bytes(range.range_end);
    Number(range.limit);
    Number(range.revision);
    Number(static_cast<int64_t>(range.sort_order));
    Number(static_cast<int64_t>(range.sort_target));
    Bits({range.keys_only, range.count_only});
    Number(range.min_mod_revision);
    Number(range.max_mod_revision);
    Number(range.min_create_revision);
    Number(range.max_create_revision);
  }

  void Write(const PutRequest& put) {
    Bytes(put.key);
    Bytes(put.value);
    Number(Raw(put.lease));
    // The fourth bit came later: entries without it have no TTL.
    Bits({put.prev_kv, put.ignore_value, put.ignore_lease, put.ttl_seconds != 0});
    if (put.ttl_seconds != 0) {
      Number(put.ttl_seconds);
    }
  }

  void Write(const DeleteRangeRequest& range) {
    Bytes(range.key);
    Bytes(range.range_end);
    Bits({range.prev_kv});
  }

  void Write(const Compare& compare) {
    Number(static_cast<int64_t>(compare.op));
    Number(static_cast<int64_t>(compare.target));
    Bytes(compare.key);
    Bytes(compare.range_end);
    Number(compare.number);
    Bytes(compare.value);
  }

  void Write(const std::monostate&) {}

  void Write(const std::unique_ptr<TxnRequest>& txn) { Write(*txn); }

  void Write(const std::vector<RequestOp>& ops) {
    Number(static_cast<int64_t>(ops.size()));
    for (const RequestOp& op : ops) {
      Number(static_cast<int64_t>(op.index()));
      std::visit([this](const auto& request) { Write(request); }, op);
    }
  }

  void Write(const TxnRequest& txn) {
    Number(static_cast<int64_t>(txn.compares.size()));
    for (const Compare& compare : txn.compares) {
      Write(compare);
    }
    Write(txn.success);
    Write(txn.failure);
  }

  void Write(const CompactOp& op) { Number(op.revision); }

  void Write(const LeaseGrantOp& op) {
    Number(Raw(op.id));
    Number(op.ttl_seconds);
  }

  void Write(const LeaseRevokeOp& op) { Number(Raw(op.id)); }

  void Write(const CheckpointOp& op) {
    Number(static_cast<int64_t>(op.checkpoints.size()));
    for (const LeaseCheckpoint& checkpoint : op.checkpoints) {
      Number(Raw(checkpoint.id));
      Number(checkpoint.remaining_ttl_seconds);
      Number(checkpoint.noted_unix_millis);
      Number(checkpoint.left_millis);
    }
  }

  void Write(const SystemOp& op) {
    Number(static_cast<int64_t>(op.writes.size()));
    for (const SystemWrite& write : op.writes) {
      Bytes(write.bucket);
      Bytes(write.key);
      Bytes(write.value);
      Bits({write.is_delete});
    }
  }

 private:
  std::string* const out_;
};

// Every Read leaves `is_ok` false when the bytes end early or make no sense.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  bool is_ok() const { return is_ok_; }

  bool is_at_end() const { return in_.empty(); }

  int64_t Number() {
    uint64_t number = 0;
    is_ok_ = is_ok_ && ConsumeVarint(&in_, &number);
    return is_ok_ ? static_cast<int64_t>(number) : 0;
  }

  std::string Bytes() {
    std::string_view bytes;
    is_ok_ = is_ok_ && ConsumeLengthPrefixed(&in_, &bytes);
    return is_ok_ ? std::string(bytes) : std::string();
  }

  // A count of things that take at least a byte each.
  size_t Count() {
    const int64_t count = Number();
    if (count < 0 || static_cast<uint64_t>(count) > in_.size()) {
      is_ok_ = false;
    }
    return is_ok_ ? static_cast<size_t>(count) : 0;
  }

  RangeRequest Range() {
    RangeRequest range;
    range.key = Bytes();
    range.range_end = Bytes();
    range.limit = Number();
    range.revision = Number();
    range.sort_order = static_cast<SortOrder>(Number());
    range.sort_target = static_cast<SortTarget>(Number());
    const int64_t bits = Number();
    range.keys_only = (bits & 1) != 0;
    range.count_only = (bits & 2) != 0;
    range.min_mod_revision = Number();
    range.max_mod_revision = Number();
    range.min_create_revision = Number();
    range.max_create_revision = Number();
    return range;
  }

  PutRequest Put() {
    PutRequest put;
    put.key = Bytes();
    put.value = Bytes();
    put.lease = LeaseId{Number()};
    const int64_t bits = Number();
    put.prev_kv = (bits & 1) != 0;
    put.ignore_value = (bits & 2) != 0;
    put.ignore_lease = (bits & 4) != 0;
    put.ttl_seconds = (bits & 8) != 0 ? Number() : 0;
    return put;
  }

  DeleteRangeRequest DeleteRange() {
    DeleteRangeRequest range;
    range.key = Bytes();
    range.range_end = Bytes();
    range.prev_kv = (Number() & 1) != 0;
    return range;
  }

  TxnRequest Txn(int depth) {
    TxnRequest txn;
    if (depth > kTxnDepthMax) {
      is_ok_ = false;
      return txn;
    }
    const size_t count = Count();
    for (size_t i = 0; i < count && is_ok_; ++i) {
      txn.compares.push_back(OneCompare());
    }
    txn.success = Ops(depth);
    txn.failure = Ops(depth);
    return txn;
  }

  Operation Entry(int64_t kind) {
    switch (kind) {
      case 0:
        return Put();
      case 1:
        return DeleteRange();
      case 2:
        return Txn(0);
      case 3:
        return CompactOp{.revision = Number()};
      case 4: {
        LeaseGrantOp op;
        op.id = LeaseId{Number()};
        op.ttl_seconds = Number();
        return op;
      }
      case 5:
        return LeaseRevokeOp{.id = LeaseId{Number()}};
      case kCheckpointWithoutNotes:
        return Checkpoints(/*has_notes=*/false);
      case 7:
        return System();
      case kCheckpointWithNotes:
        return Checkpoints(/*has_notes=*/true);
      default:
        is_ok_ = false;
        return CompactOp{};
    }
  }

 private:
  Compare OneCompare() {
    Compare compare;
    compare.op = static_cast<CompareOp>(Number());
    compare.target = static_cast<CompareTarget>(Number());
    compare.key = Bytes();
    compare.range_end = Bytes();
    compare.number = Number();
    compare.value = Bytes();
    return compare;
  }

  std::vector<RequestOp> Ops(int depth) {
    std::vector<RequestOp> ops;
    const size_t count = Count();
    for (size_t i = 0; i < count && is_ok_; ++i) {
      switch (Number()) {
        case 1:
          ops.emplace_back(Range());
          break;
        case 2:
          ops.emplace_back(Put());
          break;
        case 3:
          ops.emplace_back(DeleteRange());
          break;
        case 4:
          ops.emplace_back(std::make_unique<TxnRequest>(Txn(depth + 1)));
          break;
        default:
          is_ok_ = false;
      }
    }
    return ops;
  }

  CheckpointOp Checkpoints(bool has_notes) {
    CheckpointOp op;
    const size_t count = Count();
    for (size_t i = 0; i < count && is_ok_; ++i) {
      LeaseCheckpoint checkpoint;
      checkpoint.id = LeaseId{Number()};
      checkpoint.remaining_ttl_seconds = Number();
      if (has_notes) {
        checkpoint.noted_unix_millis = Number();
        checkpoint.left_millis = Number();
      }
      op.checkpoints.push_back(checkpoint);
    }
    return op;
  }

  SystemOp System() {
    SystemOp op;
    const size_t count = Count();
    for (size_t i = 0; i < count && is_ok_; ++i) {
      SystemWrite write;
      write.bucket = Bytes();
      write.key = Bytes();
      write.value = Bytes();
      write.is_delete = (Number() & 1) != 0;
      op.writes.push_back(std::move(write));
    }
    return op;
  }

  std::string_view in_;
  bool is_ok_ = true;
};

}  // namespace

std::string EncodeOperation(const Operation& operation) {
  std::string out;
  const bool is_checkpoint = std::holds_alternative<CheckpointOp>(operation);
  out.push_back(static_cast<char>(is_checkpoint ? kCheckpointWithNotes : operation.index()));
  Writer writer(&out);
  std::visit([&writer](const auto& op) { writer.Write(op); }, operation);
  return out;
}

absl::StatusOr<Operation> DecodeOperation(std::string_view bytes) {
  if (bytes.empty()) {
    return absl::DataLossError("empty log entry");
  }
  const int64_t kind = static_cast<uint8_t>(bytes.front());
  Reader reader(bytes.substr(1));
  Operation operation = reader.Entry(kind);
  if (!reader.is_ok() || !reader.is_at_end()) {
    return absl::DataLossError(
        fmt::format("log entry of kind {} and {} bytes does not decode", kind, bytes.size()));
  }
  return operation;
}

}  // namespace socle::mvcc
