// What permissions allow and refuse, call by call (spec etcd 1.9), over both transports.
#include <string>
#include <utility>
#include <vector>

#include "etcd/election.pb.h"
#include "etcd/lock.pb.h"

#include "server/cmd/testing/auth_fixture.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server {
namespace {

class PermissionTest : public AuthTest {};

TEST_P(PermissionTest, KeysAreReadAndWrittenByPermission) {
  StartWithUsers();

  struct Case {
    std::string got;
    const char* wanted;
  };

  EtcdClient* const a = alice_.get();
  const std::vector<Case> kCases = {
      {Range(a, "r", ""), ""},
      {Range(a, "r1", "r5"), ""},
      {Range(a, "r", "s"), ""},
      {Range(a, "r", "s1"), kDenied},
      {Range(a, "r", kOpen), kDenied},
      {Range(a, "w", ""), kDenied},
      {Range(a, "k", ""), ""},
      {Range(a, "k", kOpen), kDenied},
      {Range(a, "", ""), "etcdserver: key is not provided"},
      {Put(a, "w1"), ""},
      {Put(a, "w1", /*prev_kv=*/true), kDenied},
      {Put(a, "k", /*prev_kv=*/true), ""},
      {Put(a, "r"), kDenied},
      {Put(a, ""), "etcdserver: key is not provided"},
      {Delete(a, "w", "x"), ""},
      {Delete(a, "w", "y"), kDenied},
      {Delete(a, "w1", "", /*prev_kv=*/true), kDenied},
      {Delete(a, "k", "", /*prev_kv=*/true), ""},
      {Text(a->Compact(1)), kDenied},
      {Range(nobody_.get(), "k", ""), kNobody},
      {Range(nobody_.get(), "", ""), "etcdserver: key is not provided"},
      {Put(nobody_.get(), "k"), kNobody},
      {Delete(nobody_.get(), "k", ""), kNobody},
      {Text(nobody_->Compact(1)), kNobody},
      {Range(root_.get(), kOpen, kOpen), ""},
      {Put(root_.get(), "anything"), ""},
      {Text(root_->Compact(1)), ""},
  };
  for (size_t i = 0; i < kCases.size(); ++i) {
    EXPECT_EQ(kCases[i].got, kCases[i].wanted) << "case " << i;
  }
}

TEST_P(PermissionTest, TransactionsAreJudgedByEveryOperationOfBothBranchesAndOfThoseInside) {
  StartWithUsers();
  const auto reads = [](const std::string& key) {
    pb::RequestOp op;
    op.mutable_request_range()->set_key(key);
    return op;
  };
  const auto writes = [](const std::string& key, bool prev_kv = false) {
    pb::RequestOp op;
    op.mutable_request_put()->set_key(key);
    op.mutable_request_put()->set_prev_kv(prev_kv);
    return op;
  };
  const auto erases = [](const std::string& key) {
    pb::RequestOp op;
    op.mutable_request_delete_range()->set_key(key);
    return op;
  };
  std::vector<std::pair<pb::RequestOp, const char*>> cases = {
      {reads("r"), ""},       {reads("w"), kDenied},        {writes("w"), ""},
      {writes("r"), kDenied}, {writes("w", true), kDenied}, {erases("w"), ""},
      {erases("r"), kDenied}, {writes("k", true), ""}};
  for (const auto& [op, wanted] : cases) {
    SCOPED_TRACE(op.ShortDebugString());
    pb::TxnRequest success;
    *success.add_success() = op;
    EXPECT_EQ(Text(alice_->Txn(success)), wanted);
    pb::TxnRequest failure;
    *failure.add_failure() = op;
    EXPECT_EQ(Text(alice_->Txn(failure)), wanted) << "in the branch that is not taken";
    EXPECT_EQ(Text(nobody_->Txn(failure)), kNobody);
    pb::TxnRequest nested;
    *nested.add_failure()->mutable_request_txn()->add_success()->mutable_request_txn() = failure;
    EXPECT_EQ(Text(alice_->Txn(nested)), wanted) << "two levels down";
    EXPECT_EQ(Text(root_->Txn(nested)), "");
  }
  pb::TxnRequest compares;
  compares.add_compare()->set_key("w");
  EXPECT_EQ(Text(alice_->Txn(compares)), kDenied) << "comparing is reading";
  pb::TxnRequest inside;
  *inside.add_success()->mutable_request_txn() = compares;
  EXPECT_EQ(Text(alice_->Txn(inside)), kDenied);
  compares.mutable_compare(0)->set_key("r");
  EXPECT_EQ(Text(alice_->Txn(compares)), "");
  compares.mutable_compare(0)->set_range_end("t");
  EXPECT_EQ(Text(alice_->Txn(compares)), kDenied);
}

TEST_P(PermissionTest, WatchesAreRefusedAsGoPrintsIt) {
  StartWithUsers();
  EXPECT_EQ(Watch(alice_.get(), "r", ""), "");
  EXPECT_EQ(Watch(alice_.get(), "r", "s"), "");
  EXPECT_EQ(Watch(root_.get(), "", kOpen), "");
  const std::string denied =
      "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
  EXPECT_EQ(Watch(alice_.get(), "w", ""), denied);
  EXPECT_EQ(Watch(alice_.get(), "k", kOpen), denied) << "one key is not all from it on";
  EXPECT_EQ(Watch(alice_.get(), "", kOpen), denied);
  EXPECT_EQ(Watch(nobody_.get(), "r", ""),
            "rpc error: code = InvalidArgument desc = etcdserver: user name is empty");
  EXPECT_EQ(Watch(Open({{"token", "wrong"}}).get(), "r", ""),
            "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token");
}

TEST_P(PermissionTest, EveryRefusedWatchOfManyIsAnsweredOnOneStream) {
  constexpr size_t kWatches = 5'000;  // a session holds 1024 refusals, then it isn't read from
  StartWithUsers();
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  const std::string message = request.SerializeAsString();
  std::string body;
  for (size_t i = 0; i < kWatches; ++i) {
    body += std::string(4, '\0') + static_cast<char>(message.size()) + message;
  }
  http::Http2Client client(server_->client_urls().front().port);
  const int32_t id =
      client.Request("POST", "/etcdserverpb.Watch/Watch", body,
                     {{"content-type", "application/grpc"}, {"te", "trailers"}}, true);
  const std::string& answers = client.stream(id).body;  // each is the same, and short
  EXPECT_TRUE(client.RunUntil([&] {
    return answers.size() > 5 &&
           answers.size() == kWatches * (5 + static_cast<unsigned char>(answers[4]));
  })) << answers.size();
  EXPECT_FALSE(client.stream(id).is_closed);
}

TEST_P(PermissionTest, LeasesNeedAUserAndTheirKeysPermission) {
  StartWithUsers();
  EXPECT_EQ(Text(nobody_->LeaseGrant(60, 1)), kNobody);
  ASSERT_EQ(Text(alice_->LeaseGrant(60, 1)), "");
  ASSERT_EQ(Text(root_->LeaseGrant(60, 2)), "");
  EXPECT_EQ(Text(nobody_->LeaseTimeToLive(1, false)), kNobody);
  EXPECT_EQ(Text(nobody_->LeaseKeepAliveOnce(1)), kNobody);
  EXPECT_EQ(Text(nobody_->LeaseLeases()), kNobody);
  EXPECT_EQ(Text(nobody_->LeaseRevoke(1)), kNobody);
  EXPECT_EQ(Put(alice_.get(), "w1", false, 1), "");
  ASSERT_EQ(Put(root_.get(), "other", false, 2), "");
  EXPECT_EQ(Put(alice_.get(), "w1", false, 2), kDenied) << "it could not be revoked again";
  pb::TxnRequest txn;
  txn.add_success()->mutable_request_put()->set_key("w1");
  txn.mutable_success(0)->mutable_request_put()->set_lease(2);
  EXPECT_EQ(Text(alice_->Txn(txn)), kDenied);
  EXPECT_EQ(Text(alice_->LeaseRevoke(2)), kDenied);
  EXPECT_EQ(Text(alice_->LeaseKeepAliveOnce(2)), kDenied);
  EXPECT_EQ(Text(alice_->LeaseKeepAliveOnce(1)), "");
  EXPECT_EQ(Text(alice_->LeaseTimeToLive(2, false)), "");
  EXPECT_EQ(Text(alice_->LeaseTimeToLive(2, true)), kDenied);
  EXPECT_EQ(Text(alice_->LeaseLeases()), kDenied);
  EXPECT_EQ(Text(root_->LeaseTimeToLive(2, true)), "");
  EXPECT_EQ(Text(root_->LeaseLeases()), "");
  EXPECT_EQ(Text(alice_->LeaseRevoke(1)), "");
  EXPECT_EQ(Text(alice_->LeaseRevoke(1)), "etcdserver: requested lease not found");
  EXPECT_EQ(Text(root_->LeaseRevoke(2)), "");
}

TEST_P(PermissionTest, MaintenanceAndMembershipNeedRootExceptForLooking) {
  StartWithUsers();
  const auto call = [](EtcdClient* client, const std::string& path, const auto& request) {
    return std::string(MessageOf(
        client->Call<pb::AlarmResponse>(path, request).status()));  // no field is looked at
  };
  pb::AlarmRequest disarm;
  disarm.set_action(pb::AlarmRequest::DEACTIVATE);
  pb::MemberAddRequest add;
  add.add_peerurls("http://localhost:1");
  pb::MemberUpdateRequest update;
  update.add_peerurls("http://localhost:1");
  const std::string maintenance = "/etcdserverpb.Maintenance/";
  const std::string cluster = "/etcdserverpb.Cluster/";
  for (const auto& [client, refusal] :
       {std::pair(nobody_.get(), kNobody), std::pair(alice_.get(), kDenied)}) {
    EXPECT_EQ(call(client, maintenance + "Alarm", disarm), refusal);
    EXPECT_EQ(call(client, maintenance + "Defragment", pb::DefragmentRequest()), refusal);
    EXPECT_EQ(call(client, maintenance + "Hash", pb::HashRequest()), refusal);
    EXPECT_EQ(call(client, maintenance + "HashKV", pb::HashKVRequest()), refusal);
    EXPECT_EQ(call(client, maintenance + "MoveLeader", pb::MoveLeaderRequest()), refusal);
    EXPECT_EQ(call(client, maintenance + "Downgrade", pb::DowngradeRequest()), refusal);
    EXPECT_EQ(MessageOf(client->Snapshot([](std::string_view) {})), refusal);
    EXPECT_EQ(call(client, cluster + "MemberAdd", add), refusal);
    EXPECT_EQ(call(client, cluster + "MemberRemove", pb::MemberRemoveRequest()), refusal);
    EXPECT_EQ(call(client, cluster + "MemberUpdate", update), refusal);
    EXPECT_EQ(call(client, cluster + "MemberPromote", pb::MemberPromoteRequest()), refusal);
  }
  EXPECT_EQ(call(nobody_.get(), maintenance + "Alarm", pb::AlarmRequest()), kNobody);
  EXPECT_EQ(Text(nobody_->Status()), kNobody);
  EXPECT_EQ(Text(nobody_->MemberList()), kNobody);
  EXPECT_EQ(call(alice_.get(), maintenance + "Alarm", pb::AlarmRequest()), "");
  EXPECT_EQ(Text(alice_->Status()), "");
  EXPECT_EQ(Text(alice_->MemberList()), "");
  EXPECT_EQ(MessageOf(root_->Snapshot([](std::string_view) {})), "");
}

TEST_P(PermissionTest, LocksAndElectionsNeedTheirPrefix) {
  StartWithUsers();
  ASSERT_EQ(AddRole(root_.get(), "locker"), "");
  ASSERT_EQ(Grant(root_.get(), "locker", authpb::Permission::READWRITE, "l/", "l0"), "");
  ASSERT_EQ(GrantRole(root_.get(), "alice", "locker"), "");
  const auto lock = [](EtcdClient* client, const std::string& name) {
    v3lockpb::LockRequest request;
    request.set_name(name);
    return client->Call<v3lockpb::LockResponse>("/v3lockpb.Lock/Lock", request);
  };
  const auto held = lock(alice_.get(), "l");
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(Text(lock(alice_.get(), "m")), kDenied);
  EXPECT_EQ(Text(lock(nobody_.get(), "l")), kNobody);
  v3lockpb::UnlockRequest unlock;
  unlock.set_key(held->key());
  EXPECT_EQ(Text(nobody_->Call<v3lockpb::UnlockResponse>("/v3lockpb.Lock/Unlock", unlock)),
            kNobody);
  EXPECT_EQ(Text(alice_->Call<v3lockpb::UnlockResponse>("/v3lockpb.Lock/Unlock", unlock)), "");

  v3electionpb::LeaderRequest name;
  name.set_name("m");
  const std::string election = "/v3electionpb.Election/";
  EXPECT_EQ(Text(alice_->Call<v3electionpb::LeaderResponse>(election + "Leader", name)), kDenied);
  EXPECT_EQ(MessageOf([&] {
              const auto stream = alice_->OpenStream(election + "Observe", [](std::string_view) {});
              stream->Send(name);
              stream->HalfClose();
              return stream->Wait();
            }()),
            kDenied);
  name.set_name("l");
  EXPECT_EQ(Text(alice_->Call<v3electionpb::LeaderResponse>(election + "Leader", name)),
            "election: no leader");
  v3electionpb::ProclaimRequest proclaim;
  proclaim.mutable_leader()->set_key("w/1");
  EXPECT_EQ(Text(alice_->Call<v3electionpb::ProclaimResponse>(election + "Proclaim", proclaim)),
            kDenied);
  v3electionpb::ResignRequest resign;
  resign.mutable_leader()->set_key("w/1");
  EXPECT_EQ(Text(alice_->Call<v3electionpb::ResignResponse>(election + "Resign", resign)), kDenied);
}

INSTANTIATE_TEST_SUITE_P(Transports, PermissionTest, ::testing::Values("h2", "grpc"));

}  // namespace
}  // namespace socle::server
