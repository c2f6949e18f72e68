#include "server/wire/http/listen_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server::http {
namespace {

using ::testing::HasSubstr;

class ListenSocketTest : public ::testing::Test {
 protected:
  ListenSocketTest() { CHECK(::mkdtemp(dir_.data()) != nullptr); }

  ~ListenSocketTest() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  std::string dir_ = "/tmp/socle_listen_test.XXXXXX";
};

TEST_F(ListenSocketTest, SaysWhichPortIsTaken) {
  const auto first = ListenSocket::OpenTcp("127.0.0.1", 0);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = ListenSocket::OpenTcp("127.0.0.1", first->port());
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_EQ(std::string(MessageOf(second.status())), "cannot listen on 127.0.0.1 port " +
                                                         std::to_string(first->port()) +
                                                         ": Address already in use");
  EXPECT_TRUE(absl::IsInvalidArgument(ListenSocket::OpenTcp("localhost", 0).status()));
}

TEST_F(ListenSocketTest, OfAllIpv6AddressesTakesIpv4Too) {
  const auto all = ListenSocket::OpenTcp("::", 0);
  if (!all.ok()) {
    GTEST_SKIP() << "no IPv6 here";
  }
  const RawClient client(all->port());
  EXPECT_TRUE(client.Send("hello"));
}

TEST_F(ListenSocketTest, LeavesNoFileOfAUnixSocketBehind) {
  std::optional<absl::StatusOr<ListenSocket>> socket = ListenSocket::OpenUnix(Path("s"));
  ASSERT_TRUE((*socket).ok()) << socket->status();
  EXPECT_TRUE(std::filesystem::is_socket(Path("s")));
  socket.reset();
  EXPECT_FALSE(std::filesystem::exists(Path("s")));
}

TEST_F(ListenSocketTest, ReplacesOnlyTheSocketOfAServerThatIsGone) {
  const auto live = ListenSocket::OpenUnix(Path("live"));
  ASSERT_TRUE(live.ok()) << live.status();
  EXPECT_THAT(std::string(MessageOf(ListenSocket::OpenUnix(Path("live")).status())),
              HasSubstr("live: Address already in use"));

  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, Path("dead").c_str());
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  ::close(dead);  // as after kill -9
  EXPECT_TRUE(ListenSocket::OpenUnix(Path("dead")).ok());

  std::ofstream(Path("file")) << "precious";
  EXPECT_THAT(std::string(MessageOf(ListenSocket::OpenUnix(Path("file")).status())),
              HasSubstr("not a socket"));
  EXPECT_EQ(std::filesystem::file_size(Path("file")), 8U);
}

TEST_F(ListenSocketTest, OfAUnixPathServesRequests) {
  TestSite site;
  auto socket = ListenSocket::OpenUnix(Path("s"));
  ASSERT_TRUE(socket.ok()) << socket.status();
  site.server()->Accept(*std::move(socket), {.handler = &site});
  Http2Client client(0, {.unix_path = Path("s"), .authority = Path("s")});
  EXPECT_EQ(client.Await(client.Request("POST", "/echo", "abc")).body, "POST /echo abc");

  // What nghttp2 refuses elsewhere is refused here too.
  const auto error_of = [&client](std::string_view method, const Http2Client::Fields& fields) {
    return client.Await(client.Request(method, "/echo", "", fields)).error;
  };
  EXPECT_NE(error_of("GET", {{"x-bad", "a\nb"}}), 0U);
  EXPECT_NE(error_of("GET", {{"x bad", "a"}}), 0U);
  EXPECT_NE(error_of("", {}), 0U);
  EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
}

TEST_F(ListenSocketTest, RefusesPathsThatAreNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(ListenSocket::OpenUnix("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ListenSocket::OpenUnix(std::string(200, 'x')).status()));
  EXPECT_THAT(std::string(MessageOf(ListenSocket::OpenUnix(Path("no/such/s")).status())),
              HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace socle::server::http
