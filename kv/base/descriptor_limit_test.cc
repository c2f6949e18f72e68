#include "kv/base/descriptor_limit.h"

#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include <gtest/gtest.h>

namespace socle {
namespace {

TEST(DescriptorLimit, StandardDescriptorsThatAreClosedAreNotGivenToFiles) {
  const int kept = ::dup(STDIN_FILENO);
  ASSERT_GT(kept, STDERR_FILENO);
  ::close(STDIN_FILENO);
  HoldStandardDescriptors();
  HoldStandardDescriptors();  // nothing is closed: no effect
  const int next = ::dup(kept);
  EXPECT_GT(next, STDERR_FILENO);
  char byte = 0;
  EXPECT_EQ(::read(STDIN_FILENO, &byte, 1), 0);  // /dev/null
  ::close(next);
  ::dup2(kept, STDIN_FILENO);
  ::close(kept);
}

TEST(DescriptorLimit, SomeAreReserved) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_GE(before.rlim_max, 400U);
  rlimit tight = before;
  tight.rlim_cur = 200;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  EXPECT_EQ(DescriptorLimit(), 200U);

  std::vector<int> open;
  while (!AreDescriptorsScarce(STDERR_FILENO)) {
    open.push_back(::dup(STDERR_FILENO));
    ASSERT_GE(open.back(), 0);
  }
  ASSERT_FALSE(open.empty());
  EXPECT_EQ(open.back(), 49);  // 200 - 150 are there from 0 on

  ::close(open.front());  // any that comes back counts
  EXPECT_FALSE(AreDescriptorsScarce(STDERR_FILENO));
  open.front() = ::dup(STDERR_FILENO);
  EXPECT_TRUE(AreDescriptorsScarce(STDERR_FILENO));

  RaiseDescriptorLimit();
  EXPECT_EQ(DescriptorLimit(), before.rlim_max);
  EXPECT_FALSE(AreDescriptorsScarce(STDERR_FILENO));
  for (const int fd : open) {
    ::close(fd);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace socle
