#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/status_macros.h"
#include "kv/env/env.h"

namespace socle {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PosixEnvTest : public ::testing::Test {
 protected:
  PosixEnvTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "socle_env_XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }

  ~PosixEnvTest() override { std::filesystem::remove_all(dir_); }

  std::string PathOf(std::string_view name) const { return dir_ + "/" + std::string(name); }

  std::unique_ptr<File> Create(std::string_view name) {
    auto file = env_->Open(PathOf(name), OpenMode::kReadWriteCreate);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }

  static std::string ReadAll(File* file) {
    std::string bytes(*file->Size(), '\0');
    EXPECT_TRUE(file->ReadAt(0, bytes).ok());
    return bytes;
  }

  Env* const env_ = Env::Posix();
  std::string dir_;
};

TEST_F(PosixEnvTest, ReadsBackWhatWasWrittenAtAnOffset) {
  const auto file = Create("f");
  ASSERT_TRUE(file->WriteAt(3, "def").ok());
  ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  ASSERT_TRUE(file->SyncData().ok());
  EXPECT_EQ(ReadAll(file.get()), "abcdef");
}

TEST_F(PosixEnvTest, ReportsTheEndOfTheFileAsOutOfRange) {
  const auto file = Create("f");
  ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  std::string bytes(4, '\0');
  const absl::Status status = file->ReadAt(0, bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("end of file at 3"));
}

TEST_F(PosixEnvTest, WritesMorePartsThanOneCallTakes) {
  const auto file = Create("f");
  std::vector<std::string> texts;
  std::vector<std::string_view> parts;
  std::string whole;
  for (size_t i = 0; i < 5000; ++i) {
    texts.push_back(i % 7 == 0 ? "" : std::to_string(i));
    whole += texts.back();
  }
  parts.assign(texts.begin(), texts.end());
  ASSERT_TRUE(file->WriteAtV(2, parts).ok());
  EXPECT_EQ(ReadAll(file.get()), std::string(2, '\0') + whole);
  EXPECT_TRUE(file->WriteAtV(0, {}).ok());
}

TEST_F(PosixEnvTest, OpensOnlyWhatTheModeAllows) {
  EXPECT_EQ(env_->Open(PathOf("f"), OpenMode::kReadOnly).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(env_->Open(PathOf("f"), OpenMode::kReadWrite).status().code(),
            absl::StatusCode::kNotFound);
  Create("f");
  struct stat attributes = {};
  ASSERT_EQ(::stat(PathOf("f").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777U, 0600U);
  auto file = env_->Open(PathOf("f"), OpenMode::kReadOnly);
  ASSERT_TRUE(file.ok());
  const absl::Status status = (*file)->WriteAt(0, "x");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("pwrite " + PathOf("f") + ": "));
}

TEST_F(PosixEnvTest, MappingShowsBytesThatTheFileGrowsInto) {
  const auto file = Create("f");
  auto mapping = file->MapForReading(size_t{1} << 36U);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_EQ((*mapping)->size(), size_t{1} << 36U);
  ASSERT_TRUE(file->WriteAt(100'000, "late").ok());
  EXPECT_EQ(std::string_view((*mapping)->data() + 100'000, 4), "late");
}

TEST_F(PosixEnvTest, TruncateCutsAndExtendsWithZeros) {
  const auto file = Create("f");
  ASSERT_TRUE(file->WriteAt(0, "abcdef").ok());
  ASSERT_TRUE(file->Truncate(2).ok());
  ASSERT_TRUE(file->Truncate(4).ok());
  EXPECT_EQ(ReadAll(file.get()), std::string("ab\0\0", 4));
}

TEST_F(PosixEnvTest, ListsRenamesAndRemovesNames) {
  Create("b");
  Create("a");
  EXPECT_THAT(*env_->List(dir_), ElementsAre("a", "b"));
  ASSERT_TRUE(env_->Rename(PathOf("a"), PathOf("b")).ok());
  EXPECT_THAT(*env_->List(dir_), ElementsAre("b"));
  EXPECT_FALSE(*env_->Exists(PathOf("a")));
  EXPECT_TRUE(*env_->Exists(PathOf("b")));
  EXPECT_FALSE(*env_->Exists(PathOf("b/c")));
  ASSERT_TRUE(env_->Remove(PathOf("b")).ok());
  EXPECT_EQ(env_->Remove(PathOf("b")).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(env_->SyncDir(dir_).ok());
  EXPECT_EQ(env_->SyncDir(PathOf("none")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(env_->List(PathOf("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixEnvTest, CreatesMissingParentDirectories) {
  EXPECT_TRUE(env_->CreateDirs(PathOf("x/y//z/")).ok());
  EXPECT_TRUE(env_->CreateDirs(PathOf("x/y/z")).ok());
  EXPECT_TRUE(*env_->Exists(PathOf("x/y/z")));
  Create("file");
  const absl::Status file = env_->CreateDirs(PathOf("file"));
  EXPECT_EQ(file.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(file.message()), HasSubstr("is not a directory"));
  ASSERT_EQ(::symlink("nowhere", PathOf("link").c_str()), 0);
  EXPECT_EQ(env_->CreateDirs(PathOf("link")).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(env_->CreateDirs(PathOf("file/below")).ok());
}

TEST_F(PosixEnvTest, SecondLockInTheSameProcessFailsAtOnce) {
  auto first = env_->Lock(PathOf("lock"));
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = env_->Lock(PathOf("lock")).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.message()), HasSubstr("in use by this process"));
  first->reset();
  EXPECT_TRUE(env_->Lock(PathOf("lock")).ok());
}

TEST_F(PosixEnvTest, SharedLocksStandTogetherButNotBesideAnExclusiveOne) {
  const std::string path = PathOf("lock");
  EXPECT_EQ(env_->LockShared(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(*env_->Exists(path)) << "looking made a file";
  Create("lock");
  {
    const auto first = env_->LockShared(path);
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = env_->LockShared(path);
    EXPECT_TRUE(second.ok()) << second.status();
    EXPECT_EQ(env_->Lock(path).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  const auto exclusive = env_->Lock(path);
  ASSERT_TRUE(exclusive.ok()) << exclusive.status();
  EXPECT_EQ(env_->LockShared(path).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PosixEnvTest, LockHeldByAnotherProcessIsRefusedUntilItDies) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = env_->Lock(PathOf("lock"));
    const char byte = lock.ok() ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) {
      ::_exit(1);
    }
    ::alarm(30);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  const absl::Status status = env_->Lock(PathOf("lock")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  // Where the kernel does not show the locks of others, the owner has no name.
  EXPECT_THAT(std::string(status.message()),
              AnyOf(HasSubstr("in use by another process"),
                    HasSubstr("in use by env_test (process " + std::to_string(child) + ")")));
  EXPECT_EQ(env_->LockShared(PathOf("lock")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(env_->Lock(PathOf("lock")).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace socle
