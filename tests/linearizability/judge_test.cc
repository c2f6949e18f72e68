#include "tests/linearizability/judge.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mvcc/errors.h"
#include "tests/linearizability/random_client.h"

namespace socle::linearizability {
namespace {

using mvcc::KeyValueView;
using mvcc::LeaseId;
using mvcc::StoreError;
using ::testing::HasSubstr;

// Writes a history by hand: each call with its ticks, and its answer or none.
class Writer {
 public:
  // The ticks: `from` to `to`; `to` 0 is no answer, ever.
  template <typename Asked, typename Result>
  Writer& Add(int64_t from, int64_t to, Asked asked, absl::StatusOr<Result> result) {
    std::shared_ptr<const Request> request;
    const Asked* stored = nullptr;
    if constexpr (std::is_same_v<Asked, mvcc::RangeRequest>) {
      request = std::make_shared<const Request>(std::move(asked));
      stored = &std::get<Asked>(*request);
    } else {
      request = std::make_shared<const Request>(mvcc::Operation(std::move(asked)));
      stored = &std::get<Asked>(std::get<mvcc::Operation>(*request));
    }
    Call call{.client = static_cast<int>(from), .invoked = from, .request = request, .answer = {}};
    if (to != 0) {
      call.returned = to;
      call.is_answered = true;
      call.answer = AnswerOf(*stored, result);
    }
    history_.calls.push_back(std::move(call));
    SortCalls(&history_);
    return *this;
  }

  Writer& Put(int64_t from, int64_t to, const std::string& key, const std::string& value,
              int64_t revision, int64_t lease = 0) {
    return Add<mvcc::PutRequest, mvcc::PutResult>(
        from, to, {.key = key, .value = value, .lease = LeaseId{lease}}, {{.revision = revision}});
  }

  Writer& Delete(int64_t from, int64_t to, const std::string& key, int64_t revision,
                 int64_t deleted) {
    return Add<mvcc::DeleteRangeRequest, mvcc::DeleteRangeResult>(
        from, to, {.key = key}, {{.revision = revision, .deleted = deleted}});
  }

  // A read of one key; `at` is the revision asked for.
  Writer& Get(int64_t from, int64_t to, const std::string& key, int64_t revision,
              const std::vector<KeyValueView>& kvs, int64_t at = 0) {
    mvcc::RangeResult result;
    result.revision = revision;
    result.kvs = kvs;
    result.count = static_cast<int64_t>(kvs.size());
    return Add<mvcc::RangeRequest, mvcc::RangeResult>(from, to, {.key = key, .revision = at},
                                                      std::move(result));
  }

  Writer& Compact(int64_t from, int64_t to, int64_t at, int64_t revision) {
    return Add<mvcc::CompactOp, mvcc::CompactResult>(from, to, {at}, {{.revision = revision}});
  }

  Writer& Grant(int64_t from, int64_t to, int64_t lease, int64_t revision) {
    return Add<mvcc::LeaseGrantOp, mvcc::LeaseGrantResult>(
        from, to, {.id = LeaseId{lease}, .ttl_seconds = 9}, {{.revision = revision}});
  }

  Writer& Revoke(int64_t from, int64_t to, int64_t lease, int64_t revision) {
    return Add<mvcc::LeaseRevokeOp, mvcc::LeaseRevokeResult>(from, to, {LeaseId{lease}},
                                                             {{.revision = revision}});
  }

  // "If the key has this value, put the other."
  Writer& Swap(int64_t from, int64_t to, const std::string& key, const std::string& expected,
               const std::string& value, int64_t revision, bool succeeded) {
    mvcc::TxnRequest txn;
    txn.compares.push_back({.op = mvcc::CompareOp::kEqual,
                            .target = mvcc::CompareTarget::kValue,
                            .key = key,
                            .value = expected});
    txn.success.emplace_back(mvcc::PutRequest{.key = key, .value = value});
    mvcc::TxnResult result;
    result.revision = revision;
    result.succeeded = succeeded;
    if (succeeded) {
      result.responses.emplace_back(mvcc::PutResult{.revision = revision});
    }
    return Add<mvcc::TxnRequest, mvcc::TxnResult>(from, to, std::move(txn), std::move(result));
  }

  Writer& Watched(int64_t start, int64_t through, std::vector<WatchLog::Event> events) {
    const std::string zero(1, '\0');
    history_.watches.push_back({zero, zero, start, through, std::move(events)});
    return *this;
  }

  const History& history() const { return history_; }

 private:
  History history_;
};

KeyValueView Kv(std::string_view key, std::string_view value, int64_t create, int64_t mod,
                int64_t version, int64_t lease = 0) {
  return {.key = key,
          .create_revision = create,
          .mod_revision = mod,
          .version = version,
          .value = value,
          .lease = LeaseId{lease}};
}

struct Case {
  const char* name;
  // Which checks must object: r(evisions), k(ey), w(hole); empty: it is linearizable.
  const char* objections;
  std::function<void(Writer&)> write;
};

std::string ObjectionsTo(const History& history) {
  const Judgement judgement = Judge(history);
  EXPECT_FALSE(judgement.is_undecided);
  EXPECT_EQ(judgement.report.empty(), judgement.is_good());
  return std::string(judgement.broke_revisions ? "r" : "") + (judgement.broke_keys ? "k" : "") +
         (judgement.broke_whole ? "w" : "");
}

const Case kCases[] = {
    {"calls one after the other", "",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Get(3, 4, "a", 2, {Kv("a", "1", 2, 2, 1)}).Delete(5, 6, "a", 3, 1);
       w.Get(7, 8, "a", 3, {}).Get(9, 10, "a", 3, {Kv("a", "1", 2, 2, 1)}, 2);
     }},
    {"a read under way with a put sees it or not", "",
     [](Writer& w) {
       w.Put(1, 10, "a", "1", 2).Get(2, 3, "a", 1, {}).Get(4, 5, "a", 2, {Kv("a", "1", 2, 2, 1)});
     }},
    {"two puts under way are in the order of their revisions", "",
     [](Writer& w) {
       w.Put(1, 5, "a", "1", 3).Put(2, 6, "a", "2", 2).Get(7, 8, "a", 3, {Kv("a", "1", 2, 3, 2)});
     }},
    {"a put without an answer that happened", "",
     [](Writer& w) {
       w.Put(1, 0, "a", "1", 0).Put(2, 3, "b", "2", 2).Get(4, 5, "a", 3, {Kv("a", "1", 3, 3, 1)});
     }},
    {"a put without an answer that did not", "",
     [](Writer& w) { w.Put(1, 0, "a", "1", 0).Put(2, 3, "b", "2", 2).Get(4, 5, "a", 2, {}); }},
    {"a lease takes its keys with it, in one revision", "",
     [](Writer& w) {
       w.Grant(1, 2, 7, 1).Put(3, 4, "a", "1", 2, 7).Put(5, 6, "b", "2", 3, 7);
       w.Revoke(7, 8, 7, 4).Get(9, 10, "a", 4, {}).Get(11, 12, "b", 4, {});
     }},
    {"reads below a compaction are refused, at it they are not", "",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "a", "2", 3).Compact(5, 6, 3, 3);
       w.Get(7, 8, "a", 3, {Kv("a", "2", 2, 3, 2)}, 3);
       w.Add<mvcc::RangeRequest, mvcc::RangeResult>(9, 10, {.key = "a", .revision = 2},
                                                    mvcc::MakeError(StoreError::kCompacted));
     }},
    {"a watcher sees what was made", "",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Delete(3, 4, "a", 3, 1);
       w.Watched(2, 3, {{2, "a", "put a=1@2"}, {3, "a", "delete a@3"}});
     }},
    {"one of two swaps wins", "",
     [](Writer& w) {
       w.Put(1, 2, "a", "0", 2).Swap(3, 6, "a", "0", "1", 3, true);
       w.Swap(4, 5, "a", "0", "2", 3, false);
     }},

    {"an answered write is lost", "kw",
     [](Writer& w) { w.Put(1, 2, "a", "1", 2).Get(3, 4, "a", 2, {}); }},
    {"a read is stale under a fresh header", "kw",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "a", "2", 3).Get(5, 6, "a", 3, {Kv("a", "1", 2, 2, 1)});
     }},
    {"a read is of an old view, header and all", "rkw",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "a", "2", 3).Get(5, 6, "a", 2, {Kv("a", "1", 2, 2, 1)});
     }},
    {"two writes have one revision", "rw",
     [](Writer& w) { w.Put(1, 3, "a", "1", 2).Put(2, 4, "b", "2", 2); }},
    {"a later write has a smaller revision", "rw",
     [](Writer& w) { w.Put(1, 2, "a", "1", 3).Put(3, 4, "b", "2", 2); }},
    {"a revision is left out", "w",
     [](Writer& w) { w.Put(1, 2, "a", "1", 2).Put(3, 4, "b", "2", 4); }},
    {"a key survives its lease", "kw",
     [](Writer& w) {
       w.Grant(1, 2, 7, 1).Put(3, 4, "a", "1", 2, 7).Put(5, 6, "b", "2", 3, 7);
       w.Revoke(7, 8, 7, 4).Get(9, 10, "b", 4, {Kv("b", "2", 3, 3, 1, 7)});
     }},
    {"a lease takes its keys in two revisions", "w",
     [](Writer& w) {
       w.Grant(1, 2, 7, 1).Put(3, 4, "a", "1", 2, 7).Put(5, 6, "b", "2", 3, 7);
       w.Revoke(7, 8, 7, 5);
     }},
    {"a write without an answer is read and then gone", "kw",
     [](Writer& w) {
       w.Put(1, 0, "a", "1", 0).Get(2, 3, "a", 2, {Kv("a", "1", 2, 2, 1)});
       w.Get(4, 5, "a", 2, {});
     }},
    {"the same, with the header of before", "rkw",
     [](Writer& w) {
       w.Put(1, 0, "a", "1", 0).Get(2, 3, "a", 2, {Kv("a", "1", 2, 2, 1)});
       w.Get(4, 5, "a", 1, {});
     }},
    {"a version counts wrong", "kw",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "a", "2", 3).Get(5, 6, "a", 3, {Kv("a", "2", 2, 3, 3)});
     }},
    {"a create revision is not that of the life", "rw",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Delete(3, 4, "a", 3, 1).Put(5, 6, "a", "2", 4);
       w.Get(7, 8, "a", 4, {Kv("a", "2", 5, 4, 1)});
     }},
    {"a read at the compacted revision is refused", "w",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "a", "2", 3).Compact(5, 6, 3, 3);
       w.Add<mvcc::RangeRequest, mvcc::RangeResult>(7, 8, {.key = "a", .revision = 3},
                                                    mvcc::MakeError(StoreError::kCompacted));
     }},
    {"a read below a compaction is answered", "w",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "a", "2", 3).Compact(5, 6, 3, 3);
       w.Get(7, 8, "a", 3, {Kv("a", "1", 2, 2, 1)}, 2);
     }},
    {"both of two swaps win", "kw",
     [](Writer& w) {
       w.Put(1, 2, "a", "0", 2).Swap(3, 6, "a", "0", "1", 3, true);
       w.Swap(4, 5, "a", "0", "2", 4, true);
     }},
    {"a watcher misses an event", "w",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Delete(3, 4, "a", 3, 1).Watched(2, 3, {{2, "a", "put a=1@2"}});
     }},
    {"a watcher is sent events out of order", "r",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Delete(3, 4, "a", 3, 1);
       w.Watched(2, 3, {{3, "a", "delete a@3"}, {2, "a", "put a=1@2"}});
     }},
    {"what two reads at one revision say differs", "rw",
     [](Writer& w) {
       w.Put(1, 2, "a", "1", 2).Put(3, 4, "b", "2", 3);
       w.Get(5, 6, "a", 3, {Kv("a", "1", 2, 2, 1)}, 2)
           .Get(7, 8, "a", 3, {Kv("a", "3", 2, 2, 1)}, 2);
     }},
};

TEST(Judge, FindsWhatIsWrongAndNothingElse) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Writer writer;
    c.write(writer);
    EXPECT_EQ(ObjectionsTo(writer.history()), c.objections)
        << Judge(writer.history()).report << DescribeHistory(writer.history());
  }
}

TEST(Judge, ShowsTheSmallestFailingPart) {
  Writer writer;
  writer.Put(1, 2, "a", "1", 2).Get(3, 4, "b", 2, {}).Get(5, 6, "c", 2, {}).Get(7, 8, "a", 2, {});
  writer.Put(9, 10, "z", "after it", 3);
  const std::string report = Judge(writer.history()).report;
  const std::string smallest = report.substr(report.find("The smallest"));
  EXPECT_THAT(smallest, HasSubstr("2 calls"));
  EXPECT_THAT(smallest, HasSubstr("get 'a'"));
  EXPECT_THAT(smallest, ::testing::Not(HasSubstr("after it")));
}

TEST(Judge, AHistoryCutShortStaysGood) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Writer writer;
    c.write(writer);
    if (*c.objections != '\0') {
      continue;
    }
    for (int64_t tick = 0; tick < 14; ++tick) {
      EXPECT_EQ(ObjectionsTo(UpTo(writer.history(), tick)), "");
    }
  }
}

}  // namespace
}  // namespace socle::linearizability
