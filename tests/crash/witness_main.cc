// socle-crash-witness: writes to a server that is going to be killed, and knows what it must hold
// afterwards.
// Commands: witness_commands.h.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "server/wire/client/etcd_client.h"
#include "tests/crash/expected_state.h"
#include "tests/crash/witness_commands.h"

namespace socle::crash {
namespace {

using server::EtcdClient;

constexpr int kClients = 8;
constexpr uint64_t kKeysPerClient = 60;
constexpr int64_t kLeaseSeconds = 1'000'000;
constexpr int64_t kKeptRevisions = 2'000;  // a compaction leaves so many
constexpr size_t kHistoryReads = 100;

std::string LeaseKey(int64_t id) {
  return fmt::format("lease/{}", id);
}

// One client: its own connection, its own keys, one request at a time.
class Writer {
 public:
  Writer(int client, uint64_t seed, ExpectedState* expected)
      : client_(client), random_(seed), expected_(expected) {}

  // Writes until `stop`, or until a call fails.
  void Run(const std::string& endpoint, const std::atomic<bool>& stop) {
    auto opened = EtcdClient::Open(endpoint);
    if (!opened.ok()) {
      return;
    }
    connection_ = *std::move(opened);
    while (!stop.load(std::memory_order_relaxed) && Step()) {
    }
    connection_.reset();
  }

 private:
  bool Step() {
    const uint64_t dice = random_.Below(100);
    if (dice < 65) {
      return Put();
    }
    if (dice < 75) {
      return DeleteOne();
    }
    if (dice < 90) {
      return PutPair();
    }
    if (dice < 97) {
      return GrantAttachRevoke();
    }
    return Compact();
  }

  std::string Key() { return fmt::format("c{}/k{}", client_, random_.Below(kKeysPerClient)); }

  std::string FreshValue() {
    const std::string padding(random_.OneIn(10) ? random_.Below(8000) : random_.Below(100), 'x');
    return fmt::format("{}.{}.{}", client_, ++sequence_, padding);
  }

  bool Put() {
    const std::string key = Key();
    const std::string value = FreshValue();
    expected_->BeforeSend(client_, {{{key, value}}});
    return Answered(connection_->Put(key, value));
  }

  bool DeleteOne() {
    const std::string key = Key();
    if (!expected_->ValueOf(key).has_value()) {
      return true;
    }
    etcdserverpb::DeleteRangeRequest request;
    request.set_key(key);
    expected_->BeforeSend(client_, {{{key, std::nullopt}}});
    return Answered(connection_->DeleteRange(request));
  }

  // Two keys in one transaction: both or none.
  bool PutPair() {
    Intent intent;
    etcdserverpb::TxnRequest txn;
    for (const std::string& key :
         {fmt::format("c{}/left", client_), fmt::format("c{}/right", client_)}) {
      auto* put = txn.add_success()->mutable_request_put();
      put->set_key(key);
      put->set_value(FreshValue());
      intent.effects.push_back({key, put->value()});
    }
    expected_->BeforeSend(client_, std::move(intent));
    return Answered(connection_->Txn(txn));
  }

  bool GrantAttachRevoke() {
    const int64_t lease = int64_t{client_} * 1'000'000 + ++lease_sequence_;
    const std::string key = fmt::format("c{}/leased{}", client_, random_.Below(5));
    const std::string value = FreshValue();
    expected_->BeforeSend(client_, {{{LeaseKey(lease), ""}}, false});
    if (!Answered(connection_->LeaseGrant(kLeaseSeconds, lease))) {
      return false;
    }
    expected_->BeforeSend(client_, {{{key, value}}});
    if (!Answered(connection_->Put(key, value, lease))) {
      return false;
    }
    if (random_.OneIn(3)) {
      return true;  // this lease stays
    }
    expected_->BeforeSend(client_, {{{key, std::nullopt}, {LeaseKey(lease), std::nullopt}}});
    return Answered(connection_->LeaseRevoke(lease));
  }

  bool Compact() {
    const int64_t revision = last_revision_ - kKeptRevisions;
    if (client_ != 0 || revision <= expected_->compacted()) {
      return true;
    }
    expected_->BeforeCompaction(revision);
    if (!connection_->Compact(revision).ok()) {
      return false;
    }
    expected_->OnCompactionAcknowledged(revision);
    return true;
  }

  template <typename Response>
  bool Answered(const absl::StatusOr<Response>& response) {
    if (!response.ok()) {
      return false;
    }
    last_revision_ = response->header().revision();
    expected_->OnAcknowledged(client_, last_revision_);
    return true;
  }

  const int client_;
  Random random_;
  ExpectedState* const expected_;
  std::unique_ptr<EtcdClient> connection_;
  uint64_t sequence_ = 0;
  int64_t lease_sequence_ = 0;
  int64_t last_revision_ = 0;
};

class Witness {
 public:
  explicit Witness(uint64_t seed) : random_(seed) {
    for (int client = 0; client < kClients; ++client) {
      writers_.push_back(std::make_unique<Writer>(client, random_.Next(), &expected_));
    }
  }

  ~Witness() { Settle(); }

  void Write(const std::string& endpoint) {
    stop_.store(false, std::memory_order_relaxed);
    for (const auto& writer : writers_) {
      threads_.emplace_back(
          "writer", [this, endpoint, writer = writer.get()] { writer->Run(endpoint, stop_); });
    }
  }

  size_t Settle() {
    stop_.store(true, std::memory_order_relaxed);
    threads_.clear();
    return expected_.acknowledged();
  }

  // The first problems found, in words; none when the store holds what it must.
  absl::StatusOr<std::vector<std::string>> Verify(const std::string& endpoint) {
    ASSIGN_OR_RETURN(const auto connection, EtcdClient::Open(endpoint));
    ASSIGN_OR_RETURN(const Listing listing, List(connection.get()));
    std::vector<std::string> violations = expected_.Verify(listing);
    for (const PastWrite& past : expected_.SampleHistory(&random_, kHistoryReads)) {
      etcdserverpb::RangeRequest request;
      request.set_key(past.key);
      request.set_revision(past.revision);
      ASSIGN_OR_RETURN(const auto range, connection->Range(request));
      if (range.kvs_size() != 1 || range.kvs(0).value() != past.value) {
        violations.push_back(
            fmt::format("{} at revision {} does not read as written", past.key, past.revision));
      }
    }
    if (expected_.compacted() > 1) {
      etcdserverpb::RangeRequest request;
      request.set_key("c0/left");
      request.set_revision(expected_.compacted() - 1);
      if (connection->Range(request).status().code() != absl::StatusCode::kOutOfRange) {
        violations.push_back(
            fmt::format("revision {} reads again, though a compaction at {} was acknowledged",
                        request.revision(), expected_.compacted()));
      }
    }
    revision_ = listing.revision;
    return violations;
  }

  void Plant() { expected_.Plant(); }

  int64_t revision() const { return revision_; }

 private:
  static absl::StatusOr<Listing> List(EtcdClient* connection) {
    Listing listing;
    etcdserverpb::RangeRequest everything;
    everything.set_key(std::string(1, '\0'));
    everything.set_range_end(std::string(1, '\0'));
    ASSIGN_OR_RETURN(const auto range, connection->Range(everything));
    listing.revision = range.header().revision();
    for (const auto& kv : range.kvs()) {
      listing.entries.emplace(kv.key(), Found{kv.value(), kv.mod_revision()});
    }
    ASSIGN_OR_RETURN(const auto leases, connection->LeaseLeases());
    for (const auto& lease : leases.leases()) {
      listing.entries.emplace(LeaseKey(lease.id()), Found{});
    }
    return listing;
  }

  Random random_;
  ExpectedState expected_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<Thread> threads_;
  std::atomic<bool> stop_{false};  // set by the command loop, read by every writer; orders nothing
  int64_t revision_ = 0;
};

std::string Answer(Witness* witness, std::string_view command, const std::string& argument) {
  if (command == "write") {
    witness->Write(argument);
    return "ok";
  }
  if (command == "settle") {
    return fmt::format("ok {} acknowledged", witness->Settle());
  }
  if (command == "plant") {
    witness->Plant();
    return "ok";
  }
  if (command != "verify") {
    return "bad command";
  }
  const auto violations = witness->Verify(argument);
  if (!violations.ok()) {
    return fmt::format("bad {}", MessageOf(violations.status()));
  }
  if (!violations->empty()) {
    return fmt::format("bad {} violations, the first: {}", violations->size(), violations->front());
  }
  return fmt::format("ok revision {}", witness->revision());
}

}  // namespace
}  // namespace socle::crash

int main(int argc, char** argv) {
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  socle::crash::Witness witness(seed);
  socle::crash::ServeWitnessCommands(
      [&witness](std::string_view command, const std::string& argument) {
        return socle::crash::Answer(&witness, command, argument);
      });
  return 0;
}
