// Locks and elections as clients use them (spec etcd 1.10).
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "etcd/election.pb.h"
#include "etcd/lock.pb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "server/h2/testing/h2_fixture.h"

namespace socle::server {
namespace {

using v3electionpb::CampaignResponse;
using v3electionpb::LeaderResponse;
using v3lockpb::LockResponse;

constexpr std::string_view kLock = "/v3lockpb.Lock/Lock";
constexpr std::string_view kUnlock = "/v3lockpb.Lock/Unlock";
constexpr std::string_view kCampaign = "/v3electionpb.Election/Campaign";
constexpr std::string_view kProclaim = "/v3electionpb.Election/Proclaim";
constexpr std::string_view kLeader = "/v3electionpb.Election/Leader";
constexpr std::string_view kObserve = "/v3electionpb.Election/Observe";
constexpr std::string_view kResign = "/v3electionpb.Election/Resign";

// Messages that a call or a stream has brought, for a test to wait for.
template <typename Message>
class Messages {
 public:
  EtcdClient::MessageCallback Callback() {
    return [this](std::string_view bytes) {
      Message message;
      EXPECT_TRUE(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
      MutexLock lock(&mu_);
      taken_.push_back(std::move(message));
      changed_.SignalAll();
    };
  }

  // The message of this number; fails after ten seconds.
  Message Await(size_t number) {
    MutexLock lock(&mu_);
    while (taken_.size() <= number) {
      if (!changed_.WaitFor(&mu_, std::chrono::seconds(10))) {
        ADD_FAILURE() << "message " << number << " did not come";
        return {};
      }
    }
    return taken_[number];
  }

  size_t count() {
    MutexLock lock(&mu_);
    return taken_.size();
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::deque<Message> taken_ ABSL_GUARDED_BY(mu_);
};

class ContestTest : public H2ServerTest {
 protected:
  int64_t Lease(int64_t ttl_seconds = 60) { return client_->LeaseGrant(ttl_seconds)->id(); }

  absl::StatusOr<LockResponse> Lock(std::string_view name, int64_t lease) {
    return client_->Call<LockResponse>(kLock, LockRequestOf(name, lease));
  }

  static v3lockpb::LockRequest LockRequestOf(std::string_view name, int64_t lease) {
    v3lockpb::LockRequest request;
    request.set_name(std::string(name));
    request.set_lease(lease);
    return request;
  }

  absl::Status Unlock(const std::string& key) {
    v3lockpb::UnlockRequest request;
    request.set_key(key);
    return client_->Call<v3lockpb::UnlockResponse>(kUnlock, request).status();
  }

  static v3electionpb::CampaignRequest CampaignOf(std::string_view name, int64_t lease,
                                                  std::string_view value) {
    v3electionpb::CampaignRequest request;
    request.set_name(std::string(name));
    request.set_lease(lease);
    request.set_value(std::string(value));
    return request;
  }

  absl::StatusOr<LeaderResponse> Leader(std::string_view name) {
    v3electionpb::LeaderRequest request;
    request.set_name(std::string(name));
    return client_->Call<LeaderResponse>(kLeader, request);
  }

  absl::Status Resign(const v3electionpb::LeaderKey& leader) {
    v3electionpb::ResignRequest request;
    *request.mutable_leader() = leader;
    return client_->Call<v3electionpb::ResignResponse>(kResign, request).status();
  }

  absl::Status Proclaim(const v3electionpb::LeaderKey& leader, std::string_view value) {
    v3electionpb::ProclaimRequest request;
    *request.mutable_leader() = leader;
    request.set_value(std::string(value));
    return client_->Call<v3electionpb::ProclaimResponse>(kProclaim, request).status();
  }

  // A call that waits, as a stream that can be cancelled.
  template <typename Request>
  std::unique_ptr<EtcdStream> Wait(EtcdClient* client, std::string_view path,
                                   const Request& request, EtcdClient::MessageCallback told) {
    std::unique_ptr<EtcdStream> call = client->OpenStream(path, std::move(told));
    call->Send(request);
    call->HalfClose();
    return call;
  }

  int64_t KeysUnder(std::string_view prefix) {
    pb::RangeRequest request;
    request.set_key(std::string(prefix));
    request.set_range_end(std::string(prefix) + "\xFF");
    request.set_count_only(true);
    return client_->Range(request)->count();
  }

  // Polls: what is looked for shows in the store only.
  bool Eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) {
        return true;
      }
      Clock::Real()->SleepFor(10 * kNanosPerMilli);
    }
    return false;
  }
};

TEST_F(ContestTest, AWaiterIsWokenWhileTheWorkersAreFull) {
  const auto held = Lock("a", Lease());
  ASSERT_TRUE(held.ok()) << held.status();
  absl::StatusOr<LockResponse> waited = absl::UnknownError("not answered");
  Thread waiter("waiter", [&] { waited = Lock("a", Lease()); });
  while (store_->Stats().watchers == 0) {
    Clock::Real()->SleepFor(kNanosPerMilli);
  }
  std::atomic<bool> may_go_on = false;
  const auto wait = [&may_go_on] { may_go_on.wait(false); };
  for (WorkerPool::Task task = wait; workers_->Submit(task); task = wait) {
  }
  ASSERT_TRUE(Unlock(held->key()).ok());
  Clock::Real()->SleepFor(50 * kNanosPerMilli);  // for the hub to ring
  may_go_on = true;
  may_go_on.notify_all();
  waiter.Join();
  EXPECT_TRUE(waited.ok()) << waited.status();
  EXPECT_TRUE(Unlock(waited->key()).ok());
}

TEST_F(ContestTest, ALockIsTheKeyOfItsLeaseAndIdempotent) {
  const int64_t lease = Lease();
  const auto first = Lock("mine", lease);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->key(), fmt::format("mine/{:x}", lease));
  EXPECT_GT(first->header().revision(), 1);
  EXPECT_EQ(Lock("mine", lease)->key(), first->key());
  EXPECT_EQ(KeysUnder("mine/"), 1);
  EXPECT_TRUE(Unlock(first->key()).ok());
  EXPECT_TRUE(Unlock(first->key()).ok()) << "of a lock that is not there";
  EXPECT_EQ(KeysUnder("mine/"), 0);
}

TEST_F(ContestTest, LocksAreHandedOnInTheOrderOfAsking) {
  const auto held = Lock("q", Lease());
  ASSERT_TRUE(held.ok());
  Messages<LockResponse> second;
  Messages<LockResponse> third;
  const auto other = Open();
  const auto second_call = Wait(other.get(), kLock, LockRequestOf("q", Lease()), second.Callback());
  ASSERT_TRUE(Eventually([&] { return KeysUnder("q/") == 2; }));
  const auto third_call = Wait(other.get(), kLock, LockRequestOf("q", Lease()), third.Callback());
  ASSERT_TRUE(Eventually([&] { return KeysUnder("q/") == 3; }));
  EXPECT_EQ(second.count(), 0U);
  EXPECT_TRUE(Unlock(held->key()).ok());
  const LockResponse got = second.Await(0);
  EXPECT_EQ(third.count(), 0U);
  EXPECT_TRUE(Unlock(got.key()).ok());
  third.Await(0);
}

TEST_F(ContestTest, ALockEndsWithItsLease) {
  const int64_t lease = Lease();
  ASSERT_TRUE(Lock("l", lease).ok());
  Messages<LockResponse> second;
  const auto other = Open();
  const auto call = Wait(other.get(), kLock, LockRequestOf("l", Lease()), second.Callback());
  ASSERT_TRUE(Eventually([&] { return KeysUnder("l/") == 2; }));
  ASSERT_TRUE(client_->LeaseRevoke(lease).ok());
  second.Await(0);
}

TEST_F(ContestTest, WhoWaitsLongerThanItsLeaseIsToldSo) {
  const auto held = Lock("w", Lease());
  ASSERT_TRUE(held.ok());
  const int64_t lease = Lease();
  const auto other = Open();
  const auto call = Wait(other.get(), kLock, LockRequestOf("w", lease), [](std::string_view) {});
  ASSERT_TRUE(Eventually([&] { return KeysUnder("w/") == 2; }));
  ASSERT_TRUE(client_->LeaseRevoke(lease).ok());
  EXPECT_TRUE(Unlock(held->key()).ok());
  const absl::Status ended = call->Wait();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(MessageOf(ended), "mutex: session is expired");
}

TEST_F(ContestTest, AClientThatGoesWhileItWaitsTakesItsKeyAlong) {
  const auto held = Lock("c", Lease());
  ASSERT_TRUE(held.ok());
  const auto other = Open();
  const auto call = Wait(other.get(), kLock, LockRequestOf("c", Lease()), [](std::string_view) {});
  ASSERT_TRUE(Eventually([&] { return KeysUnder("c/") == 2; }));
  call->Cancel();
  EXPECT_TRUE(Eventually([&] { return KeysUnder("c/") == 1; }));
  EXPECT_EQ(client_->Get(held->key())->count(), 1) << "the holder's key stays";
}

TEST_F(ContestTest, WithoutALeaseItTakesOneOfSixtySeconds) {
  const auto held = Lock("free", 0);
  ASSERT_TRUE(held.ok()) << held.status();
  const auto kv = client_->Get(held->key());
  ASSERT_EQ(kv->kvs_size(), 1);
  EXPECT_EQ(client_->LeaseTimeToLive(kv->kvs(0).lease(), false)->grantedttl(), 60);
  const auto unknown = Lock("free", 12345);
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kUnknown) << "as etcd's lock server says";
  EXPECT_EQ(MessageOf(unknown.status()), "etcdserver: requested lease not found");
}

TEST_F(ContestTest, AStopEndsWhoWaits) {
  ASSERT_TRUE(Lock("s", Lease()).ok());
  const auto other = Open();
  const auto call = Wait(other.get(), kLock, LockRequestOf("s", Lease()), [](std::string_view) {});
  ASSERT_TRUE(Eventually([&] { return KeysUnder("s/") == 2; }));
  Stop();
  EXPECT_EQ(call->Wait().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ContestTest, ALeaderIsElectedProclaimsAndResigns) {
  EXPECT_EQ(MessageOf(Leader("e").status()), "election: no leader");
  EXPECT_EQ(Leader("e").status().code(), absl::StatusCode::kUnknown);
  const int64_t lease = Lease();
  const auto won = client_->Call<CampaignResponse>(kCampaign, CampaignOf("e", lease, "one"));
  ASSERT_TRUE(won.ok()) << won.status();
  EXPECT_EQ(won->leader().name(), "e");
  EXPECT_EQ(won->leader().key(), fmt::format("e/{:x}", lease));
  EXPECT_EQ(won->leader().lease(), lease);
  EXPECT_EQ(Leader("e")->kv().value(), "one");
  EXPECT_EQ(Leader("e")->kv().create_revision(), won->leader().rev());
  EXPECT_TRUE(Proclaim(won->leader(), "two").ok());
  EXPECT_EQ(Leader("e")->kv().value(), "two");

  // The same lease campaigning again says another value.
  const auto again = client_->Call<CampaignResponse>(kCampaign, CampaignOf("e", lease, "three"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->leader().rev(), won->leader().rev());
  EXPECT_EQ(Leader("e")->kv().value(), "three");

  EXPECT_TRUE(Resign(won->leader()).ok());
  EXPECT_TRUE(Resign(won->leader()).ok()) << "of what is lost";
  const absl::Status lost = Proclaim(won->leader(), "four");
  EXPECT_EQ(lost.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(MessageOf(lost), "election: not leader");
  v3electionpb::ProclaimRequest nobody;
  EXPECT_EQ(MessageOf(client_->Call<v3electionpb::ProclaimResponse>(kProclaim, nobody).status()),
            "\"leader\" field must be provided");
}

TEST_F(ContestTest, ObserversSeeEachLeaderAndEachValue) {
  v3electionpb::LeaderRequest request;
  request.set_name("o");
  Messages<LeaderResponse> seen;
  const auto observer = Open();
  const auto call = Wait(observer.get(), kObserve, request, seen.Callback());
  const auto first = client_->Call<CampaignResponse>(kCampaign, CampaignOf("o", Lease(), "a"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(seen.Await(0).kv().value(), "a");
  ASSERT_TRUE(Proclaim(first->leader(), "b").ok());
  EXPECT_EQ(seen.Await(1).kv().value(), "b");

  Messages<CampaignResponse> next;
  const auto other = Open();
  const auto waiting = Wait(other.get(), kCampaign, CampaignOf("o", Lease(), "c"), next.Callback());
  ASSERT_TRUE(Eventually([&] { return KeysUnder("o/") == 2; }));
  EXPECT_EQ(seen.count(), 2U) << "a candidate is no leader";
  ASSERT_TRUE(Resign(first->leader()).ok());
  const CampaignResponse won = next.Await(0);
  EXPECT_EQ(won.header().revision(), won.leader().rev()) << "of its entry, not of its victory";
  EXPECT_EQ(seen.Await(2).kv().value(), "c");

  // One who comes later is told who leads now.
  Messages<LeaderResponse> late;
  const auto late_observer = Open();
  const auto late_call = Wait(late_observer.get(), kObserve, request, late.Callback());
  EXPECT_EQ(late.Await(0).kv().value(), "c");
  EXPECT_EQ(seen.count(), 3U);
}

}  // namespace
}  // namespace socle::server
