#include "rpc/auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/strings.h"
#include "rpc/auth_callers.h"

namespace fetchd::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kUri[] = "uri:spiffe://example.org/ci";
constexpr char kDns[] = "dns:ci.example.org";

std::string Sha256(const std::string& text) {
  return *HexDecode(*HashHex(HashAlgorithm::kSha256, text));
}

Principal Caller(const std::string& name) { return {name, "tenant", {Role::kRead}}; }

TEST(RolesTest, AnAdminHasAll) {
  for (const Role role : {Role::kSubmit, Role::kRead, Role::kAdmin}) {
    EXPECT_TRUE(Roles({Role::kAdmin}).Has(role)) << RoleName(role);
    EXPECT_FALSE(Roles().Has(role)) << RoleName(role);
    EXPECT_TRUE(Roles({role}).Has(role)) << RoleName(role);
    EXPECT_EQ(ParseRole(RoleName(role)), role);
  }
  EXPECT_FALSE(Roles({Role::kSubmit}).Has(Role::kRead));
  EXPECT_FALSE(Roles({Role::kRead, Role::kSubmit}).Has(Role::kAdmin));
  EXPECT_FALSE(ParseRole("Admin"));
}

TEST(PrincipalTest, ActsForHisOwnTenant) {
  const Principal mine{"ci", "builds", {Role::kSubmit}};

  EXPECT_EQ(*mine.Act(""), "builds");
  EXPECT_EQ(*mine.Act("builds"), "builds");
  const auto other = mine.Act("reports");
  EXPECT_TRUE(absl::IsPermissionDenied(other.status()));
  EXPECT_EQ(GetReason(other.status())->reason, "TENANT_NOT_ALLOWED");
  EXPECT_FALSE(mine.Sees("reports"));
  EXPECT_EQ(mine.scope(), "builds");
}

TEST(PrincipalTest, AnAdminActsForAny) {
  const Principal admin{"root", "ops", {Role::kAdmin}};

  EXPECT_EQ(*admin.Act(""), "ops");
  EXPECT_EQ(*admin.Act("reports"), "reports");
  EXPECT_TRUE(admin.Sees("reports"));
  EXPECT_EQ(admin.scope(), "");
}

class CallerAuthenticatorTest : public ::testing::Test {
 protected:
  CallerAuthenticatorTest() {
    KnownCallers known;
    known.tokens = {{Sha256("one"), Caller("one")}, {Sha256("two"), Caller("two")}};
    known.certificates = {{kUri, Caller("by-uri")}, {kDns, Caller("by-dns")}};
    authenticator_.Replace(std::move(known));
  }
  static Evidence Token(const std::string& token) { return {Secret(token), {}}; }

  CallerAuthenticator authenticator_;
};

TEST_F(CallerAuthenticatorTest, KnowsTokensByTheirHash) {
  EXPECT_EQ(authenticator_.Authenticate(Token("one"))->name, "one");
  EXPECT_EQ(authenticator_.Authenticate(Token("two"))->name, "two");
}

TEST_F(CallerAuthenticatorTest, RefusesOthersWithoutQuotingThem) {
  for (const std::string token : {"three", "on", "one ", "", "ONE"}) {
    const auto refused = authenticator_.Authenticate(Token(token));
    EXPECT_TRUE(absl::IsUnauthenticated(refused.status())) << token;
    EXPECT_EQ(GetReason(refused.status())->reason, "TOKEN_INVALID");
  }
  // The hash itself is no token.
  EXPECT_FALSE(authenticator_.Authenticate(Token(HexEncode(Sha256("one")))).ok());
  EXPECT_THAT(MessageOf(authenticator_.Authenticate(Token("canary")).status()),
              Not(HasSubstr("canary")));
}

TEST_F(CallerAuthenticatorTest, RefusesATokenThatIsTooLong) {
  EXPECT_THAT(MessageOf(authenticator_.Authenticate(Token(std::string(8193, 'x'))).status()),
              HasSubstr("longer than 8 KiB"));
}

TEST_F(CallerAuthenticatorTest, KnowsCertificatesByTheirNames) {
  EXPECT_EQ(authenticator_.Authenticate({{}, {kUri}})->name, "by-uri");
  EXPECT_EQ(authenticator_.Authenticate({{}, {"dns:other.example.org", kDns}})->name, "by-dns");
  const auto unknown = authenticator_.Authenticate({{}, {"dns:other.example.org"}});
  EXPECT_EQ(GetReason(unknown.status())->reason, "CERTIFICATE_UNKNOWN");
}

TEST_F(CallerAuthenticatorTest, ATokenGoesBeforeACertificateAndABadOneIsNotSavedByIt) {
  EXPECT_EQ(authenticator_.Authenticate({Secret("one"), {kUri}})->name, "one");
  EXPECT_FALSE(authenticator_.Authenticate({Secret("bad"), {kUri}}).ok());
}

class AnyToken final : public TokenReader {
 public:
  absl::StatusOr<Principal> Read(const Secret&) const override { return Caller("read"); }
};

TEST_F(CallerAuthenticatorTest, SaysWhatACallerIsKnownBy) {
  EXPECT_EQ(authenticator_.Authenticate(Token("one"))->by, Credential::kToken);
  EXPECT_EQ(authenticator_.Authenticate({{}, {kUri}})->by, Credential::kCertificate);
  const CallerAuthenticator reading(std::make_shared<AnyToken>());
  EXPECT_EQ(reading.Authenticate(Token("any"))->by, Credential::kJwt);
}

TEST_F(CallerAuthenticatorTest, NothingShownIsMissing) {
  EXPECT_EQ(GetReason(authenticator_.Authenticate({}).status())->reason, "TOKEN_MISSING");
}

TEST_F(CallerAuthenticatorTest, WhoIsReplacedIsUnknown) {
  authenticator_.Replace({{{Sha256("new"), Caller("new")}}, {}});

  EXPECT_FALSE(authenticator_.Authenticate(Token("one")).ok());
  EXPECT_FALSE(authenticator_.Authenticate({{}, {kUri}}).ok());
  EXPECT_EQ(authenticator_.Authenticate(Token("new"))->name, "new");
}

}  // namespace
}  // namespace fetchd::rpc
