// ModelFreelist: the freelist, obviously right: sets of page ids, and for each transaction the set
// of pages that the file consisted of, which is what a reader of that transaction sees.
//
// Laws     1. A page may be handed out when neither the file now, nor as last committed, nor as any
//             open reader sees it contains the page. Nothing here knows of births or gaps.
// Threads  thread-compatible.
#ifndef SOCLE_FREELIST_TESTING_MODEL_FREELIST_H_
#define SOCLE_FREELIST_TESTING_MODEL_FREELIST_H_

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "freelist/freelist.h"
#include "freelist/page_id.h"
#include "kv/base/check.h"

namespace socle::freelist {

class ModelFreelist {
 public:
  explicit ModelFreelist(FreelistType type) : type_(type) {}

  // A file of `high_water` pages of which `free` are free, as transaction `committed` left it.
  void Load(uint64_t high_water, const std::set<uint64_t>& free, uint64_t committed) {
    high_water_ = high_water;
    free_ = free;
    pending_.clear();
    used_.clear();
    for (uint64_t id = 2; id < high_water; ++id) {
      if (!free.contains(id)) {
        used_.insert(id);
      }
    }
    committed_ = committed;
    files_ = {{committed, used_}};
    readers_.clear();
  }

  void OpenReader() { readers_.insert(committed_); }

  void CloseReader(uint64_t at) { readers_.erase(readers_.find(at)); }

  // Begins the transaction after the last: all pages that nobody sees become free.
  void Begin() {
    std::erase_if(files_, [this](const auto& file) {
      return file.first != committed_ && !readers_.contains(file.first);
    });
    std::erase_if(pending_, [this](uint64_t id) {
      if (IsSeen(id)) {
        return false;
      }
      free_.insert(id);
      return true;
    });
    before_ = {high_water_, free_, pending_, used_};
    own_.clear();
  }

  std::optional<uint64_t> Allocate(uint64_t count) {
    const std::optional<PageSpan> span = Choose(count);
    if (!span.has_value()) {
      return std::nullopt;
    }
    for (uint64_t id = Raw(span->first); id < Raw(span->first) + count; ++id) {
      CHECK(!IsSeen(id));
      CHECK(!used_.contains(id));
      free_.erase(id);
      used_.insert(id);
      own_.insert(id);
    }
    return Raw(span->first);
  }

  // Takes pages from above the high-water mark.
  uint64_t Grow(uint64_t count) {
    const uint64_t first = high_water_;
    high_water_ += count;
    for (uint64_t id = first; id < high_water_; ++id) {
      used_.insert(id);
      own_.insert(id);
    }
    return first;
  }

  void Free(PageSpan span) {
    for (PageId id = span.first; id != span.end(); id = id + 1) {
      CHECK_EQ(used_.erase(Raw(id)), 1U);
      (own_.erase(Raw(id)) == 1 ? free_ : pending_).insert(Raw(id));
    }
  }

  void Commit() {
    ++committed_;
    files_[committed_] = used_;
  }

  void Rollback() {
    high_water_ = before_.high_water;
    free_ = before_.free;
    pending_ = before_.pending;
    used_ = before_.used;
  }

  void Withhold(uint64_t first) { withheld_from_ = first; }

  uint64_t withheld_from() const { return withheld_from_; }

  // The lowest page such that all from it on are free and withheld.
  uint64_t FreeTail() const {
    uint64_t first = high_water_;
    while (first > withheld_from_ && free_.contains(first - 1)) {
      --first;
    }
    return first;
  }

  // The file ends before `first`.
  void ForgetTail(uint64_t first) {
    free_.erase(free_.lower_bound(first), free_.end());
    high_water_ = first;
  }

  static std::vector<PageSpan> SpansOf(const std::set<uint64_t>& ids) {
    std::vector<PageSpan> spans;
    for (const uint64_t id : ids) {
      if (!spans.empty() && spans.back().end() == PageId{id}) {
        ++spans.back().count;
      } else {
        spans.push_back({PageId{id}, 1});
      }
    }
    return spans;
  }

  const std::set<uint64_t>& free() const { return free_; }

  const std::set<uint64_t>& pending() const { return pending_; }

  const std::set<uint64_t>& used() const { return used_; }

  const std::multiset<uint64_t>& readers() const { return readers_; }

  uint64_t high_water() const { return high_water_; }

  uint64_t committed() const { return committed_; }

 private:
  struct State {
    uint64_t high_water = 2;
    std::set<uint64_t> free;
    std::set<uint64_t> pending;
    std::set<uint64_t> used;
  };

  // By any open reader, or by one that opens now.
  bool IsSeen(uint64_t id) const {
    for (const auto& [txn, pages] : files_) {
      if ((txn == committed_ || readers_.contains(txn)) && pages.contains(id)) {
        return true;
      }
    }
    return false;
  }

  std::optional<PageSpan> Choose(uint64_t count) const {
    const auto above = free_.lower_bound(withheld_from_);
    const std::optional<PageSpan> below =
        ChooseFrom({free_.begin(), above}, count, type_ == FreelistType::kArray);
    return below.has_value() ? below : ChooseFrom({above, free_.end()}, count, true);
  }

  static std::optional<PageSpan> ChooseFrom(const std::set<uint64_t>& free, uint64_t count,
                                            bool is_first_fit) {
    std::optional<PageSpan> best;
    for (const PageSpan& span : SpansOf(free)) {
      if (span.count < count) {
        continue;
      }
      if (is_first_fit) {
        return span;
      }
      if (!best.has_value() || span.count < best->count) {
        best = span;
      }
    }
    return best;
  }

  FreelistType type_;
  uint64_t high_water_ = 2;
  uint64_t withheld_from_ = ~uint64_t{0};
  std::set<uint64_t> free_;
  std::set<uint64_t> pending_;
  std::set<uint64_t> used_;
  std::set<uint64_t> own_;  // allocated by the open transaction
  State before_;
  uint64_t committed_ = 0;
  std::map<uint64_t, std::set<uint64_t>> files_;  // by transaction
  std::multiset<uint64_t> readers_;
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_TESTING_MODEL_FREELIST_H_
