#include "tests/crash/expected_state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::crash {

void ExpectedState::BeforeSend(int client, Intent intent) {
  const MutexLock lock(&mu_);
  const bool inserted = under_way_.emplace(client, std::move(intent)).second;
  CHECK(inserted);
}

void ExpectedState::OnAcknowledged(int client, int64_t revision) {
  const MutexLock lock(&mu_);
  const auto found = under_way_.find(client);
  CHECK(found != under_way_.end());
  ++acknowledged_;
  if (found->second.takes_revision) {
    int64_t& last = last_revision_[client];
    if (revision <= last) {
      violations_.push_back(
          fmt::format("client {} was acknowledged revision {} after {}", client, revision, last));
    }
    last = revision;
    if (!revisions_.insert(revision).second) {
      violations_.push_back(fmt::format("revision {} was acknowledged twice", revision));
    }
  }
  Apply(found->second, revision);
  under_way_.erase(found);
}

void ExpectedState::BeforeCompaction(int64_t revision) {
  const MutexLock lock(&mu_);
  compaction_asked_ = std::max(compaction_asked_, revision);
}

void ExpectedState::OnCompactionAcknowledged(int64_t revision) {
  const MutexLock lock(&mu_);
  compacted_ = std::max(compacted_, revision);
}

void ExpectedState::Apply(const Intent& intent, int64_t revision) {
  revision_max_ = std::max(revision_max_, revision);
  for (const Effect& effect : intent.effects) {
    if (!effect.value.has_value()) {
      truth_.erase(effect.key);
      continue;
    }
    const int64_t mod_revision = intent.takes_revision ? revision : 0;
    truth_.insert_or_assign(effect.key, Truth{*effect.value, mod_revision});
    if (intent.takes_revision) {
      history_.push_back({effect.key, *effect.value, revision});
    }
  }
}

std::optional<std::string> ExpectedState::ValueOf(std::string_view key) const {
  const MutexLock lock(&mu_);
  const auto found = truth_.find(key);
  if (found == truth_.end()) {
    return std::nullopt;
  }
  return found->second.value;
}

bool ExpectedState::HoldsAsAcknowledged(const Effect& effect, const Listing& listing) const {
  const auto truth = truth_.find(effect.key);
  const auto found = listing.entries.find(effect.key);
  if (truth == truth_.end() || found == listing.entries.end()) {
    return truth == truth_.end() && found == listing.entries.end();
  }
  return truth->second.value == found->second.value;
}

// Decides whether a request without an answer took effect. Values are never sent twice, so both
// can't hold.
void ExpectedState::Settle(int client, const Intent& intent, const Listing& listing) {
  bool all = true;
  bool none = true;
  int64_t revision = listing.revision;
  for (const Effect& effect : intent.effects) {
    const auto found = listing.entries.find(effect.key);
    const bool there = found != listing.entries.end();
    all =
        all && (effect.value.has_value() ? there && found->second.value == *effect.value : !there);
    none = none && HoldsAsAcknowledged(effect, listing);
    if (there && found->second.mod_revision != 0) {
      revision = found->second.mod_revision;
    }
  }
  if (all) {
    Apply(intent, revision);
  } else if (!none) {
    violations_.push_back(
        fmt::format("client {}: a request of {} effects on {} was applied in part", client,
                    intent.effects.size(), intent.effects[0].key));
  }
}

std::vector<std::string> ExpectedState::Verify(const Listing& listing) {
  const MutexLock lock(&mu_);
  for (const auto& [client, intent] : under_way_) {
    Settle(client, intent, listing);
  }
  under_way_.clear();
  if (listing.revision < revision_max_) {
    violations_.push_back(
        fmt::format("the store is at revision {}, but {} was acknowledged or seen",
                    listing.revision, revision_max_));
  }
  revision_max_ = std::max(revision_max_, listing.revision);
  for (const auto& [key, truth] : truth_) {
    const auto found = listing.entries.find(key);
    if (found == listing.entries.end()) {
      violations_.push_back(
          fmt::format("{} (acknowledged at revision {}) is missing", key, truth.mod_revision));
    } else if (found->second.value != truth.value ||
               found->second.mod_revision != truth.mod_revision) {
      violations_.push_back(fmt::format("{} is '{}' of revision {}, acknowledged was '{}' of {}",
                                        key, found->second.value, found->second.mod_revision,
                                        truth.value, truth.mod_revision));
    }
  }
  for (const auto& [key, found] : listing.entries) {
    if (!truth_.contains(key)) {
      violations_.push_back(
          fmt::format("{} of revision {} was never sent, or its delete was acknowledged", key,
                      found.mod_revision));
    }
  }
  return std::exchange(violations_, {});
}

std::vector<PastWrite> ExpectedState::SampleHistory(Random* random, size_t count) const {
  const MutexLock lock(&mu_);
  std::vector<PastWrite> sample;
  for (size_t i = 0; i < count && !history_.empty(); ++i) {
    const PastWrite& past = history_[random->Below(history_.size())];
    if (past.revision >= compaction_asked_) {
      sample.push_back(past);
    }
  }
  return sample;
}

int64_t ExpectedState::compacted() const {
  const MutexLock lock(&mu_);
  return compacted_;
}

size_t ExpectedState::acknowledged() const {
  const MutexLock lock(&mu_);
  return acknowledged_;
}

void ExpectedState::Plant() {
  const MutexLock lock(&mu_);
  truth_.insert_or_assign("planted", Truth{"never sent", revision_max_});
}

}  // namespace socle::crash
