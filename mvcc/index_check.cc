#include "kv/base/check.h"
#include "mvcc/index.h"

namespace socle::mvcc {
namespace {

struct Totals {
  uint64_t live = 0;
  uint64_t keys = 0;
};

void CheckEntry(const KeyEntry& entry) {
  int64_t last = 0;
  for (uint32_t i = 0; i < entry.older_count; ++i) {
    CHECK_LE(last, entry.Older(i).main());
    last = entry.Older(i).main();
  }
  CHECK_LE(last, entry.newest.main());
  CHECK(entry.history == nullptr || entry.older_first + entry.older_count <= entry.history->used);
}

Totals CheckNode(const IndexNode& node, const std::string_view* low, const std::string_view* high) {
  Totals totals;
  CHECK_GT(node.count, 0);
  if (node.is_leaf) {
    const auto& leaf = static_cast<const IndexLeaf&>(node);
    CHECK(leaf.heads.IsRight(leaf.count, leaf.KeyAt()));
    for (size_t i = 0; i < leaf.count; ++i) {
      const KeyEntry& entry = *leaf.entries[i];
      CHECK(low == nullptr || *low <= entry.key());
      CHECK(high == nullptr || entry.key() < *high);
      CHECK(i == 0 || leaf.entries[i - 1]->key() < entry.key());
      CheckEntry(entry);
      CHECK_EQ((leaf.live_bits >> i & 1U) != 0, entry.is_live());
      totals.live += entry.is_live() ? 1 : 0;
      ++totals.keys;
    }
    CHECK_EQ(totals.live, leaf.live());
    return totals;
  }
  const auto& inner = static_cast<const IndexInner&>(node);
  CHECK(inner.heads.IsRight(inner.count - 1U, inner.SeparatorAt()));
  for (size_t i = 0; i < inner.count; ++i) {
    const std::string_view child_low = i > 0 ? inner.separators[i]->view() : std::string_view();
    const bool has_high = i + 1U < inner.count;
    const std::string_view child_high =
        has_high ? inner.separators[i + 1]->view() : std::string_view();
    const Totals child =
        CheckNode(*inner.children[i], i > 0 ? &child_low : low, has_high ? &child_high : high);
    CHECK_EQ(child.live, inner.live[i]);
    totals.live += child.live;
    totals.keys += child.keys;
  }
  return totals;
}

}  // namespace

void Index::CheckInvariants() const {
  Totals totals;
  if (root_ != nullptr) {
    totals = CheckNode(*root_, nullptr, nullptr);
  }
  CHECK_EQ(totals.live, live_);
  CHECK_EQ(totals.keys, keys_);
}

}  // namespace socle::mvcc
