#include "controllers/plane/kubeconfig.h"

#include <string>

#include <gtest/gtest.h>

#include "controllers/api/json.h"
#include "kv/env/env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::plane {
namespace {

TEST(Kubeconfig, NamesServerAuthorityAndToken) {
  const auto config = api::ParseJson(Kubeconfig(
      {.server = "https://127.0.0.1:8443", .authority_pem = "PEM", .token = "open-sesame"}));
  ASSERT_OK(config);
  const api::Json& cluster = (*api::FindArray(*config, {"clusters"}))[0];
  EXPECT_EQ(api::StringAt(cluster, {"cluster", "server"}), "https://127.0.0.1:8443");
  EXPECT_EQ(api::StringAt(cluster, {"cluster", "certificate-authority-data"}), "UEVN");
  const api::Json& user = (*api::FindArray(*config, {"users"}))[0];
  EXPECT_EQ(api::StringAt(user, {"user", "token"}), "open-sesame");
}

TEST(Kubeconfig, OfAPlainServerHasNeitherAuthorityNorToken) {
  const std::string text = Kubeconfig({.server = "http://127.0.0.1:8080"});
  EXPECT_EQ(text.find("certificate"), std::string::npos);
  EXPECT_EQ(text.find("token"), std::string::npos);
}

TEST(Kubeconfig, ReplacesALongerOneWhole) {
  const TempDir dir;
  const std::string path = dir.path() + "/kubeconfig";
  ASSERT_OK(WriteKubeconfig(path, {.server = "http://a:1", .token = std::string(1000, 't')}));
  ASSERT_OK(WriteKubeconfig(path, {.server = "http://b:2"}));
  const auto file = Env::Posix()->Open(path, OpenMode::kReadOnly);
  ASSERT_OK(file);
  std::string text(*(*file)->Size(), '\0');
  ASSERT_OK((*file)->ReadAt(0, text));
  EXPECT_EQ(text, Kubeconfig({.server = "http://b:2"}));
}

}  // namespace
}  // namespace socle::plane
