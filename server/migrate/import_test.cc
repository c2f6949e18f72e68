// Imports of data directories made by hand: what comes out, and what is refused.
#include "server/migrate/import.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "etcd/raft_internal.pb.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "lease/lessor.h"
#include "mvcc/schema.h"
#include "server/auth/auth_state.h"
#include "server/migrate/testing/log_bytes.h"

namespace socle::server {
namespace {

using etcdserverpb::InternalRaftRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMember = LogBytes::kMember;
constexpr const char* kMemberJson =
    R"({"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default"})";

std::string Serialized(const std::function<void(InternalRaftRequest*)>& fill) {
  InternalRaftRequest request;
  request.mutable_header()->set_id(7);
  fill(&request);
  return request.SerializeAsString();
}

std::string PutEntry(const std::string& key, const std::string& value, int64_t lease = 0) {
  return Serialized([&](InternalRaftRequest* request) {
    request->mutable_put()->set_key(key);
    request->mutable_put()->set_value(value);
    request->mutable_put()->set_lease(lease);
  });
}

std::string V2Entry(const std::string& method, const std::string& path, const std::string& value) {
  etcdserverpb::V2Request request;
  request.set_id(1);
  request.set_method(method);
  request.set_path(path);
  request.set_val(value);
  return request.SerializeAsString();
}

std::string SnapBytes(uint64_t index, uint64_t term, std::initializer_list<uint64_t> voters,
                      std::string_view v2_store) {
  std::string state;
  for (const uint64_t voter : voters) {
    AppendNumberField(1, voter, &state);
  }
  std::string metadata;
  AppendBytesField(1, state, &metadata);
  AppendNumberField(2, index, &metadata);
  AppendNumberField(3, term, &metadata);
  std::string inner;
  AppendBytesField(1, v2_store, &inner);
  AppendBytesField(2, metadata, &inner);
  std::string bytes;
  AppendNumberField(1, kv::Crc32c(inner), &bytes);
  AppendBytesField(2, inner, &bytes);
  return bytes;
}

// The directory of an etcd that was alone, at entry 3 of its log, with nothing but the log's first entries; changed by tests.
class Directory {
 public:
  Directory() : log_(Begun()) {
    EXPECT_OK(env_->CreateDirs(path("member/snap")));
    EXPECT_OK(env_->CreateDirs(path("member/wal")));
  }

  static LogBytes Begun() {
    LogBytes log;
    log.Head().Marker(0, 0).Entry(1, 1, ConfChangeMessage(0, kMember, kMemberJson), 1);
    return log.HardState(2, 1).Entry(2, 2, "").Entry(3, 2, V2Entry("PUT", "/0/version", "3.4.0"));
  }

  std::string path(const std::string& name = "") const {
    return (dir_.path() + "/etcd") + (name.empty() ? "" : "/" + name);
  }

  std::string target() const { return dir_.path() + "/socle"; }

  LogBytes& log() { return log_; }

  void Write(const std::string& name, std::string_view bytes) {
    const auto file = env_->Open(path(name), OpenMode::kReadWriteCreate);
    ASSERT_OK(file);
    ASSERT_OK((*file)->Truncate(0));
    ASSERT_OK((*file)->WriteAt(0, bytes));
  }

  void set_applied(uint64_t applied) { applied_ = applied; }

  std::map<std::string, std::string>& meta() { return meta_; }

  // Writes database and log as they are now.
  void Make() {
    const auto engine = kv::OpenBolt(env_, path("member/snap/db"), {});
    ASSERT_OK(engine);
    const auto txn = (*engine)->BeginWrite();
    for (const char* bucket : {"key", "meta", "lease", "members"}) {
      ASSERT_OK((*txn)->CreateBucket(bucket));
    }
    if (applied_ > 0) {
      ASSERT_OK((*txn)->Put("members", fmt::format("{:x}", kMember), kMemberJson));
      ASSERT_OK((*txn)->Put("meta", "consistent_index", BigEndian64(applied_)));
    }
    for (const auto& [key, value] : meta_) {
      ASSERT_OK((*txn)->Put("meta", key, value));
    }
    ASSERT_OK((*txn)->Commit());
    Write("member/wal/0000000000000000-0000000000000000.wal", log_.bytes());
  }

  absl::StatusOr<Imported> Import() {
    Make();
    return ImportEtcd(env_, {.source = path(), .target = target()});
  }

  Env* env() { return env_; }

 private:
  Env* const env_ = Env::Posix();
  const TempDir dir_;
  LogBytes log_;
  uint64_t applied_ = 3;
  std::map<std::string, std::string> meta_;
};

// The imported store, opened.
struct Opened {
  explicit Opened(const Directory& directory) {
    auto opened = mvcc::Store::Open({.directory = directory.target(), .lease_hook = &lessor});
    EXPECT_OK(opened);
    store = *std::move(opened);
    lessor.StartDeadlines();
  }

  std::string Value(const std::string& key) const {
    const auto range = store->Range({.key = key});
    EXPECT_OK(range);
    return range->kvs.empty() ? "none" : std::string(range->kvs.front().value);
  }

  std::string System(const std::string& bucket, const std::string& key) const {
    const auto entries = store->ReadSystem(bucket);
    EXPECT_OK(entries);
    for (const auto& [name, value] : *entries) {
      if (name == key) {
        return value;
      }
    }
    return "none";
  }

  lease::Lessor lessor;
  std::unique_ptr<mvcc::Store> store;
};

TEST(ImportEtcd, AppliesWhatTheDatabaseDoesNotHaveYet) {
  Directory directory;
  directory.log().Entry(4, 2, PutEntry("a", "1")).Entry(5, 3, PutEntry("b", "2", 99));
  directory.log().Entry(6, 3, Serialized([](InternalRaftRequest* request) {
                          request->mutable_lease_grant()->set_id(99);
                          request->mutable_lease_grant()->set_ttl(1);
                        }));
  directory.log().Entry(7, 3, PutEntry("b", "3", 99)).HardState(3, 6);
  const auto imported = directory.Import();
  ASSERT_OK(imported);
  EXPECT_EQ(imported->applied_before, 3);
  EXPECT_EQ(imported->last_index, 7);
  EXPECT_EQ(imported->entries.applied, 3);
  EXPECT_EQ(imported->entries.refused, 1) << "the lease was not there yet";
  EXPECT_EQ(imported->leases, 1);
  const Opened opened(directory);
  EXPECT_EQ(opened.Value("a"), "1");
  EXPECT_EQ(opened.Value("b"), "3");
  EXPECT_EQ(opened.lessor.TimeToLive(lease::LeaseId{99}, false)->granted_ttl_seconds, 2)
      << "the smallest that etcd grants";
  EXPECT_EQ(opened.System("meta", "term"), BigEndian64(3));
  EXPECT_EQ(opened.System("meta", "confState"),
            R"({"voters":[10276657743932975437],"auto_leave":false})");
}

TEST(ImportEtcd, TakesWhatIsOnlyInTheLogOfAServerThatHadJustBegun) {
  Directory directory;
  directory.set_applied(0);
  directory.log().Entry(4, 2,
                        V2Entry("PUT", "/0/members/8e9e05c52164694d/attributes",
                                R"({"name":"left","clientURLs":["http://localhost:2379"]})"));
  directory.log().Entry(5, 2, V2Entry("SYNC", "", ""));
  const auto imported = directory.Import();
  ASSERT_OK(imported);
  EXPECT_EQ(imported->member.name, "left");
  EXPECT_THAT(imported->member.peer_urls, ElementsAre("http://localhost:2380"));
  EXPECT_THAT(imported->member.client_urls, ElementsAre("http://localhost:2379"));
  EXPECT_EQ(Opened(directory).System("cluster", "clusterVersion"), "3.4.0");
}

TEST(ImportEtcd, AppliesTheEntriesThatOnlyNewerServersWrite) {
  Directory directory;
  directory.meta()["storageVersion"] = "3.7.0";
  directory.meta()["socle_store_id"] = "12345678";
  uint64_t index = 3;
  const auto add = [&](const std::function<void(InternalRaftRequest*)>& fill) {
    directory.log().Entry(++index, 2, Serialized(fill));
  };
  add([](InternalRaftRequest* r) { r->mutable_cluster_version_set()->set_ver("3.7.0"); });
  add([](InternalRaftRequest* r) {
    r->mutable_cluster_member_attr_set()->set_member_id(kMember);
    r->mutable_cluster_member_attr_set()->mutable_member_attributes()->set_name("newer");
  });
  add([](InternalRaftRequest* r) { r->mutable_downgrade_info_set()->set_enabled(false); });
  add([](InternalRaftRequest* r) { r->mutable_downgrade_version_test()->set_ver("3.6.0"); });
  add([](InternalRaftRequest* r) {
    r->mutable_auth_user_add()->set_name("hashed");
    r->mutable_auth_user_add()->set_hashedpassword("JDJhJDEwJGhhc2g=");  // $2a$10$hash
  });
  add([](InternalRaftRequest* r) {
    r->mutable_auth_user_add()->set_name("broken");
    r->mutable_auth_user_add()->set_hashedpassword("%%%");
  });
  add([](InternalRaftRequest* r) {
    r->mutable_auth_user_change_password()->set_name("hashed");
    r->mutable_auth_user_change_password()->set_hashedpassword("JDJhJDEwJG90aGVy");  // $2a$10$other
  });
  add([](InternalRaftRequest* r) {
    r->mutable_lease_grant()->set_id(5), r->mutable_lease_grant()->set_ttl(900);
  });
  add([](InternalRaftRequest* r) {
    auto* const checkpoint = r->mutable_lease_checkpoint()->add_checkpoints();
    checkpoint->set_id(5);
    checkpoint->set_remaining_ttl(300);
  });
  const auto imported = directory.Import();
  ASSERT_OK(imported);
  EXPECT_EQ(imported->entries.refused, 1);
  EXPECT_EQ(imported->member.name, "newer");
  const Opened opened(directory);
  EXPECT_EQ(opened.System("cluster", "clusterVersion"), "3.7.0");
  EXPECT_EQ(opened.System("cluster", "downgrade"), R"({"target-version":"","enabled":false})");
  EXPECT_EQ(opened.System("meta", "storageVersion"), "3.6.0");
  EXPECT_NE(opened.System("meta", "socle_store_id"), "12345678");
  authpb::User user;
  EXPECT_TRUE(user.ParseFromString(opened.System("authUsers", "hashed")));
  EXPECT_EQ(user.password(), "$2a$10$other");
  EXPECT_LE(opened.lessor.TimeToLive(lease::LeaseId{5}, false)->remaining_seconds, 300);
}

// What a server writes of itself to the v2 store is in the database once it was applied.
TEST(ImportEtcd, TakesADirectoryWhoseAppliedEntriesAreNoLongerUnderstoodButLeftNothingBehind) {
  Directory directory;
  directory.log().Entry(4, 2, V2Entry("PUT", "/0/members/8e9e05c52164694d/attributes", "{}"));
  directory.log().Entry(5, 2, V2Entry("PUT", "/0/version", "3.4.0"));
  directory.log().Entry(6, 2, V2Entry("DELETE", "/0/something", ""));
  directory.log().Entry(7, 2, V2Entry("QGET", "/1/foo", "")).Entry(8, 2, V2Entry("SYNC", "", ""));
  // In a snapshot of the log since, which holds no key.
  directory.log().Entry(9, 2, V2Entry("PUT", "/1/foo", "bar"));
  directory.log().Entry(10, 2, V2Entry("DELETE", "/1/foo", "")).Marker(10, 2, {kMember});
  directory.log().Entry(11, 2, PutEntry("a", "1"));
  directory.set_applied(11);
  EXPECT_OK(directory.Import());
}

TEST(ImportEtcd, CutsATornTailAndSaysSo) {
  Directory directory;
  directory.log().Entry(4, 2, PutEntry("a", "1")).Entry(5, 2, PutEntry("b", "2"));
  directory.log().bytes().resize(directory.log().bytes().size() - 8);
  const auto imported = directory.Import();
  ASSERT_OK(imported);
  EXPECT_THAT(imported->torn.value_or(""), HasSubstr("0.wal: record 8 at offset"));
  EXPECT_EQ(Opened(directory).Value("b"), "none");
}

struct Refusal {
  const char* name;
  std::function<void(Directory*)> plant;
  const char* says;
};

const std::vector<Refusal>& Refusals() {
  static const std::vector<Refusal> refusals = {
      {"two voters",
       [](Directory* d) { d->log().Entry(4, 2, ConfChangeMessage(0, 0xabc), 1).HardState(2, 4); },
       "the cluster has 2 voters (abc, 8e9e05c52164694d)"},
      {"a voter that comes only later",
       [](Directory* d) { d->log().Entry(4, 2, ConfChangeMessage(0, 0xabc), 1); }, "2 voters"},
      {"two voters until an entry that may never have been agreed on",
       [](Directory* d) {
         d->log().Entry(4, 2, ConfChangeMessage(0, 0xabc), 1).HardState(2, 4);
         d->log().Entry(5, 2, ConfChangeMessage(1, 0xabc), 1);
       },
       "2 voters"},
      {"a learner", [](Directory* d) { d->log().Entry(4, 2, ConfChangeMessage(3, 0xabc), 1); },
       "the cluster has a learner (abc)"},
      {"a member that was removed",
       [](Directory* d) { d->log().Entry(4, 2, ConfChangeMessage(1, kMember), 1); },
       "does not vote in its cluster"},
      {"voters of a snapshot of 3.4",
       [](Directory* d) {
         d->log().Marker(3, 2).Entry(4, 2, "");
         d->Write("member/snap/0000000000000002-0000000000000003.snap",
                  SnapBytes(3, 2, {kMember, 1, 2}, ""));
       },
       "the cluster has 3 voters"},
      {"voters of a snapshot of 3.5",
       [](Directory* d) {
         d->log().Marker(3, 2, {kMember, 1}).Entry(4, 2, "");
       },
       "2 voters"},
      {"a snapshot that is missing", [](Directory* d) { d->log().Marker(3, 2).Entry(4, 2, ""); },
       "0000000000000002-0000000000000003.snap: is missing"},
      {"a snapshot that is broken",
       [](Directory* d) {
         d->log().Marker(3, 2).Entry(4, 2, "");
         std::string bytes = SnapBytes(3, 2, {kMember}, "");
         bytes.back() = static_cast<char>(bytes.back() ^ 1);
         d->Write("member/snap/0000000000000002-0000000000000003.snap", bytes);
       },
       "its checksum is"},
      {"keys of the v2 API in a snapshot",
       [](Directory* d) {
         d->log().Marker(3, 2).Entry(4, 2, "");
         d->Write("member/snap/0000000000000002-0000000000000003.snap",
                  SnapBytes(3, 2, {kMember},
                            R"({"Root":{"Children":{"0":{},"1":{"Children":{"a":{}}}}}})"));
       },
       "clients of the v2 API have 1 keys"},
      {"a key of the v2 API in the log",
       [](Directory* d) { d->log().Entry(4, 2, V2Entry("PUT", "/1/foo", "bar")); },
       "record 7 at offset 328: entry 4: PUT /1/foo changes the v2 store"},
      {"a key of the v2 API that the server had applied, and kept in memory",
       [](Directory* d) {
         d->log().Entry(4, 2, V2Entry("PUT", "/1/foo", "bar")).Entry(5, 2, PutEntry("a", "1"));
         d->set_applied(5);
       },
       "record 7 at offset 328: entry 4: PUT /1/foo changes the v2 store"},
      {"a key of the v2 API behind the newest snapshot of the log",
       [](Directory* d) {
         d->log().Marker(3, 2, {kMember}).Entry(4, 2, V2Entry("POST", "/1/queue", "x"));
         d->set_applied(4);
       },
       "entry 4: POST /1/queue changes the v2 store"},
      {"a request that is not known",
       [](Directory* d) {
         std::string request = Serialized([](InternalRaftRequest*) {});
         AppendBytesField(1400, "new", &request);
         d->log().Entry(4, 2, request);
       },
       "entry 4: it has field 1400, which is not known here"},
      {"an option of a known request that is not known",
       [](Directory* d) {
         std::string put;
         AppendBytesField(1, "a", &put);
         AppendNumberField(99, 1, &put);
         std::string request;
         AppendBytesField(4, put, &request);
         d->log().Entry(4, 2, request);
       },
       "entry 4: it has field 99"},
      {"a request for nothing",
       [](Directory* d) { d->log().Entry(4, 2, Serialized([](InternalRaftRequest*) {})); },
       "entry 4 can't be applied here: it asks for nothing"},
      {"bytes that are no request", [](Directory* d) { d->log().Entry(4, 2, "\xff\xff\xff"); },
       "entry 4: its bytes are no request"},
      {"an entry of a type that is not known", [](Directory* d) { d->log().Entry(4, 2, "x", 2); },
       "entries of type 2 are not known"},
      {"a log that lost its end", [](Directory* d) { d->set_applied(9); },
       "holds the log up to entry 9, but the log ends with entry 3"},
      {"a database that is older than the log",
       [](Directory* d) {
         d->log().Marker(3, 2, {kMember}).HardState(2, 3);
         d->set_applied(2);
       },
       "was it replaced?"},
      {"a segment that is missing",
       [](Directory* d) { d->Write("member/wal/0000000000000002-0000000000000009.wal", "x"); },
       "0000000000000002-0000000000000009.wal: follows segment 0000000000000000"},
      {"a segment with a name that is none",
       [](Directory* d) { d->Write("member/wal/x.wal", "x"); },
       "x.wal: is no name of a log segment"},
      {"a database of a newer etcd", [](Directory* d) { d->meta()["storageVersion"] = "3.9.0"; },
       "storage version 3.9.0"},
      {"an index that is no number", [](Directory* d) { d->meta()["consistent_index"] = "x"; },
       "is no number of 8 bytes"},
  };
  return refusals;
}

TEST(ImportEtcd, RefusesWhatCantBeTakenOverExactlyAndLeavesNothingUnderTheName) {
  for (const Refusal& refusal : Refusals()) {
    SCOPED_TRACE(refusal.name);
    Directory directory;
    refusal.plant(&directory);
    const auto imported = directory.Import();
    ASSERT_FALSE(imported.ok());
    EXPECT_THAT(std::string(imported.status().message()), HasSubstr(refusal.says));
    const auto exists = directory.env()->Exists(directory.target());
    ASSERT_OK(exists);
    EXPECT_FALSE(*exists);
  }
}

TEST(ImportEtcd, RefusesADirectoryThatIsInUseOrNoneAndATargetThatIsNotEmpty) {
  Directory directory;
  directory.Make();
  Env* const env = directory.env();
  {
    const auto lock = env->Lock(directory.path("member/snap/db"));
    ASSERT_OK(lock);
    const auto imported =
        ImportEtcd(env, {.source = directory.path(), .target = directory.target()});
    EXPECT_TRUE(absl::IsFailedPrecondition(imported.status()));
    EXPECT_THAT(std::string(imported.status().message()), HasSubstr("etcd must be stopped first"));
  }
  EXPECT_TRUE(absl::IsNotFound(
      ImportEtcd(env, {.source = directory.path("member"), .target = directory.target()})
          .status()));
  ASSERT_OK(env->CreateDirs(directory.target() + "/something"));
  EXPECT_THAT(
      std::string(ImportEtcd(env, {.source = directory.path(), .target = directory.target()})
                      .status()
                      .message()),
      HasSubstr("exists and is not empty"));
  ASSERT_OK(env->CreateDirs(directory.target() + "2.unfinished"));
  EXPECT_THAT(
      std::string(ImportEtcd(env, {.source = directory.path(), .target = directory.target() + "2"})
                      .status()
                      .message()),
      HasSubstr("was left by an earlier attempt"));
}

TEST(ImportEtcd, NamesTheBrokenPageOfTheDatabase) {
  Directory directory;
  directory.Make();
  const auto file = directory.env()->Open(directory.path("member/snap/db"), OpenMode::kReadWrite);
  ASSERT_OK(file);
  // Pages 0 and 1 are the meta pages; all others lose their headers.
  const auto size = (*file)->Size();
  ASSERT_OK(size);
  for (uint64_t page = 2; page * 4096 < *size; ++page) {
    ASSERT_OK((*file)->WriteAt(page * 4096, std::string(16, '\xee')));
  }
  const auto imported =
      ImportEtcd(directory.env(), {.source = directory.path(), .target = directory.target()});
  EXPECT_TRUE(absl::IsDataLoss(imported.status())) << imported.status();
  EXPECT_THAT(std::string(imported.status().message()), HasSubstr("member/snap/db: page "));
}

}  // namespace
}  // namespace socle::server
