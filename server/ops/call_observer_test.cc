#include "server/ops/call_observer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "etcd/rpc.pb.h"
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "kv/testing/temp_dir.h"
#include "server/ops/line_budget.h"
#include "server/service/error_table.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CallPhases, AddUpToTheWholeAndTellWhereAWriteWas) {
  const CallNote note{.received = 100,
                      .batch = {.taken = 150, .logged = 400, .applied = 420},
                      .answered = 425,
                      .encoded = 430};
  const CallPhases phases = PhasesOf(note, 500);
  EXPECT_EQ(phases.queue, 50);
  EXPECT_EQ(phases.log_sync, 250);
  EXPECT_EQ(phases.apply, 20);
  EXPECT_EQ(phases.work, 5);
  EXPECT_EQ(phases.answer, 5);
  EXPECT_EQ(phases.send, 70);
  EXPECT_EQ(phases.total(), 400);
}

TEST(CallPhases, OfAReadOnAWorkerAreItsWaitAndItsWork) {
  const CallNote note{.received = 100, .started = 180, .answered = 300, .encoded = 310};
  const CallPhases phases = PhasesOf(note, 310);
  EXPECT_EQ(phases.worker_wait, 80);
  EXPECT_EQ(phases.work, 120);
  EXPECT_EQ(phases.queue + phases.log_sync + phases.apply, 0);
  EXPECT_EQ(phases.total(), 210);
}

TEST(CallPhases, AreNeverNegativeWhenTheClientWentBeforeTheAnswer) {
  const CallNote note{.received = 100,
                      .batch = {.taken = 90, .logged = 400, .applied = 420},
                      .answered = 425,
                      .encoded = 430};
  const CallPhases phases = PhasesOf(note, 200);
  EXPECT_EQ(phases.queue, 0);
  EXPECT_EQ(phases.send, 0);
  EXPECT_EQ(phases.total(), 330);
}

TEST(LineBudget, TellsInTheNextLineHowManyWereLeftOut) {
  LineBudget budget(2);
  const int64_t second = kNanosPerSecond;
  EXPECT_EQ(budget.Take(5), 0U);
  EXPECT_EQ(budget.Take(6), 0U);
  EXPECT_EQ(budget.Take(7), std::nullopt);
  EXPECT_EQ(budget.Take(8), std::nullopt);
  EXPECT_EQ(budget.left_out(), 2U);
  EXPECT_EQ(budget.Take(5 + second), 2U);
  EXPECT_EQ(budget.Take(6 + second), 0U);
  EXPECT_EQ(budget.Take(7 + second), std::nullopt);
  EXPECT_EQ(budget.left_out(), 1U);
}

TEST(KeyText, ShowsAnyBytesAsTextAndCutsLongKeys) {
  EXPECT_EQ(PrintableKey("/a b", 10), "/a b");
  EXPECT_EQ(PrintableKey(std::string("\0\xff\\", 3), 10), "\\x00\\xff\\\\");
  EXPECT_EQ(PrintableKey("abcdef", 3), "abc…(6 bytes)");
  EXPECT_EQ(JsonText("a\"\n"), "\"a\\\"\\u000a\"");
  EXPECT_EQ(JsonText("ä"), "\"ä\"");

  struct Case {
    const char* name;
    std::string text;
    bool is_utf8;
  };

  const Case cases[] = {
      {"nothing", "", true},
      {"four bytes", "\xf0\x9f\x8e\x89", true},
      {"cut", "\xe2\x82", false},
      {"overlong slash", "\xc0\xaf", false},
      {"overlong three", "\xe0\x80\xaf", false},
      {"surrogate", "\xed\xa0\x80", false},
      {"beyond", "\xf4\x90\x80\x80", false},
      {"continuation alone", "\x80", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(IsUtf8(c.text), c.is_utf8) << c.name;
  }
}

pb::TxnRequest SampleTxn() {
  pb::TxnRequest txn;
  txn.add_compare()->set_key("c");
  pb::PutRequest* const put = txn.add_success()->mutable_request_put();
  put->set_key("p");
  put->set_value("secret-value");
  txn.add_failure()->mutable_request_delete_range()->set_key("d");
  pb::TxnRequest* const nested = txn.add_failure()->mutable_request_txn();
  nested->add_success()->mutable_request_range()->set_key("r");
  return txn;
}

std::string VerbsOf(const CallSubject& subject) {
  std::string verbs;
  for (const CallRange& range : subject.ranges) {
    verbs += std::string(NameOf(range.verb)) + ":" + std::string(range.key) + " ";
  }
  return verbs;
}

TEST(CallSubject, OfATransactionHasBothBranchesAndWhatIsNested) {
  const pb::TxnRequest txn = SampleTxn();
  const CallSubject subject = SubjectOf(RpcMethod::kTxn, txn);
  EXPECT_EQ(VerbsOf(subject), "compare:c put:p delete:d range:r ");
  EXPECT_TRUE(subject.writes);
  EXPECT_EQ(subject.succeeded, std::nullopt);
  EXPECT_EQ(subject.ranges[1].value_bytes, 12U);
}

TEST(CallSubject, OfATransactionThatWasDoneHasTheBranchesTaken) {
  struct Case {
    const char* name;
    bool succeeded;
    bool nested_succeeded;
    const char* verbs;
  };

  constexpr Case kCases[] = {
      {"success", true, false, "compare:c put:p "},
      {"failure", false, true, "compare:c delete:d range:r "},
      {"failure, and of the nested one", false, false, "compare:c delete:d "},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    pb::TxnResponse response;
    response.set_succeeded(c.succeeded);
    response.add_responses();
    if (!c.succeeded) {
      response.add_responses()->mutable_response_txn()->set_succeeded(c.nested_succeeded);
    }
    const pb::TxnRequest txn = SampleTxn();
    const CallSubject subject = SubjectOf(RpcMethod::kTxn, txn, &response);
    EXPECT_EQ(VerbsOf(subject), c.verbs);
    EXPECT_EQ(subject.succeeded, c.succeeded);
    EXPECT_TRUE(subject.writes) << "it may, whatever it did";
  }
}

TEST(CallSubject, OfAGrantHasTheLeaseThatThereIs) {
  pb::LeaseGrantRequest request;
  request.set_ttl(1);
  pb::LeaseGrantResponse response;
  response.set_id(77);
  response.set_ttl(2);
  const CallSubject asked = SubjectOf(RpcMethod::kLeaseGrant, request);
  EXPECT_EQ(asked.lease, 0);
  EXPECT_EQ(asked.ttl, 1);
  const CallSubject granted = SubjectOf(RpcMethod::kLeaseGrant, request, &response);
  EXPECT_EQ(granted.lease, 77);
  EXPECT_EQ(granted.ttl, 2);
}

TEST(CallSubject, KeepsABoundedNumberOfRangesAndCountsAll) {
  pb::TxnRequest txn;
  for (size_t i = 0; i < CallSubject::kRangesMax + 3; ++i) {
    txn.add_success()->mutable_request_range()->set_key("k");
  }
  const CallSubject subject = SubjectOf(RpcMethod::kTxn, txn);
  EXPECT_EQ(subject.ranges.size(), CallSubject::kRangesMax);
  EXPECT_EQ(subject.ranges_total, CallSubject::kRangesMax + 3);
  EXPECT_FALSE(subject.writes);
}

TEST(AuditLine, IsJsonAndHasNoValueAndNoPassword) {
  const std::string line = FormatAuditLine({.method = RpcMethod::kTxn,
                                            .wall_nanos = 1'700'000'000'123'456'789,
                                            .user = "ali\"ce",
                                            .remote = "127.0.0.1:1",
                                            .revision = 7,
                                            .count = 1},
                                           SubjectOf(RpcMethod::kTxn, SampleTxn()));
  EXPECT_THAT(line, Not(HasSubstr("secret-value")));
  const boost::json::object parsed = boost::json::parse(line).as_object();
  EXPECT_EQ(parsed.at("time"), "2023-11-14T22:13:20.123456Z");
  EXPECT_EQ(parsed.at("method"), "Txn");
  EXPECT_EQ(parsed.at("user"), "ali\"ce");
  EXPECT_EQ(parsed.at("revision"), 7);
  EXPECT_EQ(parsed.at("code"), "OK");
  EXPECT_EQ(parsed.at("ranges").as_array().size(), 4U);
  EXPECT_EQ(parsed.at("ranges").at(1).at("bytes"), 12);

  pb::AuthUserAddRequest add;
  add.set_name("bob");
  add.set_password("secret-password");
  const std::string added =
      FormatAuditLine({.method = RpcMethod::kUserAdd}, SubjectOf(RpcMethod::kUserAdd, add));
  EXPECT_THAT(added, HasSubstr(R"("about_user":"bob")"));
  EXPECT_THAT(added, Not(HasSubstr("secret-password")));
}

TEST(AuditLine, WritesAKeyThatIsNoTextSoThatItCantBeTakenForAnother) {
  pb::PutRequest put;
  put.set_key("\xff/k");
  const std::string line =
      FormatAuditLine({.method = RpcMethod::kPut}, SubjectOf(RpcMethod::kPut, put));
  EXPECT_EQ(boost::json::parse(line).at("ranges").at(0).at("key_escaped"), "\\xff/k");
}

TEST(AuditLine, OfAHugeTransactionIsCutAndSaysSo) {
  pb::TxnRequest txn;
  for (int i = 0; i < 100; ++i) {
    txn.add_success()->mutable_request_put()->set_key(std::string(3'000, 'k'));
  }
  const std::string line = FormatAuditLine({}, SubjectOf(RpcMethod::kTxn, txn));
  const boost::json::object parsed = boost::json::parse(line).as_object();
  EXPECT_LT(line.size(), 80'000U);
  EXPECT_EQ(parsed.at("ranges").as_array().size() +
                static_cast<size_t>(parsed.at("ranges_left_out").as_int64()),
            100U);
}

// Takes lines, or fails.
class FakeDisk {
 public:
  AuditLog::Sink sink() {
    return [this](std::string_view bytes) -> absl::Status {
      MutexLock lock(&mu_);
      ++tries_;
      changed_.SignalAll();
      if (is_full_) {
        return absl::ResourceExhaustedError("no space left on device");
      }
      text_ += bytes;
      return absl::OkStatus();
    };
  }

  void SetFull(bool is_full) {
    MutexLock lock(&mu_);
    is_full_ = is_full;
  }

  std::string text() {
    MutexLock lock(&mu_);
    return text_;
  }

  void AwaitTries(int count) {
    MutexLock lock(&mu_);
    while (tries_ < count) {
      changed_.Wait(&mu_);
    }
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::string text_ ABSL_GUARDED_BY(mu_);
  bool is_full_ ABSL_GUARDED_BY(mu_) = false;
  int tries_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(AuditLog, WritesByLevelAndRefusalsOnEvery) {
  const CallSubject put = SubjectOf(RpcMethod::kPut, pb::PutRequest());
  const CallSubject range = SubjectOf(RpcMethod::kRange, pb::RangeRequest());
  const absl::Status ok;
  FakeDisk disk;
  AuditLog auth({.sink = disk.sink(), .level = AuditLevel::kAuth});
  AuditLog writes({.sink = disk.sink(), .level = AuditLevel::kWrites});
  AuditLog all({.sink = disk.sink(), .level = AuditLevel::kAll});
  EXPECT_FALSE(auth.Wants(RpcMethod::kPut, put, ok));
  EXPECT_TRUE(auth.Wants(RpcMethod::kAuthenticate, {}, ok));
  for (const EtcdError error :
       {EtcdError::kPermissionDenied, EtcdError::kInvalidAuthToken, EtcdError::kUserNameEmpty,
        EtcdError::kAuthOldRevision, EtcdError::kAuthFailed}) {
    EXPECT_TRUE(auth.Wants(RpcMethod::kRange, range, WireStatus(error)));
  }
  EXPECT_FALSE(auth.Wants(RpcMethod::kPut, put, WireStatus(EtcdError::kNoSpace)));
  EXPECT_TRUE(writes.Wants(RpcMethod::kPut, put, ok));
  EXPECT_TRUE(writes.Wants(RpcMethod::kPut, put, WireStatus(EtcdError::kNoSpace)));
  EXPECT_FALSE(writes.Wants(RpcMethod::kRange, range, ok));
  EXPECT_TRUE(all.Wants(RpcMethod::kRange, range, ok));
  EXPECT_FALSE(all.Wants(RpcMethod::kLeaseKeepAlive, {}, ok));
}

TEST(AuditLog, KeepsLinesWhileTheDiskIsFullAndWritesThemOnceLater) {
  FakeDisk disk;
  disk.SetFull(true);
  const CallSubject put = SubjectOf(RpcMethod::kPut, pb::PutRequest());
  {
    AuditLog log(
        {.sink = disk.sink(), .on_failure = AuditFailure::kRefuse, .retry_nanos = kNanosPerMilli});
    EXPECT_FALSE(log.Refuses(RpcMethod::kPut, put));
    log.Add({.method = RpcMethod::kPut, .user = "first"}, put);
    disk.AwaitTries(3);
    EXPECT_TRUE(log.Refuses(RpcMethod::kPut, put));
    EXPECT_FALSE(log.Refuses(RpcMethod::kRange, SubjectOf(RpcMethod::kRange, pb::RangeRequest())));
    log.Add({.method = RpcMethod::kPut, .user = "second"}, put);
    disk.SetFull(false);
    while (log.Refuses(RpcMethod::kPut, put)) {  // tried again by itself
      Clock::Real()->SleepFor(kNanosPerMilli);
    }
    EXPECT_EQ(log.dropped(), 0U);
  }
  const std::string text = disk.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_LT(text.find("first"), text.find("second"));
}

TEST(AuditLog, CountsWhatItsBufferCantTakeAndGoesOn) {
  FakeDisk disk;
  disk.SetFull(true);
  AuditLog log({.sink = disk.sink(), .retry_nanos = kNanosPerMilli});
  pb::TxnRequest txn;
  for (int i = 0; i < 20; ++i) {
    txn.add_success()->mutable_request_put()->set_key(std::string(3'000, 'k'));
  }
  const CallSubject subject = SubjectOf(RpcMethod::kTxn, txn);
  for (int i = 0; i < 400; ++i) {
    log.Add({.method = RpcMethod::kTxn}, subject);
  }
  EXPECT_GT(log.dropped(), 0U);
  EXPECT_FALSE(log.Refuses(RpcMethod::kTxn, subject));
}

// A pipe that nobody reads, a server of files that is gone: the sink does not fail, it does not return.
TEST(AuditLog, RefusesWhileItsSinkHangs) {
  Mutex mu;
  mu.Lock();
  const auto sink = [&mu](std::string_view) {
    const MutexLock lock(&mu);
    return absl::OkStatus();
  };
  AuditLog log({.sink = sink, .on_failure = AuditFailure::kRefuse, .retry_nanos = kNanosPerMilli});
  pb::PutRequest put;
  put.set_key(std::string(3'000, 'k'));
  const CallSubject subject = SubjectOf(RpcMethod::kPut, put);
  for (int i = 0; i < 20'000 && !log.Refuses(RpcMethod::kPut, subject); ++i) {
    log.Add({.method = RpcMethod::kPut}, subject);
  }
  EXPECT_TRUE(log.Refuses(RpcMethod::kPut, subject));
  EXPECT_EQ(log.dropped(), 0U) << "it refuses before it must leave lines out";
  mu.Unlock();
  while (log.Refuses(RpcMethod::kPut, subject)) {
    Clock::Real()->SleepFor(kNanosPerMilli);
  }
}

std::string ContentsOf(const std::string& path) {
  const auto file = Env::Posix()->Open(path, OpenMode::kReadWrite);
  CHECK_OK(file.status());
  std::string text((*file)->Size().value(), '\0');
  CHECK_OK((*file)->ReadAt(0, text));
  return text;
}

TEST(AuditFile, GoesOnAfterItWasTruncatedOrMovedAway) {
  const TempDir dir;
  const std::string path = dir.path() + "/audit.log";
  AuditFile file(Env::Posix(), path);
  ASSERT_TRUE(file.Append("one\n").ok());
  ASSERT_TRUE(file.Append("two\n").ok());
  EXPECT_EQ(ContentsOf(path), "one\ntwo\n");
  ASSERT_TRUE((*Env::Posix()->Open(path, OpenMode::kReadWrite))->Truncate(0).ok());
  ASSERT_TRUE(file.Append("three\n").ok());
  EXPECT_EQ(ContentsOf(path), "three\n");
  ASSERT_TRUE(Env::Posix()->Rename(path, path + ".1").ok());
  ASSERT_TRUE(file.Append("four\n").ok());
  EXPECT_EQ(ContentsOf(path), "four\n");
  EXPECT_EQ(ContentsOf(path + ".1"), "three\n");
}

}  // namespace
}  // namespace socle::server
