#include "kv/base/thread.h"

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle {
namespace {

// While it lives there is no room for another thread's stack. Room that earlier threads left would do: one test a process.
class NoRoomForThreads {
 public:
  NoRoomForThreads() {
    EXPECT_EQ(::getrlimit(RLIMIT_AS, &before_), 0);
    rlimit tight = before_;
    tight.rlim_cur = rlim_t{1} << 20U;
    EXPECT_EQ(::setrlimit(RLIMIT_AS, &tight), 0);
  }

  ~NoRoomForThreads() { EXPECT_EQ(::setrlimit(RLIMIT_AS, &before_), 0); }

  NoRoomForThreads(const NoRoomForThreads&) = delete;
  NoRoomForThreads& operator=(const NoRoomForThreads&) = delete;

 private:
  rlimit before_{};
};

// The sanitizers need address space themselves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Thread, WithoutOneToBeHadStartFailsAndTheConstructorEndsTheProcess) {
  EXPECT_EXIT(
      {
        const NoRoomForThreads none;
        const Thread thread("needed", [] {});
      },
      ::testing::ExitedWithCode(1), "no thread 'needed' can be started: .*TasksMax=");
  {
    const NoRoomForThreads none;
    const absl::StatusOr<Thread> refused = Thread::Start("extra", [] {});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(refused.status().message(), ::testing::HasSubstr("no thread 'extra'"));
  }
  bool has_run = false;
  absl::StatusOr<Thread> given = Thread::Start("extra", [&has_run] { has_run = true; });
  ASSERT_TRUE(given.ok()) << given.status();
  given->Join();
  EXPECT_TRUE(has_run);
}
#endif

}  // namespace
}  // namespace socle
