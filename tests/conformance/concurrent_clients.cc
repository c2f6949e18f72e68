#include "tests/conformance/concurrent_clients.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>
#include <google/protobuf/message.h>

#include "kv/base/random.h"
#include "kv/base/thread.h"
#include "tests/conformance/normalize.h"
#include "tests/conformance/pair.h"
#include "tests/conformance/peer.h"

namespace socle::conformance {
namespace {

using etcdserverpb::Compare;
using google::protobuf::Message;

constexpr size_t kClients = 3;
constexpr uint64_t kKeys = 12;
constexpr int64_t kTtlSeconds = 100'000;

// Puts the place of a revision among a client's own where the revision stands, in every message within.
void Renumber(const std::map<int64_t, int64_t>& places, Message* message) {
  const auto* const reflection = message->GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const auto* const field : fields) {
    if (field->name() == "create_revision" || field->name() == "mod_revision") {
      const auto found = places.find(reflection->GetInt64(*message, field));
      reflection->SetInt64(message, field, found == places.end() ? -1 : found->second);
    } else if (field->name() == "header") {
      reflection->ClearField(message, field);
    } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        Renumber(places, reflection->MutableMessage(message, field));
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        Renumber(places, reflection->MutableRepeatedMessage(message, field, i));
      }
    }
  }
}

bool HasWritten(const etcdserverpb::RangeResponse& /*response*/) {
  return false;
}

bool HasWritten(const etcdserverpb::PutResponse& /*response*/) {
  return true;
}

bool HasWritten(const etcdserverpb::DeleteRangeResponse& response) {
  return response.deleted() > 0;
}

bool HasWritten(const etcdserverpb::TxnResponse& response) {
  return std::any_of(response.responses().begin(), response.responses().end(), [](const auto& op) {
    return op.has_response_put() ||
           (op.has_response_delete_range() && HasWritten(op.response_delete_range()));
  });
}

class Client {
 public:
  Client(const std::string& address, uint64_t seed, size_t number)
      : peer_(address), random_(seed * kClients + number), number_(number) {}

  void Run(uint64_t operations, bool plants) {
    etcdserverpb::LeaseGrantRequest grant;
    grant.set_ttl(kTtlSeconds);
    grant.set_id(LeaseId());
    etcdserverpb::LeaseGrantResponse granted;
    told_.push_back(Shown(peer_.Call(grant, &granted), etcdserverpb::LeaseGrantResponse()));
    for (uint64_t i = 0; i < operations; ++i) {
      Step(plants && i == operations / 2);
    }
  }

  const std::vector<std::string>& told() const { return told_; }

  const std::map<int64_t, int64_t>& places() const { return places_; }

  std::string Prefix() const { return fmt::format("client{}/", number_); }

 private:
  int64_t LeaseId() const { return 100 + static_cast<int64_t>(number_); }

  std::string Key() { return fmt::format("{}{}", Prefix(), random_.Below(kKeys)); }

  void Step(bool plants) {
    const uint64_t dice = random_.Below(100);
    if (dice < 40) {
      Send(Put(plants));
    } else if (dice < 60) {
      Send(Range());
    } else if (dice < 72) {
      Send(DeleteRange());
    } else {
      Send(Txn());
    }
    if (plants && dice >= 40) {
      Send(Put(true));
    }
  }

  template <typename Request>
  void Send(const Request& request) {
    typename ResponseTo<Request>::Type response;
    const grpc::Status status = peer_.Call(request, &response);
    const int64_t revision = response.header().revision();
    const char* order = "";
    if (status.ok() && HasWritten(response)) {
      order = revision > last_revision_ ? "" : "a write got an old revision\n";
      places_.emplace(revision, static_cast<int64_t>(places_.size()) + 1);
    } else if (status.ok() && revision < last_revision_) {
      order = "a read got an older revision than the client's last write\n";
    }
    last_revision_ = std::max(last_revision_, revision);
    Renumber(places_, &response);
    told_.push_back(fmt::format("client {} answer {} to {} {{\n{}}}\n{}{}", number_, told_.size(),
                                request.GetTypeName(), request.Utf8DebugString(), order,
                                Shown(status, response)));
  }

  etcdserverpb::PutRequest Put(bool plants) {
    etcdserverpb::PutRequest put;
    put.set_key(Key());
    put.set_value(plants ? "planted" : fmt::format("v{}", random_.Below(20)));
    put.set_prev_kv(random_.OneIn(2));
    if (random_.OneIn(3)) {
      put.set_lease(random_.OneIn(10) ? 999'999 : LeaseId());
    }
    return put;
  }

  etcdserverpb::RangeRequest Range() {
    etcdserverpb::RangeRequest range;
    range.set_key(Key());
    if (random_.OneIn(2)) {
      range.set_key(Prefix());
      range.set_range_end(fmt::format("client{}0", number_));  // '0' follows '/'
    }
    range.set_limit(static_cast<int64_t>(random_.Below(kKeys)));
    range.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(random_.Below(4)));
    range.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(random_.Below(3)));
    return range;
  }

  etcdserverpb::DeleteRangeRequest DeleteRange() {
    etcdserverpb::DeleteRangeRequest request;
    request.set_key(Key());
    if (random_.OneIn(6)) {
      request.set_range_end(fmt::format("client{}0", number_));
    }
    request.set_prev_kv(random_.OneIn(2));
    return request;
  }

  etcdserverpb::TxnRequest Txn() {
    etcdserverpb::TxnRequest txn;
    Compare* const compare = txn.add_compare();
    compare->set_key(Key());
    compare->set_result(static_cast<Compare::CompareResult>(random_.Below(4)));
    if (random_.OneIn(2)) {
      compare->set_target(Compare::VALUE);
      compare->set_value(fmt::format("v{}", random_.Below(20)));
    } else {
      compare->set_target(Compare::VERSION);
      compare->set_version(static_cast<int64_t>(random_.Below(4)));
    }
    *txn.add_success()->mutable_request_put() = Put(false);
    *txn.add_success()->mutable_request_range() = Range();
    *txn.add_failure()->mutable_request_delete_range() = DeleteRange();
    *txn.add_failure()->mutable_request_range() = Range();
    return txn;
  }

  Peer peer_;
  Random random_;
  const size_t number_;
  std::map<int64_t, int64_t> places_;  // revision: place among the client's writes
  int64_t last_revision_ = 0;
  std::vector<std::string> told_;
};

// The client's part of what is there at the end, and of what happened.
void AddMerged(Peer* peer, const Client& client, int64_t last, std::vector<std::string>* told) {
  etcdserverpb::RangeRequest range;
  range.set_key(client.Prefix());
  range.set_range_end(client.Prefix().substr(0, client.Prefix().size() - 1) + "0");
  etcdserverpb::RangeResponse there;
  const grpc::Status status = peer->Call(range, &there);
  Renumber(client.places(), &there);
  told->push_back(Shown(status, there));
  etcdserverpb::WatchCreateRequest create;
  create.set_key(range.key());
  create.set_range_end(range.range_end());
  create.set_start_revision(client.places().empty() ? last : client.places().begin()->first);
  create.set_prev_kv(true);
  std::vector<mvccpb::Event> events;
  told->push_back(Shown(peer->Watch(create, last, &events), etcdserverpb::RangeResponse()));
  for (mvccpb::Event& event : events) {
    Renumber(client.places(), &event);
    told->push_back(event.Utf8DebugString());
  }
}

}  // namespace

std::vector<std::string> RunConcurrentClients(const std::string& address, uint64_t seed,
                                              uint64_t operations, bool plants) {
  std::vector<std::unique_ptr<Client>> clients;
  for (size_t number = 0; number < kClients; ++number) {
    clients.push_back(std::make_unique<Client>(address, seed, number));
  }
  {
    std::vector<Thread> threads;
    for (const auto& client : clients) {
      const bool is_planted = plants && client == clients.back();
      threads.emplace_back("client", [raw = client.get(), operations, is_planted] {
        raw->Run(operations, is_planted);
      });
    }
  }
  Peer peer(address);
  std::vector<std::string> told;
  for (const auto& client : clients) {
    told.insert(told.end(), client->told().begin(), client->told().end());
    const int64_t last = client->places().empty() ? 1 : client->places().rbegin()->first;
    AddMerged(&peer, *client, last, &told);
  }
  return told;
}

}  // namespace socle::conformance
