#include "controllers/hollow/mailbox.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"

namespace socle::hollow {
namespace {

using testing::ElementsAre;

registry::ChangeRef ChangeOf(std::string uid, int64_t revision) {
  auto object = std::make_shared<registry::Object>();
  object->uid = std::move(uid);
  object->mod_revision = revision;
  auto change = std::make_shared<registry::Change>();
  change->object = std::move(object);
  return change;
}

std::vector<std::string> Seen(const Mailbox::Batch& batch) {
  std::vector<std::string> seen;
  for (const registry::ChangeRef& change : batch.changes) {
    if (change != nullptr) {
      seen.push_back(change->object->uid + std::to_string(change->object->mod_revision));
    }
  }
  return seen;
}

TEST(Mailbox, HandsOutTheNewestOfEachObjectAtItsOwnPlace) {
  Mailbox mailbox;
  mailbox.PostChange(ChangeOf("a", 1));
  mailbox.PostChange(ChangeOf("b", 2));
  mailbox.PostChange(ChangeOf("a", 3));
  mailbox.PostChange(ChangeOf("c", 4));
  Mailbox::Batch batch;
  ASSERT_TRUE(mailbox.Take(&batch));
  EXPECT_THAT(Seen(batch), ElementsAre("b2", "a3", "c4"));
  mailbox.PostChange(ChangeOf("a", 5));
  ASSERT_TRUE(mailbox.Take(&batch));
  EXPECT_THAT(Seen(batch), ElementsAre("a5"));
}

TEST(Mailbox, StaysSmallHoweverOftenOneObjectChanges) {
  Mailbox mailbox;
  mailbox.PostChange(ChangeOf("first", 1));
  for (int64_t i = 0; i < 10'000; ++i) {
    mailbox.PostChange(ChangeOf(i % 2 == 0 ? "a" : "b", 2 + i));
  }
  Mailbox::Batch batch;
  ASSERT_TRUE(mailbox.Take(&batch));
  EXPECT_LT(batch.changes.size(), 100U);
  EXPECT_THAT(Seen(batch), ElementsAre("first1", "a10000", "b10001"));
}

TEST(Mailbox, IsBusyUntilTheOwnerAsksAgain) {
  Mailbox mailbox;
  EXPECT_TRUE(mailbox.is_busy()) << "the owner has not begun";
  mailbox.PostTick(7);
  Mailbox::Batch batch;
  ASSERT_TRUE(mailbox.Take(&batch));
  EXPECT_EQ(batch.tick, 7U);
  EXPECT_TRUE(mailbox.is_busy());
  bool was_taken = true;
  {
    Thread owner("owner", [&] {
      Mailbox::Batch next;
      was_taken = mailbox.Take(&next);
    });
    while (mailbox.is_busy()) {
    }
    mailbox.Close();
  }
  EXPECT_FALSE(was_taken);
  EXPECT_FALSE(mailbox.is_busy());
}

}  // namespace
}  // namespace socle::hollow
