// Random writes against a log of what they did; random subscriptions, taken at random paces, compared
// with what filtering the log by hand gives; lists and look-ups compared with a map.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/registry/errors.h"
#include "controllers/registry/object_cache.h"
#include "controllers/registry/testing/stored_objects.h"
#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::registry {
namespace {

struct PodState {
  std::string ns;
  std::string name;
  std::string node;
  std::string app;
};

struct LogEntry {
  int64_t revision = 0;
  std::optional<PodState> before;
  std::optional<PodState> after;
};

// A selection, and the same by hand.
struct Wanted {
  std::string ns;
  std::optional<std::string> node;
  std::optional<std::string> name;
  std::optional<std::string> app;

  bool Matches(const PodState& pod) const {
    return (ns.empty() || pod.ns == ns) && (!node || pod.node == *node) &&
           (!name || pod.name == *name) && (!app || pod.app == *app);
  }

  Selection AsSelection() const {
    const api::Kind& pods = StoredObjects::Kind("pods");
    Selection selection{.kind = &pods, .ns = ns};
    std::string fields;
    fields += node ? fmt::format("spec.nodeName={},", *node) : "";
    fields += name ? fmt::format("metadata.name={},", *name) : "";
    selection.fields = *api::FieldSelector::Parse(fields, pods.fields);
    if (app) {
      selection.labels = *api::LabelSelector::Parse(fmt::format("app={}", *app));
    }
    return selection;
  }
};

std::string Line(ChangeType type, std::string_view ns, std::string_view name, int64_t revision) {
  constexpr char kWords[] = {'+', '~', '-', '?'};
  return fmt::format("{}{}/{}@{}", kWords[static_cast<int>(type)], ns, name, revision);
}

int64_t RevisionOfLine(const std::string& line) {
  return std::stoll(line.substr(line.find('@') + 1));
}

struct Follower {
  Wanted wanted;
  std::unique_ptr<Subscription> subscription;
  int64_t after = 0;                     // entries of the log later than this are to come
  std::vector<std::string> begins_with;  // objects that were there
  std::vector<std::string> seen;
};

class CacheModel {
 public:
  explicit CacheModel(uint64_t seed) : random_(seed) { Open(); }

  void Step() {
    const uint64_t dice = random_.Below(100);
    if (dice < 50) {
      Write();
    } else if (dice < 58) {
      Follow();
    } else if (dice < 85) {
      if (!followers_.empty()) {
        Read(random_.Below(followers_.size()), random_.Below(7) + 1);
      }
    } else if (dice < 93) {
      CompareLists();
    } else if (dice < 97) {
      if (followers_.size() > 8) {
        const size_t i = random_.Below(followers_.size());
        if (Drain(i)) {
          followers_.erase(followers_.begin() + static_cast<ptrdiff_t>(i));
        }
      }
    } else if (dice == 99 && random_.OneIn(10)) {
      Reopen();
    }
  }

  void Finish() {
    DrainAll();
    CompareLists();
  }

  int expired() const { return expired_; }

  int caught_up() const { return caught_up_; }

 private:
  void Open() {
    auto opened = ObjectCache::Open(objects_.store(), &api::KindRegistry::Builtin(),
                                    {.history_events_max = 12, .queue_events_max = 25});
    ASSERT_OK(opened);
    cache_ = *std::move(opened);
  }

  void Reopen() {
    DrainAll();
    cache_.reset();
    Open();
  }

  void Write() {
    const std::string ns(1, static_cast<char>('a' + random_.Below(3)));
    const std::string name = fmt::format("p{}", random_.Below(12));
    const std::string key = fmt::format("{}/{}", ns, name);
    LogEntry entry;
    const auto at = pods_.find(key);
    if (at != pods_.end()) {
      entry.before = at->second;
    }
    if (at != pods_.end() && random_.OneIn(3)) {
      entry.revision = objects_.Remove("pods", ns, name);
      pods_.erase(at);
    } else {
      const PodState pod{ns, name, fmt::format("n{}", random_.Below(3)),
                         fmt::format("x{}", random_.Below(2))};
      entry.revision = objects_.Put(
          "pods", fmt::format(R"({{"metadata":{{"name":"{}","namespace":"{}","uid":"u{}",)"
                              R"("labels":{{"app":"{}"}}}},"spec":{{"nodeName":"{}"}}}})",
                              name, ns, key, pod.app, pod.node));
      entry.after = pod;
      pods_[key] = pod;
    }
    log_.push_back(std::move(entry));
  }

  Wanted RandomWanted() {
    Wanted wanted;
    if (random_.OneIn(2)) {
      wanted.ns = std::string(1, static_cast<char>('a' + random_.Below(3)));
    }
    if (random_.OneIn(3)) {
      wanted.node = fmt::format("n{}", random_.Below(3));
    }
    if (random_.OneIn(4)) {
      wanted.name = fmt::format("p{}", random_.Below(12));
    }
    if (random_.OneIn(3)) {
      wanted.app = fmt::format("x{}", random_.Below(2));
    }
    return wanted;
  }

  void Follow() {
    Follower follower{.wanted = RandomWanted()};
    // From now, from here, or from somewhere in the past.
    const uint64_t way = log_.empty() ? 0 : random_.Below(3);
    if (way == 0) {
      ASSERT_OK(cache_->WaitUntilFresh());
      follower.after = log_.empty() ? 1 : log_.back().revision;
      for (const auto& [key, pod] : pods_) {
        if (follower.wanted.Matches(pod)) {
          follower.begins_with.push_back(
              Line(ChangeType::kAdded, pod.ns, pod.name, RevisionOf(key)));
        }
      }
    } else {
      const size_t back = way == 1 ? 0 : random_.Below(std::min<size_t>(log_.size(), 60));
      follower.after = log_[log_.size() - 1 - back].revision;
      caught_up_ += back > 12 ? 1 : 0;
    }
    auto made =
        cache_->Subscribe(follower.wanted.AsSelection(), way == 0 ? 0 : follower.after, [] {});
    ASSERT_OK(made);
    follower.subscription = *std::move(made);
    followers_.push_back(std::move(follower));
  }

  int64_t RevisionOf(const std::string& key) const {
    for (auto at = log_.rbegin(); at != log_.rend(); ++at) {
      if (at->after && fmt::format("{}/{}", at->after->ns, at->after->name) == key) {
        return at->revision;
      }
    }
    return 0;
  }

  std::vector<std::string> Expected(const Follower& follower) const {
    std::vector<std::string> lines = follower.begins_with;
    for (const LogEntry& entry : log_) {
      if (entry.revision <= follower.after) {
        continue;
      }
      const bool was_in = entry.before && follower.wanted.Matches(*entry.before);
      const bool is_in = entry.after && follower.wanted.Matches(*entry.after);
      const PodState& pod = entry.after ? *entry.after : *entry.before;
      if (was_in || is_in) {
        lines.push_back(Line(!was_in  ? ChangeType::kAdded
                             : !is_in ? ChangeType::kDeleted
                                      : ChangeType::kModified,
                             pod.ns, pod.name, entry.revision));
      }
    }
    return lines;
  }

  // False: the queue has overflowed, and what came is what is to come up to some point.
  bool Read(size_t i, size_t max) {
    Follower& follower = followers_[i];
    const auto next = follower.subscription->Next(max);
    if (!next.ok()) {
      EXPECT_EQ(ReasonOf(next.status()), Reason::kExpired) << next.status();
      const std::vector<std::string> expected = Expected(follower);
      EXPECT_LE(follower.seen.size(), expected.size());
      EXPECT_TRUE(std::equal(follower.seen.begin(), follower.seen.end(), expected.begin()));
      followers_.erase(followers_.begin() + static_cast<ptrdiff_t>(i));
      ++expired_;
      return false;
    }
    for (const SelectedChange& change : *next) {
      const Object& object = *change.change->object;
      EXPECT_LE(change.revision, cache_->revision());
      follower.seen.push_back(Line(change.type, object.ns, object.name, change.revision));
    }
    // All that the bookmark covers has been seen, and when there was nothing left to see, only that.
    int64_t bookmark = follower.subscription->BookmarkRevision();
    if (next->empty() && !follower.seen.empty() &&
        bookmark < RevisionOfLine(follower.seen.back())) {
      // The cache was about to dispatch the rest of that revision, or the queue has overflowed since.
      EXPECT_OK(cache_->WaitUntilFresh());
      bookmark = follower.subscription->BookmarkRevision();
    }
    const bool is_over = bookmark == 0 && !follower.subscription->Next(0).ok();
    const std::vector<std::string> expected = Expected(follower);
    for (size_t line = 0; line < expected.size(); ++line) {
      const bool is_covered = RevisionOfLine(expected[line]) <= bookmark;
      if (line < follower.seen.size()) {
        EXPECT_EQ(follower.seen[line], expected[line]);
        EXPECT_TRUE(is_covered || !next->empty() || is_over)
            << expected[line] << " bookmark " << bookmark;
      } else {
        EXPECT_FALSE(is_covered) << expected[line] << " bookmark " << bookmark;
      }
    }
    return true;
  }

  // Reads to the end; false: it has overflowed before.
  bool Drain(size_t i) {
    EXPECT_OK(cache_->WaitUntilFresh());
    // What catches up reads the store's watch, which comes when it comes.
    const std::vector<std::string> expected = Expected(followers_[i]);
    while (followers_[i].seen.size() < expected.size()) {
      if (!Read(i, 100)) {
        return false;
      }
      if (testing::Test::HasFailure()) {
        return true;
      }
    }
    EXPECT_EQ(followers_[i].seen, expected);
    return true;
  }

  void DrainAll() {
    while (!followers_.empty()) {
      if (Drain(followers_.size() - 1)) {
        followers_.pop_back();
      }
    }
  }

  void CompareLists() {
    ASSERT_OK(cache_->WaitUntilFresh());
    const Wanted wanted = RandomWanted();
    std::vector<std::string> expected;
    for (const auto& [key, pod] : pods_) {
      if (wanted.Matches(pod)) {
        expected.push_back(key);
      }
    }
    std::vector<std::string> listed;
    for (const ObjectRef& object : cache_->List(wanted.AsSelection())) {
      listed.push_back(fmt::format("{}/{}", object->ns, object->name));
    }
    EXPECT_EQ(listed, expected);
    EXPECT_EQ(cache_->Count(StoredObjects::Kind("pods")), pods_.size());
    for (const auto& [key, pod] : pods_) {
      const ObjectRef object = cache_->ByUid("u" + key);
      ASSERT_NE(object, nullptr) << key;
      EXPECT_EQ(object->mod_revision, RevisionOf(key));
    }
  }

  Random random_;
  StoredObjects objects_;
  std::map<std::string, PodState>
      pods_;  // by ns/name: one-letter namespaces keep the order of keys
  std::vector<LogEntry> log_;
  std::unique_ptr<ObjectCache> cache_;
  std::vector<Follower> followers_;
  int expired_ = 0;
  int caught_up_ = 0;
};

TEST(ObjectCacheModel, SubscribersSeeWhatFilteringTheLogGives) {
  const uint64_t seed = TestSeed();
  int expired = 0;
  int caught_up = 0;
  for (uint64_t run = 0; run < 40; ++run) {
    SCOPED_TRACE(fmt::format("seed {} run {}", seed, run));
    CacheModel model(seed + run);
    for (int i = 0; i < 500; ++i) {
      model.Step();
      if (testing::Test::HasFailure()) {
        return;
      }
    }
    model.Finish();
    expired += model.expired();
    caught_up += model.caught_up();
  }
  EXPECT_GT(expired, 0);
  EXPECT_GT(caught_up, 0);
}

}  // namespace
}  // namespace socle::registry
