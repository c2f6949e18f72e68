#include "server/auth/tokens.h"

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "kv/base/status_macros.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/temp_dir.h"
#include "server/auth/caller.h"
#include "server/auth/password.h"

namespace socle::server {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(Caller, TakesTheTokenFieldBeforeAuthorizationAndStripsBearer) {
  EXPECT_EQ(TokenOf(std::nullopt, std::nullopt), std::nullopt);
  EXPECT_EQ(TokenOf("t", "Bearer a"), "t");
  EXPECT_EQ(TokenOf("", "Bearer a"), "");
  EXPECT_EQ(TokenOf(std::nullopt, "Bearer a"), "a");
  EXPECT_EQ(TokenOf(std::nullopt, "a"), "a");
}

TEST(SimpleTokens, LookLikeEtcdsAndSpeakWithTheCurrentRevision) {
  ManualClock clock;
  SimpleTokens tokens(kNanosPerSecond, &clock);
  const auto token = tokens.Make("alice", 7);
  ASSERT_TRUE(token.ok());
  EXPECT_THAT(*token, MatchesRegex("[a-zA-Z]{16}\\.[0-9]+"));
  EXPECT_NE(*tokens.Make("alice", 7), *token);
  const auto owner = tokens.Read(*token, 9);
  ASSERT_TRUE(owner.has_value());
  EXPECT_EQ(owner->user, "alice");
  EXPECT_EQ(owner->revision, 9U);
  EXPECT_FALSE(tokens.Read(*token + "0", 9).has_value());
  EXPECT_FALSE(tokens.Read("", 9).has_value());
}

TEST(SimpleTokens, LiveAsLongAsTheyAreUsed) {
  ManualClock clock;
  SimpleTokens tokens(10, &clock);
  const std::string token = *tokens.Make("alice", 1);
  clock.Advance(9);
  EXPECT_TRUE(tokens.Read(token, 1).has_value());
  clock.Advance(9);
  EXPECT_TRUE(tokens.Read(token, 1).has_value());
  clock.Advance(10);
  EXPECT_FALSE(tokens.Read(token, 1).has_value());
}

TEST(SimpleTokens, GoOneByOneWithTheirUserAndAllTogether) {
  ManualClock clock;
  SimpleTokens tokens(kNanosPerSecond, &clock);
  const std::string one = *tokens.Make("alice", 1);
  const std::string alice = *tokens.Make("alice", 1);
  const std::string bob = *tokens.Make("bob", 1);
  tokens.DropToken(one);
  tokens.DropToken(one);
  EXPECT_FALSE(tokens.Read(one, 1).has_value());
  EXPECT_TRUE(tokens.Read(alice, 1).has_value());
  tokens.Drop("alice");
  EXPECT_FALSE(tokens.Read(alice, 1).has_value());
  EXPECT_TRUE(tokens.Read(bob, 1).has_value());
  tokens.DropAll();
  EXPECT_FALSE(tokens.Read(bob, 1).has_value());
}

TEST(SimpleTokens, ForgetTheDeadOnes) {
  ManualClock clock;
  SimpleTokens tokens(10, &clock);
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(tokens.Make("alice", 1).ok());
    clock.Advance(1);
  }
  EXPECT_LE(tokens.size(), 64U);
}

TEST(Password, MakesAndVerifiesWhatEtcdStores) {
  const auto hash = HashPassword("secret", kBcryptCostMin);
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_THAT(*hash, MatchesRegex("\\$2a\\$04\\$.{53}"));
  EXPECT_TRUE(IsPassword("secret", *hash));
  EXPECT_FALSE(IsPassword("Secret", *hash));
  EXPECT_FALSE(IsPassword(std::string_view("secret\0x", 8), *hash));
  EXPECT_FALSE(IsPassword("", ""));
  EXPECT_FALSE(IsPassword("", "*0"));
  // "U*U" at cost 5: a test vector of crypt_blowfish.
  EXPECT_TRUE(IsPassword("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
  EXPECT_EQ(HashPassword(std::string(73, 'x'), kBcryptCostMin).status().code(),
            absl::StatusCode::kUnknown);
  EXPECT_TRUE(IsPassword("", *HashPassword("", kBcryptCostMin)));
}

// The example key of RFC 8037, appendix A; it opens nothing.
constexpr std::string_view kEdPrivate =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
constexpr std::string_view kEdPublic =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n";

class SignedTokensTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view text) {
    const std::string path = dir_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::unique_ptr<TokenSource> Make(const std::string& options) {
    auto made = MakeTokenSource({.kind = "jwt," + options, .clock = &clock_});
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : nullptr;
  }

  TempDir dir_;
  ManualClock clock_;
};

TEST_F(SignedTokensTest, SayWhoAndSinceWhenUntilTheyDie) {
  const auto tokens = Make("sign-method=HS256,priv-key=" + Write("secret", "s") + ",ttl=10s");
  const auto token = tokens->Make("alice", 7);
  ASSERT_TRUE(token.ok()) << token.status();
  const auto owner = tokens->Read(*token, 9);
  ASSERT_TRUE(owner.has_value());
  EXPECT_EQ(owner->user, "alice");
  EXPECT_EQ(owner->revision, 7U);
  clock_.Advance(11 * kNanosPerSecond);
  EXPECT_FALSE(tokens->Read(*token, 9).has_value());
}

TEST_F(SignedTokensTest, AreRefusedWhenAnythingOfThemChanged) {
  const auto tokens = Make("sign-method=EdDSA,priv-key=" + Write("key", kEdPrivate));
  const std::string token = *tokens->Make("alice", 7);
  ASSERT_TRUE(tokens->Read(token, 7).has_value());
  for (size_t i = 0; i < token.size() - 1; ++i) {  // the last letter has bits that say nothing
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(tokens->Read(changed, 7).has_value()) << i;
  }
  EXPECT_FALSE(tokens->Read("", 7).has_value());
  EXPECT_FALSE(tokens->Read("..", 7).has_value());
  EXPECT_FALSE(tokens->Read("a.b", 7).has_value());
}

TEST_F(SignedTokensTest, AreReadAndNotMadeWithThePublicKeyAlone) {
  const auto signer = Make("sign-method=EdDSA,priv-key=" + Write("key", kEdPrivate) +
                           ",pub-key=" + Write("pub", kEdPublic));
  const auto reader = Make("sign-method=EdDSA,pub-key=" + Write("pub", kEdPublic));
  const std::string token = *signer->Make("alice", 7);
  EXPECT_TRUE(reader->Read(token, 7).has_value());
  EXPECT_EQ(reader->Make("alice", 7).status().code(), absl::StatusCode::kUnknown);
}

using Pipe = std::unique_ptr<BIO, decltype(&BIO_free)>;

Pipe NewPipe() {
  return {BIO_new(BIO_s_mem()), BIO_free};
}

std::string Drain(BIO* bio) {
  std::string text(16'384, '\0');
  const int size = BIO_read(bio, text.data(), static_cast<int>(text.size()));
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

std::string PemOf(EVP_PKEY* key) {
  const Pipe pipe = NewPipe();
  PEM_write_bio_PrivateKey(pipe.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  EVP_PKEY_free(key);
  return Drain(pipe.get());
}

// Signed by itself.
std::string CertificateOf(EVP_PKEY* key) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 60);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), key, EVP_sha256());
  const Pipe pipe = NewPipe();
  PEM_write_bio_X509(pipe.get(), certificate.get());
  return Drain(pipe.get());
}

// etcd takes one for pub-key; its own tests give it the pair that serves TLS.
TEST_F(SignedTokensTest, AreReadWithTheKeyOfACertificate) {
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  const std::string certificate = Write("certificate", CertificateOf(key));
  const auto signer =
      Make("sign-method=ES256,pub-key=" + certificate + ",priv-key=" + Write("key", PemOf(key)));
  const auto reader = Make("sign-method=ES256,pub-key=" + certificate);
  ASSERT_NE(signer, nullptr);
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Read(*signer->Make("alice", 7), 7).has_value());
}

TEST_F(SignedTokensTest, OfEveryAlgorithmAreReadByItAlone) {
  const std::string rsa =
      Write("rsa", PemOf(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2'048})));
  const std::string p256 = Write("p256", PemOf(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")));
  const std::string p521 = Write("p521", PemOf(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521")));
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"HS512", rsa}, {"RS256", rsa},  {"RS512", rsa},  {"PS256", rsa},
      {"PS384", rsa}, {"ES256", p256}, {"ES512", p521}, {"EdDSA", Write("ed", kEdPrivate)}};
  std::vector<std::unique_ptr<TokenSource>> sources;
  for (const auto& [method, file] : kinds) {
    sources.push_back(Make("sign-method=" + method + ",priv-key=" + file));
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    SCOPED_TRACE(kinds[i].first);
    const auto token = sources[i]->Make("alice", 7);
    ASSERT_TRUE(token.ok()) << token.status();
    for (size_t j = 0; j < sources.size(); ++j) {
      EXPECT_EQ(sources[j]->Read(*token, 7).has_value(), i == j) << kinds[j].first;
    }
  }
  const auto mismatch = MakeTokenSource({.kind = "jwt,sign-method=ES384,priv-key=" + p256});
  EXPECT_THAT(std::string(MessageOf(mismatch.status())), HasSubstr("curve"));
}

// The public key as an HMAC secret: the oldest trick against JWT.
TEST_F(SignedTokensTest, OfAnotherAlgorithmAreNone) {
  const auto reader = Make("sign-method=EdDSA,pub-key=" + Write("pub", kEdPublic));
  const auto forger = Make("sign-method=HS256,priv-key=" + Write("pub", kEdPublic));
  EXPECT_FALSE(reader->Read(*forger->Make("root", 7), 7).has_value());
}

TEST_F(SignedTokensTest, OptionsThatAreWrongAreNamed) {
  const std::string key = Write("key", kEdPrivate);

  struct Case {
    std::string kind;
    const char* message;
  };

  const Case kCases[] = {
      {"complex", "'complex' is neither"},
      {"jwt", "sign-method ''"},
      {"jwt,sign-method=none", "sign-method 'none'"},
      {"jwt,sign-method=HS256", "needs priv-key"},
      {"jwt,sign-method=RS256,priv-key=" + key, "is not a private key"},
      {"jwt,sign-method=EdDSA,priv-key=/nowhere", "/nowhere can't be read"},
      {"jwt,sign-method", "'sign-method' is not name=value"},
      {"jwt,sign-method=EdDSA,priv-key=" + key + ",ttl=soon", "is not a duration"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.kind);
    const auto made = MakeTokenSource({.kind = c.kind});
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(std::string(MessageOf(made.status())), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace socle::server
