#include "rpc/auth_jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "jwt_signer.h"
#include "support/manual_clock.h"

namespace fetchd::rpc {
namespace {

using fetchd::testing::Base64Url;
using fetchd::testing::ManualClock;
using fetchd::testing::SigningKey;
using ::testing::HasSubstr;
using ::testing::Not;

const SigningKey& RsaKey() {
  static const auto* key = new SigningKey(SigningKey::Rsa("rsa"));
  return *key;
}
const SigningKey& EcKey() {
  static const auto* key = new SigningKey(SigningKey::Ec("ec"));
  return *key;
}

std::string Set(const std::string& keys) { return Concat(R"({"keys":[)", keys, "]}"); }

JwtRules Rules() { return {.issuer = "https://id.example", .audience = "fetchd"}; }

class JwtReaderTest : public ::testing::Test {
 protected:
  JwtReaderTest() { EXPECT_TRUE(UseKeys(RsaKey().Jwk() + "," + EcKey().Jwk()).ok()); }

  absl::Status UseKeys(const std::string& keys) { return reader_.ReplaceKeys(Set(keys)); }
  std::int64_t Now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock_.WallNow().time_since_epoch())
        .count();
  }
  /// What is in order, with `changes` instead: "\"aud\":\"x\"," goes before.
  std::string Claims(const std::string& changes = "") const {
    const auto with = [&](const char* name, const std::string& value) {
      const bool changed = changes.find(Concat('"', name, '"')) != std::string::npos;
      return changed ? std::string() : Concat(",\"", name, "\":", value);
    };
    return Concat("{", changes, changes.empty() ? "" : ",", "\"jti\":\"1\"",
                  with("iss", "\"https://id.example\""), with("aud", "\"fetchd\""),
                  with("sub", "\"ci\""), with("exp", Concat(Now() + 300)),
                  with("tenant", "\"builds\""), with("roles", R"(["submit","read"])"), "}");
  }
  absl::StatusOr<Principal> Read(const std::string& token) const {
    return reader_.Read(Secret(token));
  }
  /// With changed claims, signed as it should be.
  absl::StatusOr<Principal> ReadClaims(const std::string& changes) const {
    return Read(EcKey().Sign(Claims(changes)));
  }
  absl::Status ReadHeader(const std::string& header) const {
    return Read(EcKey().Sign(header, Claims())).status();
  }

  ManualClock clock_;
  int unknown_keys_ = 0;
  JwtReader reader_{Rules(), clock_, [this] { ++unknown_keys_; }};
};

TEST_F(JwtReaderTest, TakesBothAlgorithms) {
  const Principal expected{"ci", "builds", {Role::kSubmit, Role::kRead}};
  for (const SigningKey* key : {&RsaKey(), &EcKey()}) {
    const auto principal = Read(key->Sign(Claims()));
    ASSERT_TRUE(principal.ok()) << principal.status();
    EXPECT_EQ(*principal, expected);
  }
}

TEST_F(JwtReaderTest, RefusesASignatureOfAnotherKey) {
  EXPECT_THAT(MessageOf(Read(SigningKey::Ec("ec").Sign(Claims())).status()),
              HasSubstr("signature is wrong"));
  EXPECT_THAT(MessageOf(Read(SigningKey::Rsa("rsa").Sign(Claims())).status()),
              HasSubstr("signature is wrong"));
}

TEST_F(JwtReaderTest, AnEs256SignatureIsOf64Bytes) {
  const std::string token = EcKey().Sign(Claims());
  const std::size_t at = token.rfind('.') + 1;
  std::string plain = token.substr(at) + "==";
  for (char& c : plain) c = c == '-' ? '+' : c == '_' ? '/' : c;
  const std::string pair = *Base64Decode(plain);
  ASSERT_EQ(pair.size(), 64u);
  ASSERT_TRUE(Read(token).ok());

  // The same two numbers, written with more digits.
  const std::string longer =
      Concat(std::string(1, '\0'), pair.substr(0, 32), std::string(1, '\0'), pair.substr(32));
  EXPECT_FALSE(Read(token.substr(0, at) + Base64Url(longer)).ok());
  EXPECT_FALSE(Read(token.substr(0, at) + Base64Url(pair.substr(0, 63))).ok());
}

TEST_F(JwtReaderTest, RefusesATokenOfWhichAnyPartWasChanged) {
  const std::string token = EcKey().Sign(Claims());
  for (std::size_t i = 0; i < token.size(); i += 3) {
    std::string mangled = token;
    mangled[i] = mangled[i] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(absl::IsUnauthenticated(Read(mangled).status())) << i;
  }
}

TEST_F(JwtReaderTest, RefusesOtherAlgorithms) {
  const std::string claims = Base64Url(Claims());
  const std::string none = Base64Url(R"({"alg":"none","typ":"JWT"})");
  EXPECT_FALSE(Read(Concat(none, '.', claims, '.')).ok());
  EXPECT_FALSE(Read(Concat(none, '.', claims, ".AA")).ok());
  for (const char* algorithm : {"none", "NONE", "HS256", "HS384", "RS384", "PS256", "ES384",
                                "EdDSA", "es256", "", "ES256 "}) {
    EXPECT_THAT(MessageOf(ReadHeader(Concat(R"({"alg":")", algorithm, R"(","kid":"ec"})"))),
                HasSubstr("alg is not"))
        << algorithm;
  }
  EXPECT_FALSE(ReadHeader(R"({"kid":"ec"})").ok());
  EXPECT_FALSE(ReadHeader(R"({"alg":["ES256"],"kid":"ec"})").ok());
}

TEST_F(JwtReaderTest, AKeyIsUsedForItsOwnAlgorithmOnly) {
  // Signed by the EC key, and said to be by the RSA key.
  EXPECT_FALSE(ReadHeader(R"({"alg":"RS256","kid":"rsa"})").ok());
  EXPECT_FALSE(ReadHeader(R"({"alg":"RS256","kid":"ec"})").ok());
  EXPECT_FALSE(ReadHeader(R"({"alg":"ES256","kid":"rsa"})").ok());
}

TEST_F(JwtReaderTest, RefusesExtensionsAndOtherTypes) {
  EXPECT_FALSE(ReadHeader(R"({"alg":"ES256","kid":"ec","crit":["exp"]})").ok());
  EXPECT_FALSE(ReadHeader(R"({"alg":"ES256","kid":"ec","crit":[]})").ok());
  EXPECT_FALSE(ReadHeader(R"({"alg":"ES256","kid":"ec","b64":false})").ok());
  EXPECT_FALSE(ReadHeader(R"({"alg":"ES256","kid":"ec","typ":"dpop+jwt"})").ok());
  EXPECT_TRUE(ReadHeader(R"({"alg":"ES256","kid":"ec","typ":"at+JWT"})").ok());
  EXPECT_TRUE(ReadHeader(R"({"alg":"ES256","kid":"ec"})").ok());
}

TEST_F(JwtReaderTest, NeverUsesAKeyThatTheTokenBrings) {
  const SigningKey attacker = SigningKey::Ec("mine");
  const std::string header = Concat(R"({"alg":"ES256","kid":"ec","jwk":)", attacker.Jwk(), "}");

  EXPECT_FALSE(Read(attacker.Sign(header, Claims())).ok());
}

TEST_F(JwtReaderTest, RefusesWhatIsNoJwt) {
  const std::string token = EcKey().Sign(Claims());
  const std::string header = token.substr(0, token.find('.'));
  for (const std::string& text :
       {std::string(""), std::string("."), std::string(".."), std::string("a.b.c"), token + ".AA",
        token + "=", " " + token, token + "\n", header + "..AA",
        Concat(header, "=.", header, ".AA"), Concat(Base64Url("[]"), '.', header, ".AA")}) {
    EXPECT_TRUE(absl::IsUnauthenticated(Read(text).status())) << text;
  }
}

TEST_F(JwtReaderTest, TimesHaveASkewOfAMinute) {
  const auto with = [&](const char* name, std::int64_t seconds) {
    return ReadClaims(Concat('"', name, "\":", Now() + seconds)).status();
  };

  EXPECT_EQ(with("exp", -59), absl::OkStatus());
  EXPECT_EQ(GetReason(with("exp", -60))->reason, "TOKEN_EXPIRED");
  EXPECT_EQ(with("nbf", 60), absl::OkStatus());
  EXPECT_THAT(MessageOf(with("nbf", 61)), HasSubstr("not yet valid"));
  EXPECT_TRUE(ReadClaims(Concat("\"exp\":", Now() + 10, ".5")).ok());
}

TEST_F(JwtReaderTest, RefusesATokenWithoutAnEnd) {
  for (const char* exp : {"\"exp\":null", "\"exp\":\"4102444800\"", "\"exp\":true"}) {
    EXPECT_THAT(MessageOf(ReadClaims(exp).status()), HasSubstr("has no exp")) << exp;
  }
  EXPECT_FALSE(ReadClaims("\"nbf\":\"1\"").ok());
}

TEST_F(JwtReaderTest, IssuerAndAudienceMustBeOurs) {
  for (const char* changes :
       {R"("iss":"https://id.example/")", R"("iss":"")", R"("iss":["https://id.example"])",
        R"("aud":"other")", R"("aud":[])", R"("aud":["other"])", R"("aud":null)"}) {
    EXPECT_TRUE(absl::IsUnauthenticated(ReadClaims(changes).status())) << changes;
  }
  EXPECT_TRUE(ReadClaims(R"("aud":["other","fetchd"])").ok());
}

TEST_F(JwtReaderTest, TheCallerAndHisTenantMustBeNamed) {
  for (const char* changes : {R"("sub":"")", R"("sub":1)", R"("sub":"a\nb")", R"("tenant":"")",
                              R"("tenant":"No Name")", R"("tenant":["builds"])"}) {
    EXPECT_TRUE(absl::IsUnauthenticated(ReadClaims(changes).status())) << changes;
  }
  EXPECT_EQ(ReadClaims(R"("tenant":"","roles":"admin")")->tenant, "default");
}

TEST_F(JwtReaderTest, RolesAreAListOrATextWithSpaces) {
  EXPECT_EQ(ReadClaims(R"("roles":"read  openid submit")")->roles,
            Roles({Role::kRead, Role::kSubmit}));
  EXPECT_EQ(ReadClaims(R"("roles":["read",7,"Admin"])")->roles, Roles({Role::kRead}));
  EXPECT_TRUE(ReadClaims(R"("roles":{})")->roles.empty());
  EXPECT_TRUE(ReadClaims(R"("roles":"")")->roles.empty());
}

TEST_F(JwtReaderTest, ValuesOfRolesGiveWhatTheConfigurationSays) {
  JwtRules rules = Rules();
  rules.roles_claim = "groups";
  rules.tenant_claim = "team";
  rules.principal_claim = "email";
  rules.roles = {{"fetch:write", {Role::kSubmit, Role::kRead}}};
  JwtReader reader(rules, clock_, [] {});
  ASSERT_TRUE(reader.ReplaceKeys(Set(EcKey().Jwk())).ok());

  const auto principal = reader.Read(Secret(EcKey().Sign(
      Claims(R"("groups":["fetch:write","admin"],"team":"reports","email":"a@example.org")"))));

  ASSERT_TRUE(principal.ok()) << principal.status();
  EXPECT_EQ(*principal, (Principal{"a@example.org", "reports", {Role::kSubmit, Role::kRead}}));
}

TEST_F(JwtReaderTest, AKeyThatIsNotInTheSetIsAskedFor) {
  const SigningKey next = SigningKey::Ec("next");
  EXPECT_FALSE(Read(next.Sign(Claims())).ok());
  EXPECT_EQ(unknown_keys_, 1);

  ASSERT_TRUE(UseKeys(next.Jwk()).ok());

  EXPECT_TRUE(Read(next.Sign(Claims())).ok());
  EXPECT_FALSE(Read(EcKey().Sign(Claims())).ok());
}

TEST_F(JwtReaderTest, ASetOfNoUseLeavesTheOneBefore) {
  EXPECT_FALSE(reader_.ReplaceKeys("{}").ok());

  EXPECT_TRUE(Read(EcKey().Sign(Claims())).ok());
}

TEST_F(JwtReaderTest, WithoutKeysTheCallerIsToComeBack) {
  const JwtReader reader(Rules(), clock_, [] {});

  const auto read = reader.Read(Secret(EcKey().Sign(Claims())));

  EXPECT_TRUE(absl::IsUnavailable(read.status()));
  EXPECT_EQ(GetReason(read.status())->reason, "KEYS_MISSING");
  EXPECT_TRUE(GetRetryAfter(read.status()));
}

TEST_F(JwtReaderTest, ErrorsDoNotQuoteTheToken) {
  const std::string token = EcKey().Sign(Claims(R"("iss":"canary-7d1")"));

  const std::string message = MessageOf(Read(token).status());

  EXPECT_THAT(message, Not(HasSubstr("canary-7d1")));
  EXPECT_THAT(message, Not(HasSubstr(token)));
}

TEST(JwksTest, UsesWhatItCanAndPassesOverTheRest) {
  const SigningKey key = SigningKey::Ec("good");
  const auto keys = ParseJwks(
      Set(key.Jwk() + "," + key.Jwk(R"(,"use":"enc")") + "," + key.Jwk(R"(,"alg":"ES384")") + "," +
          key.Jwk(R"(,"key_ops":["sign"])") + "," + SigningKey::Ec("p384", "P-384").Jwk() + "," +
          SigningKey::Rsa("small", 1024).Jwk() + R"(,{"kty":"OKP"})"));

  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_EQ(keys->front().id, "good");
}

TEST(JwksTest, TakesAKeyThatSaysWhatItIsFor) {
  const SigningKey key = SigningKey::Ec("k");

  EXPECT_TRUE(ParseJwks(Set(key.Jwk(R"(,"use":"sig","alg":"ES256","key_ops":["verify"])"))).ok());
}

TEST(JwksTest, RefusesWhatShouldNotBeTold) {
  const SigningKey key = SigningKey::Ec("k");

  EXPECT_THAT(MessageOf(ParseJwks(Set(key.Jwk(R"(,"d":"AA")"))).status()),
              HasSubstr("private key"));
  EXPECT_THAT(MessageOf(ParseJwks(Set(key.Jwk() + R"(,{"kty":"oct","k":"c2VjcmV0"})")).status()),
              HasSubstr("symmetric key"));
}

TEST(JwksTest, RefusesWhatIsNoSet) {
  for (const std::string text : {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1]}",
                                 "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\"}]}"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseJwks(text).status())) << text;
  }
  std::string many = SigningKey::Ec("k").Jwk();
  for (int i = 0; i < 100; ++i) many += ",{}";
  EXPECT_THAT(MessageOf(ParseJwks(Set(many)).status()), HasSubstr("more than 100 keys"));
}

}  // namespace
}  // namespace fetchd::rpc
