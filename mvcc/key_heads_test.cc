#include "mvcc/key_heads.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::mvcc {
namespace {

constexpr size_t kMax = 16;

// A node of nothing but keys.
struct Keys {
  KeyHeads<kMax> heads;
  std::vector<std::string> keys;

  auto At() const {
    return [this](size_t i) { return std::string_view(keys[i]); };
  }

  void Insert(const std::string& key) {
    const auto place = heads.Find(keys.size(), key, At());
    ASSERT_FALSE(place.is_equal);
    heads.Insert(keys.size(), place.position, key, At());
    keys.insert(keys.begin() + static_cast<std::ptrdiff_t>(place.position), key);
  }

  void Erase(size_t position) {
    heads.Erase(keys.size(), position);
    keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(position));
  }
};

// Few letters, the lowest and the highest among them, behind prefixes that are often shared.
std::string RandomKey(Random* random) {
  static constexpr std::string_view kLetters("\0a\xff", 3);
  std::string key = random->OneIn(2) ? "/registry/pods/" : "";
  for (uint64_t left = random->Below(12); left > 0; --left) {
    key += kLetters[random->Below(kLetters.size())];
  }
  return key;
}

TEST(KeyHeads, FindsByOneKeyWhatTheirBytesSay) {
  Keys node;
  for (const std::string_view key : {"/a/0017", "/a/0018", "/a/0018x", "/b"}) {
    node.Insert(std::string(key));
  }

  struct Row {
    std::string_view wanted;
    size_t position;
    bool is_equal;
  };

  const Row rows[] = {
      {"", 0, false},        {"/", 0, false},
      {"/a/0017", 0, true},  {std::string_view("/a/0017\0", 8), 1, false},
      {"/a/0018", 1, true},  {"/a/0018a", 2, false},
      {"/a/0018x", 2, true}, {"/a/0018xx", 3, false},
      {"/b", 3, true},       {"/b0", 4, false},
      {"0", 4, false},       {".", 0, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.wanted);
    const auto place = node.heads.Find(node.keys.size(), row.wanted, node.At());
    EXPECT_EQ(place.position, row.position);
    EXPECT_EQ(place.is_equal, row.is_equal);
  }
}

TEST(KeyHeads, AgreesWithASortedListOfKeysThatShareMuchOrNothing) {
  Random random(TestSeed());
  for (int round = 0; round < 2'000; ++round) {
    Keys node;
    for (int step = 0; step < 40; ++step) {
      const std::string key = RandomKey(&random);
      const auto at = std::ranges::lower_bound(node.keys, key);
      const auto place = node.heads.Find(node.keys.size(), key, node.At());
      ASSERT_EQ(place.position, static_cast<size_t>(at - node.keys.begin()));
      ASSERT_EQ(place.is_equal, at != node.keys.end() && *at == key);
      if (place.is_equal) {
        node.Erase(place.position);
      } else if (node.keys.size() < kMax) {
        node.Insert(key);
      } else {
        node.keys.resize(kMax / 2);
        node.heads.Rebuild(node.keys.size(), node.At());
      }
      ASSERT_TRUE(node.heads.IsRight(node.keys.size(), node.At()));
    }
  }
}

}  // namespace
}  // namespace socle::mvcc
