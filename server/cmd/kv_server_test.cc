#include "server/cmd/kv_server.h"

#include <memory>
#include <string>

#include "etcd/election.grpc.pb.h"
#include "etcd/lock.grpc.pb.h"
#include "etcd/rpc.grpc.pb.h"
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/env/env.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/revision.h"
#include "server/service/node.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// The stock gRPC client against both transports.
class KvServerTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Start(int64_t quota_bytes = 0, int64_t max_request_bytes = 1'572'864,
             bool quota_recover = false) {
    Settings settings;
    settings.data_dir = dir_.path();
    settings.transport = GetParam();
    settings.listen_client_urls = {"http://127.0.0.1:0"};
    settings.advertise_client_urls = {"http://127.0.0.1:1"};
    settings.quota_backend_bytes = quota_bytes;
    settings.quota_recover = quota_recover;
    settings.max_request_bytes = max_request_bytes;
    auto server = KvServer::Start(settings);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ =
        grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->client_urls().front().port),
                            grpc::InsecureChannelCredentials());
  }

  grpc::Status Put(const std::string& key, const std::string& value, pb::PutResponse* response) {
    grpc::ClientContext context;
    pb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    return pb::KV::NewStub(channel_)->Put(&context, request, response);
  }

  TempDir dir_;
  std::unique_ptr<KvServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_P(KvServerTest, PutsAndGetsWithFullHeadersAcrossARestart) {
  Start();
  pb::PutResponse put;
  ASSERT_TRUE(Put("k", "v", &put).ok());
  EXPECT_EQ(put.header().revision(), 2);
  EXPECT_EQ(put.header().member_id(), 0x8e9e05c52164694dU);
  EXPECT_EQ(put.header().cluster_id(), 0xcdf818194e3a8c32U);
  EXPECT_GE(put.header().raft_term(), 2U);
  server_.reset();
  Start();
  grpc::ClientContext context;
  pb::RangeRequest request;
  pb::RangeResponse range;
  request.set_key("k");
  ASSERT_TRUE(pb::KV::NewStub(channel_)->Range(&context, request, &range).ok());
  ASSERT_EQ(range.kvs_size(), 1);
  EXPECT_EQ(range.kvs(0).value(), "v");
  EXPECT_EQ(range.header().revision(), 2);
}

TEST_P(KvServerTest, RefusesTooLargeRequestsAndEmptyKeysWithEtcdsTexts) {
  Start();
  pb::PutResponse put;
  const grpc::Status large = Put("k", std::string(1'572'864, 'x'), &put);
  EXPECT_EQ(large.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(large.error_message(), "etcdserver: request is too large");
  const grpc::Status beyond = Put("k", std::string(3'000'000, 'x'), &put);
  EXPECT_EQ(beyond.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Put("", "v", &put).error_message(), "etcdserver: key is not provided");
}

TEST_P(KvServerTest, PagesThatLostARecordRaiseTheCorruptAlarmUntilItIsDisarmed) {
  Start();
  pb::PutResponse put;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Put("k", "v", &put).ok());
  }
  const uint64_t member_id = put.header().member_id();
  server_.reset();
  {
    auto engine = kv::OpenBolt(Env::Posix(), dir_.path() + "/member/snap/db", {});
    ASSERT_TRUE(engine.ok()) << engine.status();
    auto txn = (*engine)->BeginWrite();
    ASSERT_TRUE(txn.ok()) << txn.status();
    ASSERT_TRUE((*txn)->Delete("key", mvcc::RevisionKey({10, 0}).view()).ok());
    ASSERT_TRUE((*txn)->Commit().ok());
  }
  for (int start = 0; start < 2;
       ++start) {  // It is stored: the second start finds it, not the loss.
    Start();
    grpc::Status refused = Put("k", "v", &put);
    for (int i = 0; refused.ok() && i < 100; ++i) {  // It is raised while serving begins.
      refused = Put("k", "v", &put);
    }
    EXPECT_EQ(refused.error_code(), grpc::DATA_LOSS);
    EXPECT_EQ(refused.error_message(), "etcdserver: corrupt cluster");
    if (start == 0) {
      server_.reset();
    }
  }
  grpc::ClientContext context;
  pb::AlarmRequest request;
  pb::AlarmResponse response;
  request.set_action(pb::AlarmRequest::DEACTIVATE);
  request.set_memberid(member_id);
  request.set_alarm(pb::CORRUPT);
  ASSERT_TRUE(pb::Maintenance::NewStub(channel_)->Alarm(&context, request, &response).ok());
  EXPECT_TRUE(Put("k", "v", &put).ok());
}

TEST_P(KvServerTest, RaisesTheNoSpaceAlarmBeyondTheQuota) {
  Start(/*quota_bytes=*/1'000);
  pb::PutResponse put;
  const grpc::Status refused = Put("k", "v", &put);
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(), "etcdserver: mvcc: database space exceeded");
  grpc::ClientContext context;
  pb::StatusResponse status;
  ASSERT_TRUE(pb::Maintenance::NewStub(channel_)->Status(&context, {}, &status).ok());
  ASSERT_EQ(status.errors_size(), 1);
  EXPECT_EQ(status.errors(0), "memberID:10276657743932975437 alarm:NOSPACE ");
  EXPECT_EQ(status.dbsizequota(), 1'000);
}

// A full store says of what can't be what it says of it at any time.
TEST_P(KvServerTest, UnderTheNoSpaceAlarmSaysFirstWhatIsInvalidAndWhatIsTooLarge) {
  Start();
  pb::AlarmRequest raise;
  raise.set_action(pb::AlarmRequest::ACTIVATE);
  raise.set_alarm(pb::NOSPACE);
  pb::AlarmResponse raised;
  grpc::ClientContext raising;
  ASSERT_TRUE(pb::Maintenance::NewStub(channel_)->Alarm(&raising, raise, &raised).ok());
  grpc::ClientContext asking;
  pb::StatusResponse status;
  ASSERT_TRUE(pb::Maintenance::NewStub(channel_)->Status(&asking, {}, &status).ok());
  ASSERT_EQ(status.errors_size(), 1);
  EXPECT_EQ(status.errors(0), "alarm:NOSPACE ");
  pb::PutResponse put;
  EXPECT_EQ(Put("", "v", &put).error_message(), "etcdserver: key is not provided");
  EXPECT_EQ(Put("k", std::string(1'600'000, 'x'), &put).error_message(),
            "etcdserver: request is too large");
  EXPECT_EQ(Put("k", "v", &put).error_message(), "etcdserver: mvcc: database space exceeded");
  const auto kv = pb::KV::NewStub(channel_);
  const auto txn = [&kv](int puts) {
    pb::TxnRequest request;
    for (int i = 0; i < puts; ++i) {
      request.add_success()->mutable_request_put()->set_key("same");
    }
    pb::TxnResponse response;
    grpc::ClientContext context;
    return kv->Txn(&context, request, &response).error_message();
  };
  EXPECT_EQ(txn(1), "etcdserver: mvcc: database space exceeded");
  EXPECT_EQ(txn(2), "etcdserver: duplicate key given in txn request");
  EXPECT_EQ(txn(129), "etcdserver: too many operations in txn request");
  grpc::ClientContext erasing;
  pb::DeleteRangeRequest erase;
  pb::DeleteRangeResponse erased;
  EXPECT_EQ(kv->DeleteRange(&erasing, erase, &erased).error_message(),
            "etcdserver: key is not provided");
  erase.set_key("k");
  grpc::ClientContext again;
  EXPECT_TRUE(kv->DeleteRange(&again, erase, &erased).ok());
}

TEST_P(KvServerTest, ADefragmentationGivesSpaceBackSoThatAFullStoreTakesWritesAgain) {
  Start(/*quota_bytes=*/2'000'000);
  pb::PutResponse put;
  grpc::Status status;
  for (int i = 0; i < 5'000 && status.ok(); ++i) {
    status = Put("key" + std::to_string(i), std::string(100'000, 'x'), &put);
  }
  ASSERT_EQ(status.error_message(), "etcdserver: mvcc: database space exceeded");
  const auto kv = pb::KV::NewStub(channel_);
  const auto maintenance = pb::Maintenance::NewStub(channel_);
  {
    grpc::ClientContext context;
    pb::DeleteRangeRequest request;
    pb::DeleteRangeResponse response;
    request.set_key("key");
    request.set_range_end("kez");
    ASSERT_TRUE(kv->DeleteRange(&context, request, &response).ok());
    grpc::ClientContext compaction;
    pb::CompactionRequest compact;
    pb::CompactionResponse compacted;
    compact.set_revision(response.header().revision());
    compact.set_physical(true);
    ASSERT_TRUE(kv->Compact(&compaction, compact, &compacted).ok());
  }
  grpc::ClientContext context;
  pb::DefragmentResponse defragmented;
  ASSERT_TRUE(maintenance->Defragment(&context, {}, &defragmented).ok());
  grpc::ClientContext asking;
  pb::StatusResponse size;
  ASSERT_TRUE(maintenance->Status(&asking, {}, &size).ok());
  EXPECT_LT(size.dbsize(), 300'000);
  grpc::ClientContext disarming;
  pb::AlarmRequest disarm;
  pb::AlarmResponse disarmed;
  disarm.set_action(pb::AlarmRequest::DEACTIVATE);
  disarm.set_memberid(0x8e9e05c52164694dU);
  disarm.set_alarm(pb::NOSPACE);
  ASSERT_TRUE(maintenance->Alarm(&disarming, disarm, &disarmed).ok());
  EXPECT_TRUE(Put("again", "there is room", &put).ok());
}

// etcd#14595, etcd#16779: kube-apiserver's compaction begins with a put, which etcd refuses when it is full.
TEST_P(KvServerTest, WithQuotaRecoverAFullStoreCompactsAndTakesTheAlarmBackByItself) {
  Start(/*quota_bytes=*/16'000'000, 1'572'864, /*quota_recover=*/true);
  const auto kv = pb::KV::NewStub(channel_);
  const auto maintenance = pb::Maintenance::NewStub(channel_);
  const auto alarms = [&] {
    grpc::ClientContext context;
    pb::StatusResponse status;
    EXPECT_TRUE(maintenance->Status(&context, {}, &status).ok());
    return status.errors_size();
  };
  const std::string large(100'000, 'x');
  pb::PutResponse put;
  grpc::Status status;
  for (int i = 0; i < 5'000 && status.ok(); ++i) {
    status = Put("key", large, &put);
  }
  ASSERT_EQ(status.error_message(), "etcdserver: mvcc: database space exceeded");
  EXPECT_EQ(alarms(), 1);
  EXPECT_FALSE(Put("key", large, &put).ok());
  {
    grpc::ClientContext context;
    pb::TxnRequest request;
    pb::TxnResponse response;
    pb::Compare* const compare = request.add_compare();
    compare->set_key("compact_rev_key");
    compare->set_target(pb::Compare::VERSION);
    compare->set_version(0);
    request.add_success()->mutable_request_put()->set_key("compact_rev_key");
    const grpc::Status written = kv->Txn(&context, request, &response);
    ASSERT_TRUE(written.ok()) << written.error_message();
    EXPECT_TRUE(response.succeeded());
    grpc::ClientContext compaction;
    pb::CompactionRequest compact;
    pb::CompactionResponse compacted;
    compact.set_revision(response.header().revision());
    ASSERT_TRUE(kv->Compact(&compaction, compact, &compacted).ok());
  }
  const int64_t deadline = Clock::Real()->MonotonicNanos() + 20 * kNanosPerSecond;
  while (alarms() > 0 && Clock::Real()->MonotonicNanos() < deadline) {
  }
  EXPECT_EQ(alarms(), 0);  // nobody wrote meanwhile
  EXPECT_TRUE(Put("key", large, &put).ok());
}

TEST_P(KvServerTest, StreamsASnapshotWithItsChecksum) {
  Start();
  grpc::ClientContext context;
  const auto reader = pb::Maintenance::NewStub(channel_)->Snapshot(&context, {});
  pb::SnapshotResponse part;
  size_t bytes = 0;
  size_t last_blob = 0;
  while (reader->Read(&part)) {
    bytes += part.blob().size();
    last_blob = part.blob().size();
    EXPECT_EQ(part.version(), "3.6.0");
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(last_blob, 32U);
  EXPECT_EQ(bytes % 512, 32U);
  EXPECT_EQ(part.remaining_bytes(), 0U);
}

TEST_P(KvServerTest, WatchesFromTheRequestedRevision) {
  Start();
  pb::PutResponse put;
  ASSERT_TRUE(Put("w", "1", &put).ok());
  grpc::ClientContext context;
  const auto stream = pb::Watch::NewStub(channel_)->Watch(&context);
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  request.mutable_create_request()->set_start_revision(2);
  ASSERT_TRUE(stream->Write(request));
  pb::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.created());
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.events_size(), 1);
  EXPECT_EQ(response.events(0).kv().value(), "1");
  context.TryCancel();
}

TEST_P(KvServerTest, CutsALargeWatchResponseIntoFragmentsWhenAsked) {
  Start(/*quota_bytes=*/0, /*max_request_bytes=*/100'000);
  pb::PutResponse put;
  constexpr int kPuts = 10;
  for (int i = 0; i < kPuts; ++i) {
    ASSERT_TRUE(Put("w", std::string(90'000, 'x'), &put).ok());
  }
  grpc::ClientContext context;
  const auto stream = pb::Watch::NewStub(channel_)->Watch(&context);
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  request.mutable_create_request()->set_start_revision(2);
  request.mutable_create_request()->set_fragment(true);
  ASSERT_TRUE(stream->Write(request));
  int events = 0;
  int fragments = 0;
  pb::WatchResponse response;
  while (events < kPuts && stream->Read(&response)) {
    events += response.events_size();
    fragments += response.fragment() ? 1 : 0;
    EXPECT_LT(response.ByteSizeLong(), 100'000U + 524'288U);
  }
  EXPECT_EQ(events, kPuts);
  EXPECT_GT(fragments, 0);
  EXPECT_FALSE(response.fragment());
  context.TryCancel();
}

TEST_P(KvServerTest, LocksWaitAreGivenUpAndLeadersAreObserved) {
  Start();
  const auto locks = v3lockpb::Lock::NewStub(channel_);
  v3lockpb::LockRequest request;
  request.set_name("l");
  v3lockpb::LockResponse held;
  grpc::ClientContext first;
  ASSERT_TRUE(locks->Lock(&first, request, &held).ok());
  grpc::ClientContext second;
  second.set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_millis(300, GPR_TIMESPAN)));
  v3lockpb::LockResponse none;
  EXPECT_EQ(locks->Lock(&second, request, &none).error_code(), grpc::DEADLINE_EXCEEDED);
  v3lockpb::UnlockRequest unlock;
  unlock.set_key(held.key());
  v3lockpb::UnlockResponse unlocked;
  grpc::ClientContext third;
  ASSERT_TRUE(locks->Unlock(&third, unlock, &unlocked).ok());
  grpc::ClientContext fourth;
  EXPECT_TRUE(locks->Lock(&fourth, request, &held).ok()) << "who gave up is out of the way";

  const auto elections = v3electionpb::Election::NewStub(channel_);
  v3electionpb::CampaignRequest campaign;
  campaign.set_name("e");
  campaign.set_value("me");
  v3electionpb::CampaignResponse won;
  grpc::ClientContext fifth;
  ASSERT_TRUE(elections->Campaign(&fifth, campaign, &won).ok());
  grpc::ClientContext observing;
  v3electionpb::LeaderRequest name;
  name.set_name("e");
  const auto leaders = elections->Observe(&observing, name);
  v3electionpb::LeaderResponse leader;
  ASSERT_TRUE(leaders->Read(&leader));
  EXPECT_EQ(leader.kv().value(), "me");
  observing.TryCancel();
}

INSTANTIATE_TEST_SUITE_P(Transports, KvServerTest, ::testing::Values("h2", "grpc"));

}  // namespace
}  // namespace socle::server
