// What the ledger finds, against a real server: everything right after a load, and each kind of spoiling.
#include "bench/workload/ledger.h"

#include <stdlib.h>

#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/workload/delete.h"
#include "bench/workload/drive.h"
#include "bench/workload/kube.h"
#include "bench/workload/mixed.h"
#include "bench/workload/stm.h"
#include "bench/workload/txn.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/testing/etcd_server.h"

namespace socle::bench {
namespace {

using testing::Contains;
using testing::HasSubstr;

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(dir_.data()), nullptr);
    auto server = server::EtcdServer::Start(dir_);
    if (absl::IsNotFound(server.status())) {
      GTEST_SKIP() << server.status();
    }
    ASSERT_TRUE(server.ok()) << server.status();
    etcd_ = *std::move(server);
    client_ = *server::EtcdClient::Open(etcd_->endpoint());
  }

  void TearDown() override {
    client_.reset();
    etcd_.reset();
    std::filesystem::remove_all(dir_);
  }

  DriveOptions Drives(uint64_t total) const {
    DriveOptions drive;
    drive.endpoints = {etcd_->endpoint()};
    drive.clients = 20;
    drive.conns = 3;
    drive.total = total;
    return drive;
  }

  void Run(VerifiedSource* source, uint64_t total) const {
    const auto run = Drive(Drives(total), source);
    ASSERT_TRUE(run.ok()) << run.status();
    ASSERT_TRUE(IsClean(*run));
  }

  VerifyResult Verify(const Ledger& ledger) const {
    const auto result = ledger.Verify(*server::ResolveEndpoint(etcd_->endpoint()));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : VerifyResult();
  }

  void Delete(const std::string& key) {
    etcdserverpb::DeleteRangeRequest erase;
    erase.set_key(key);
    ASSERT_TRUE(client_->DeleteRange(erase).ok());
  }

  std::string dir_ = "/tmp/socle_ledger_test.XXXXXX";
  std::unique_ptr<server::EtcdServer> etcd_;
  std::unique_ptr<server::EtcdClient> client_;
};

TEST_F(LedgerTest, FindsEveryWorkloadAsItWasPromised) {
  WriteShape shape{.val_size = 40, .key_space_size = 60};
  MixedOptions mixed;
  mixed.shape = shape;
  mixed.shares = {1, 1, 1, 1, 1};
  MixedSource mixed_source(mixed);
  StmOptions stm;
  stm.shape = {.val_size = 20, .key_space_size = 5};
  stm.keys_per_txn = 2;
  StmSource stm_source(stm);
  TxnPutSource txn_source(shape, 7);
  DeleteSource delete_source(shape, 3);
  KubePodsSource pods(30, 100);
  KubeLeasesSource leases(10, 100);

  const struct {
    const char* name;
    RequestSource* source;
    uint64_t keys_min;
  } kCases[] = {{"mixed", &mixed_source, 50}, {"stm", &stm_source, 5},
                {"txn-put", &txn_source, 60}, {"delete", &delete_source, 50},
                {"kube-pods", &pods, 200},    {"kube-leases", &leases, 10}};

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    VerifiedSource verified(c.source);
    Run(&verified, 400);
    const VerifyResult result = Verify(verified.Close());
    EXPECT_TRUE(result.is_good()) << RenderVerification(result);
    EXPECT_EQ(result.right, result.keys);
    EXPECT_EQ(result.uncertain, 0U);
    EXPECT_GE(result.keys, c.keys_min);
  }
}

TEST_F(LedgerTest, FindsWhatWasSpoiledEvenAnOldValueThatCameBack) {
  const WriteShape shape{.val_size = 40, .key_space_size = 50, .sequential_keys = true};
  TxnPutSource source(shape, 5);
  VerifiedSource verified(&source);
  Run(&verified, 100);
  const Ledger& ledger = verified.Close();
  ASSERT_TRUE(Verify(ledger).is_good());
  std::string missing;
  std::string again;
  shape.AssignKey(3, &missing);
  shape.AssignKey(9, &again);
  Delete(missing);
  // Byte for byte what is there, and yet not the write that was acknowledged.
  const auto before = client_->Get(again);
  ASSERT_TRUE(client_->Put(again, before->kvs(0).value()).ok());
  ASSERT_TRUE(client_->Put(again + "+", "a key of somebody else").ok());
  const VerifyResult spoiled = Verify(ledger);
  EXPECT_EQ(spoiled.missing, 1U);
  EXPECT_EQ(spoiled.wrong, 1U);
  EXPECT_EQ(spoiled.right, 48U);
  EXPECT_THAT(spoiled.examples, Contains(HasSubstr(fmt::format("key {} is missing", missing))));
  EXPECT_THAT(spoiled.examples, Contains(HasSubstr("its last acknowledged write was at revision")));
}

TEST_F(LedgerTest, FindsADeletedKeyThatIsThere) {
  const WriteShape shape{.key_space_size = 50, .sequential_keys = true};
  DeleteSource source(shape, 1);
  VerifiedSource verified(&source);
  Run(&verified, 50);
  const Ledger& ledger = verified.Close();
  ASSERT_TRUE(Verify(ledger).is_good());
  std::string key;
  shape.AssignKey(7, &key);
  ASSERT_TRUE(client_->Put(key, "v").ok());
  const VerifyResult spoiled = Verify(ledger);
  EXPECT_EQ(spoiled.wrong, 1U);
  EXPECT_THAT(spoiled.examples, Contains(HasSubstr("it was deleted at revision")));
}

TEST_F(LedgerTest, AllowsWhatRequestsWithoutAnAnswerMayHaveDone) {
  Ledger ledger;
  const auto put = client_->Put("a", "1");
  ledger.Promise({{.key = "a", .value_hash = 1}}, put->header().revision());
  EXPECT_EQ(Verify(ledger).wrong, 1U) << "that hash is of no value";
  ledger.Doubt({{.key = "a"}, {.key = "never"}});
  EXPECT_EQ(Verify(ledger).wrong, 1U) << "the doubted change would be newer";
  ASSERT_TRUE(client_->Put("a", "2").ok());
  const VerifyResult allowed = Verify(ledger);
  EXPECT_TRUE(allowed.is_good());
  EXPECT_EQ(allowed.uncertain, 2U);
}

}  // namespace
}  // namespace socle::bench
