// History: what concurrent clients asked of a store, when, and what they were told.
//
// Laws     1. Times are ticks of one counter: a call is invoked at a tick taken before it was sent,
//             and returned at one taken after its answer came. So "returned < invoked" means that
//             one call was over before the other began.
//          2. A call without an answer may or may not take effect, at any tick from `invoked` to
//             `returned`; kNever when nobody knows until when.
//          3. An answer is kept thrice: as text (every field, as ModelStore describes it), as its
//             revision, and as accesses (what it says about keys without naming a revision).
// Threads  HistoryClock: any. A ClientLog belongs to one client; the rest are values.
#ifndef SOCLE_TESTS_LINEARIZABILITY_HISTORY_H_
#define SOCLE_TESTS_LINEARIZABILITY_HISTORY_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lease/lease.h"
#include "mvcc/log_entry.h"
#include "mvcc/request.h"

namespace socle::linearizability {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// A watcher was told that the store is at this revision, at least.
struct RevisionSeen {
  int64_t revision = 0;
};

// All leases and their keys; asked when nothing else is under way.
struct LeaseListing {};

using Request = std::variant<mvcc::RangeRequest, mvcc::Operation, RevisionSeen, LeaseListing>;

// A key-value pair without the revisions of it.
struct SeenKv {
  std::string value;
  int64_t version = 0;
  mvcc::LeaseId lease = mvcc::kNoLease;

  bool operator==(const SeenKv&) const = default;
};

// One thing that a call did to the keys of a range, or learnt of them. Accesses of a call happen at
// one moment, in their order.
struct Access {
  enum Kind {
    kSee,      // these keys of the range were there, as said; the others were not
    kCount,    // `count` keys of the range were there; only for a single key
    kCompare,  // the comparison held, or not
    kPut,
    kDelete,
    kRevoke,  // the range is everything
  };

  Kind kind = kSee;
  std::string key;
  std::string range_end;
  std::map<std::string, SeenKv> seen = {};
  int64_t count = 0;
  const mvcc::Compare* compare = nullptr;  // into the call's request, as the next one
  const mvcc::PutRequest* put = nullptr;
  bool holds = true;
  mvcc::LeaseId lease = mvcc::kNoLease;
};

struct Answer {
  std::string text;
  int64_t revision = 0;      // of the header; 0 in an error
  bool has_written = false;  // the answer itself says that it made its revision
  std::vector<Access> accesses;

  // Every pair in the answer, to be held against the laws of revisions.
  struct Pair {
    std::string key;
    int64_t create_revision = 0;
    int64_t mod_revision = 0;
    int64_t version = 0;
    std::string value;  // empty when only keys were asked for
    bool has_value = true;
  };

  std::vector<Pair> pairs;
};

struct Call {
  int client = 0;
  int64_t invoked = 0;
  int64_t returned = kNever;
  bool is_answered = false;
  std::shared_ptr<const Request> request;
  Answer answer;
};

// What one watcher was sent: every event of its range from `start` to `through`.
struct WatchLog {
  struct Event {
    int64_t revision = 0;
    std::string key;
    std::string text;

    bool operator==(const Event&) const = default;
  };

  std::string key;
  std::string range_end;
  int64_t start = 0;
  int64_t through = 0;
  std::vector<Event> events;  // as they came
};

struct History {
  std::vector<Call> calls;  // by invocation
  std::vector<WatchLog> watches;
};

class HistoryClock {
 public:
  // Relaxed: one counter has one order, and the clock must not order the clients' other memory, or
  // the thread sanitizer would see no race in the store.
  int64_t Tick() { return ticks_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> ticks_{1};
};

// The calls of one client, one at a time.
class ClientLog {
 public:
  ClientLog(int client, HistoryClock* clock) : client_(client), clock_(clock) {}

  const Request& Begin(Request request) {
    calls_.push_back({.client = client_,
                      .invoked = clock_->Tick(),
                      .request = std::make_shared<const Request>(std::move(request)),
                      .answer = {}});
    return *calls_.back().request;
  }

  // Without it the call stays unknown.
  void End(Answer answer) {
    calls_.back().returned = clock_->Tick();
    calls_.back().is_answered = true;
    calls_.back().answer = std::move(answer);
  }

  // A call that was found to have happened between the two ticks.
  void Note(int64_t invoked, Request request, Answer answer) {
    calls_.push_back({.client = client_,
                      .invoked = invoked,
                      .returned = clock_->Tick(),
                      .is_answered = true,
                      .request = std::make_shared<const Request>(std::move(request)),
                      .answer = std::move(answer)});
  }

  // What has no answer by now will take no effect any more.
  void Settle(int64_t now) {
    for (Call& call : calls_) {
      if (!call.is_answered && call.returned == kNever) {
        call.returned = now;
      }
    }
  }

  const std::vector<Call>& calls() const { return calls_; }

 private:
  const int client_;
  HistoryClock* const clock_;
  std::vector<Call> calls_;
};

// What an answer says. Requires that `request` lives as long as the answer.
Answer AnswerOf(const mvcc::RangeRequest& request, const absl::StatusOr<mvcc::RangeResult>& result);
Answer AnswerOf(const mvcc::PutRequest& request, const absl::StatusOr<mvcc::PutResult>& result);
Answer AnswerOf(const mvcc::DeleteRangeRequest& request,
                const absl::StatusOr<mvcc::DeleteRangeResult>& result);
Answer AnswerOf(const mvcc::TxnRequest& request, const absl::StatusOr<mvcc::TxnResult>& result);
Answer AnswerOf(const mvcc::CompactOp& request, const absl::StatusOr<mvcc::CompactResult>& result);
Answer AnswerOf(const mvcc::LeaseGrantOp& request,
                const absl::StatusOr<mvcc::LeaseGrantResult>& result);
Answer AnswerOf(const mvcc::LeaseRevokeOp& request,
                const absl::StatusOr<mvcc::LeaseRevokeResult>& result);

// Ascending by id.
Answer AnswerOf(const std::vector<lease::LeaseStatus>& leases);

// What a call without an answer may have done: one list for each way it can have gone. False when
// there are too many ways to list: of the keys it names nothing is known afterwards.
bool PossibleAccesses(const Request& request, std::vector<std::vector<Access>>* ways);

// One line: "put 'a'='7' lease 2".
std::string DescribeRequest(const Request& request);

// Everything, for a person: calls by invocation, then what watchers were sent.
std::string DescribeHistory(const History& history);

// Two lines: number, client, interval, request; answer.
std::string DescribeCall(size_t number, const Call& call);

// Without line breaks, zero bytes and long runs of one letter.
std::string Printable(std::string_view text);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_HISTORY_H_
