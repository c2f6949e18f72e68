#include "server/auth/auth_store.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "lease/lessor.h"

namespace socle::server {
namespace {

// Simple tokens; something else happens when the next one was made, before whoever asked for it goes on.
class InterruptedTokens final : public TokenSource {
 public:
  explicit InterruptedTokens(Clock* clock) : inner_(300 * kNanosPerSecond, clock) {}

  void Interrupt(std::function<void()> with) { with_ = std::move(with); }

  const std::vector<std::string>& made() const { return made_; }

  absl::StatusOr<std::string> Make(std::string_view user, uint64_t auth_revision) override {
    absl::StatusOr<std::string> token = inner_.Make(user, auth_revision);
    made_.push_back(token.value_or(""));
    if (const auto with = std::exchange(with_, nullptr)) {
      with();
    }
    return token;
  }

  std::optional<TokenOwner> Read(std::string_view token, uint64_t auth_revision) override {
    return inner_.Read(token, auth_revision);
  }

  void Drop(std::string_view user) override { inner_.Drop(user); }

  void DropToken(std::string_view token) override { inner_.DropToken(token); }

  void DropAll() override { inner_.DropAll(); }

 private:
  SimpleTokens inner_;
  std::function<void()> with_;
  std::vector<std::string> made_;
};

class AuthStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mvcc::StoreOptions options;
    options.directory = dir_.PathOf("data");
    options.lease_hook = &lessor_;
    ASSERT_OK_AND_ASSIGN(store_, mvcc::Store::Open(options));
    auto tokens = std::make_unique<InterruptedTokens>(&clock_);
    tokens_ = tokens.get();
    auth_ = std::make_unique<AuthStore>(store_.get(), std::move(tokens), kBcryptCostMin);
    ASSERT_OK(auth_->Load());
    ASSERT_OK(auth_->AddUser("root", "r", {}));
    ASSERT_OK(auth_->GrantRole("root", "root"));
    ASSERT_OK(auth_->AddUser("alice", "a", {}));
    ASSERT_OK(auth_->Enable());
  }

  bool IsGood(const std::string& token) {
    return auth_->OwnerOf(token, *auth_->state()).has_value();
  }

  TempDir dir_;
  ManualClock clock_;
  lease::Lessor lessor_;
  std::unique_ptr<mvcc::Store> store_;
  InterruptedTokens* tokens_ = nullptr;  // auth_ owns it
  std::unique_ptr<AuthStore> auth_;
};

TEST_F(AuthStoreTest, ALoginBesideAChangeKeepsTheUsersOtherTokens) {
  ASSERT_OK_AND_ASSIGN(const std::string earlier, auth_->Authenticate("alice", "a"));
  tokens_->Interrupt([this] { ASSERT_OK(auth_->AddRole("of nobody")); });
  ASSERT_OK_AND_ASSIGN(const std::string later, auth_->Authenticate("alice", "a"));
  ASSERT_EQ(tokens_->made().size(), 3U);
  EXPECT_TRUE(IsGood(earlier));
  EXPECT_FALSE(IsGood(tokens_->made()[1])) << "nobody knows it";
  EXPECT_EQ(tokens_->made()[2], later);
  EXPECT_TRUE(IsGood(later));
}

TEST_F(AuthStoreTest, ALoginBesideANewPasswordGetsNoTokenAndLeavesNone) {
  ASSERT_OK_AND_ASSIGN(const std::string earlier, auth_->Authenticate("alice", "a"));
  ASSERT_OK_AND_ASSIGN(const std::string of_root, auth_->Authenticate("root", "r"));
  tokens_->Interrupt([this] { ASSERT_OK(auth_->ChangePassword("alice", "b")); });
  EXPECT_FALSE(auth_->Authenticate("alice", "a").ok());
  ASSERT_EQ(tokens_->made().size(), 3U);
  EXPECT_FALSE(IsGood(earlier));
  EXPECT_FALSE(IsGood(tokens_->made().back()));
  EXPECT_TRUE(IsGood(of_root));
}

}  // namespace
}  // namespace socle::server
