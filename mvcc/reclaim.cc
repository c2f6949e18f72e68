#include "mvcc/reclaim.h"

#include <utility>

#include "kv/base/check.h"

namespace socle::mvcc {

Reclaimer::~Reclaimer() {
  for (auto& [version, pieces] : views_) {
    for (const Dropped& dropped : pieces) {
      dropped.deleter(dropped.piece);
    }
  }
}

void Reclaimer::Drop(void* piece, Deleter deleter, uint64_t birth, uint64_t death) {
  CHECK_LE(birth, death);
  Settle({.piece = piece, .deleter = deleter, .birth = birth, .death = death});
}

void Reclaimer::Settle(const Dropped& dropped) {
  // The newest open view below `death`: if even that one is older than the piece, none can reach
  // it.
  auto view = views_.lower_bound(dropped.death);
  if (view == views_.begin() || (--view)->first < dropped.birth) {
    dropped.deleter(dropped.piece);
    return;
  }
  view->second.push_back(dropped);
  ++waiting_;
}

void Reclaimer::NoteViewOpened(uint64_t version) {
  CHECK(views_.empty() || views_.rbegin()->first < version);
  views_.emplace_hint(views_.end(), version, std::vector<Dropped>());
}

void Reclaimer::NoteViewClosed(uint64_t version) {
  MutexLock lock(&mu_);
  closed_.push_back(version);
}

void Reclaimer::Collect() {
  std::vector<uint64_t> closed;
  {
    MutexLock lock(&mu_);
    closed.swap(closed_);
  }
  for (const uint64_t version : closed) {
    auto node = views_.extract(version);
    CHECK(!node.empty());
    waiting_ -= node.mapped().size();
    for (const Dropped& dropped : node.mapped()) {
      Settle(dropped);
    }
  }
}

}  // namespace socle::mvcc
