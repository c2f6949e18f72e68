// StateStore: the contract under the control plane: opaque documents under string keys, guarded
// writes, consistent lists, watches. An engine in the process or an etcd cluster stands behind it.
//
// Laws     1. Every write is guarded: it names the revision the object must have (create: none),
//             and is exactly one etcd transaction of its own revision. Refused, it changed nothing.
//          2. An answered write is durable, and every later read sees it. Writes in flight together
//             have no order among them.
//          3. A list shows one revision, on all its pages; a watch that goes on from it, or from a
//             batch, delivers every later event once, in order.
//          4. A consumer that takes no events holds back nobody; what is kept for it is bounded.
// Threads  thread-safe. Callbacks run on the store's thread, or in the call: quick, no waiting for
//          the store. Reads, Run and Compact block (embedded reads do not; etcd: a round trip).
// Memory   views in results live as long as their pin. Results and watches go before the store.
// Errors   controllers/storage/errors.h. Empty keys, negative numbers: InvalidArgument.
// Source   spec etcd 5.2; spec controllers 8.7, 9.2, 9.3.
#ifndef SOCLE_CONTROLLERS_STORAGE_STATE_STORE_H_
#define SOCLE_CONTROLLERS_STORAGE_STATE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "controllers/storage/event.h"
#include "controllers/storage/object_view.h"

namespace socle::storage {

struct GetRequest {
  std::string key;
  int64_t revision = 0;  // 0: newest
};

struct GetResult {
  int64_t revision = 0;              // what was read
  std::optional<ObjectView> object;  // nullopt: there is none
  Pin pin;
};

struct ListRequest {
  std::string prefix;
  int64_t revision = 0;        // 0: newest
  int64_t limit = 0;           // 0: all
  std::string continue_token;  // of the page before; revision is then 0
  bool keys_only = false;      // documents are left empty
};

struct ListPage {
  int64_t revision = 0;             // what was read; where a watch may go on
  std::vector<ObjectView> objects;  // by key
  int64_t remaining = 0;            // objects after this page
  std::string continue_token;       // empty: the last page
  Pin pin;
};

// The token for going on at the newest revision, when the list's own has expired: pages before and
// after then show different revisions.
absl::StatusOr<std::string> ContinueAtNewest(std::string_view continue_token);

enum class WriteKind { kCreate, kUpdate, kDelete };

struct Write {
  WriteKind kind = WriteKind::kCreate;
  std::string key;
  std::string document;           // create, update
  int64_t expected_revision = 0;  // update, delete: mod_revision that the object must have
  // Create, update: the object is deleted after this, counted from Submit; a little later is
  // possible, earlier is not. 0: it stays.
  int64_t ttl_seconds = 0;
  bool wants_current = true;  // refused by its guard: read the object as it is
};

inline constexpr int64_t kTtlMaxSeconds = 1'000'000'000;

struct WriteResult {
  absl::Status status;
  // Written: the new mod_revision (of a deletion: when it happened). Refused by the guard: the
  // revision that was looked at.
  int64_t revision = 0;
  // Refused by the guard: the object as it is; nullopt when there is none, or it wasn't wanted.
  std::optional<ObjectView> current;
  Pin pin;

  bool ok() const { return status.ok(); }
};

using WriteDone = absl::AnyInvocable<void(WriteResult)>;
using WritesDone = absl::AnyInvocable<void(std::vector<WriteResult>)>;

struct WatchRequest {
  std::string prefix;
  // Events later than this: the revision of a list, or of the last batch of another watch. 0: from
  // now on; the watch then begins with a bookmark that says from where.
  int64_t after_revision = 0;
  bool wants_bookmarks = false;  // now and then, as the store is set up
};

// One consumer's stream of events. Confined to one thread at a time. Its destructor returns when
// on_ready runs no more; it is not to be called from on_ready.
class Watch {
 public:
  virtual ~Watch() = default;
  // The next batch; nullopt when there is none now: on_ready is called when there is one again. An
  // error ends the watch and is repeated from then on; kExpired: list again.
  virtual absl::StatusOr<std::optional<EventBatch>> Next() = 0;
  // Asks for a bookmark at or above the store's revision of this moment. It gets lost while events
  // are on their way, or when the store can't give one: ask again, do not wait for it.
  virtual void RequestBookmark() = 0;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  virtual absl::StatusOr<GetResult> Get(const GetRequest& request) = 0;
  virtual absl::StatusOr<ListPage> List(const ListRequest& request) = 0;
  // Objects under the prefix, newest revision.
  virtual absl::StatusOr<int64_t> Count(std::string_view prefix) = 0;
  virtual absl::StatusOr<int64_t> CurrentRevision() = 0;

  // Reads block the caller for a round trip: not to be made from callbacks.
  virtual bool reads_wait() const { return true; }

  virtual void Submit(Write write, WriteDone done) = 0;
  // Independent writes, each with its own guard and outcome; results in the same order. They share
  // syncs of the log.
  void SubmitAll(std::vector<Write> writes, WritesDone done);
  // The same, waiting. Not to be called from callbacks.
  WriteResult Run(Write write);
  std::vector<WriteResult> RunAll(std::vector<Write> writes);

  // Never fails: what is wrong comes from Next. `on_ready` may run before this returns; it may call
  // Next, from any thread.
  virtual std::unique_ptr<Watch> NewWatch(WatchRequest request, std::function<void()> on_ready) = 0;

  // Gives up all history before the revision: reads below it and watches that would need it are
  // kExpired. OK when that was done before.
  virtual absl::Status Compact(int64_t revision) = 0;
};

// What every store refuses at once.
absl::Status Validate(const GetRequest& request);
absl::Status Validate(const Write& write);
absl::Status Validate(const WatchRequest& request);

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_STATE_STORE_H_
