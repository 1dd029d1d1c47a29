#include "http/credential_rules.h"

#include <gtest/gtest.h>

namespace fetchd::http {
namespace {

Login MakeLogin(const std::string& name) { return {name, Secret("p")}; }

OriginRule With(OriginCredentials credentials, std::optional<LoginScheme> auth = {}) {
  OriginRule rule;
  rule.credentials = std::make_shared<const OriginCredentials>(std::move(credentials));
  rule.auth = auth;
  return rule;
}

OriginRule WithAuth(LoginScheme auth) {
  OriginRule rule;
  rule.auth = auth;
  return rule;
}

OriginRule WithProfile(OriginRule rule, const std::string& profile) {
  rule.tls_profile = profile;
  return rule;
}

/// "basic USER", "digest USER", "bearer TOKEN" or "none".
std::string Show(const Credentials& credentials) {
  if (const auto* basic = std::get_if<BasicCredentials>(&credentials)) {
    return "basic " + basic->username;
  }
  if (const auto* digest = std::get_if<DigestCredentials>(&credentials)) {
    return "digest " + digest->username;
  }
  if (const auto* bearer = std::get_if<BearerCredentials>(&credentials)) {
    return "bearer " + bearer->token.Reveal();
  }
  return "none";
}

class CredentialRulesTest : public ::testing::Test {
 protected:
  std::string For(const std::string& url) {
    Request request(*Url::Parse(url));
    request.redirected = redirected_;
    request.downgraded = downgraded_;
    request.credentials = own_;
    request.tls_profile = tls_profile_;
    if (has_authorization_) request.headers = {{"authorization", "x"}};
    return Show(rules_.For(request));
  }

  const OriginRules origins_ = *OriginRules::Create({
      {"*.example.org", With(MakeLogin("wide"))},
      {"a.example.org", With(BearerCredentials{Secret("t")})},
      {"d.example.org", WithAuth(LoginScheme::kDigest)},
      {"plain.org:80", With(MakeLogin("port"), LoginScheme::kDigest)},
      {"pinned.org", WithProfile(With(MakeLogin("p")), "pinned")},
      {"netrc-digest.org", WithAuth(LoginScheme::kDigest)},
  });
  const Netrc netrc_ = *Netrc::Parse(
      "machine netrc.org login n password p machine netrc-digest.org login n password p\n"
      "machine b.example.org login n password p default login any password p");
  const CredentialRules rules_{origins_, netrc_};
  Credentials own_;
  std::string tls_profile_;
  bool redirected_ = false;
  bool downgraded_ = false;
  bool has_authorization_ = false;
};

TEST_F(CredentialRulesTest, TheMostSpecificPatternDecides) {
  EXPECT_EQ(For("https://b.example.org/"), "basic wide");
  EXPECT_EQ(For("https://a.example.org/"), "bearer t");
  EXPECT_EQ(For("https://d.example.org/"), "digest wide");
}

TEST_F(CredentialRulesTest, TheRequestsOwnComeFirst) {
  own_ = BasicCredentials{"own", Secret("p")};
  EXPECT_EQ(For("https://a.example.org/"), "basic own");
  EXPECT_EQ(For("https://netrc.org/"), "basic own");
}

TEST_F(CredentialRulesTest, AnAuthorizationHeaderIsLeftAlone) {
  has_authorization_ = true;
  EXPECT_EQ(For("https://a.example.org/"), "none");
  EXPECT_EQ(For("https://netrc.org/"), "none");
}

TEST_F(CredentialRulesTest, PlainHttpNeedsAPatternWithAPort) {
  EXPECT_EQ(For("http://plain.org/"), "digest port");
  EXPECT_EQ(For("http://a.example.org/"), "none");
}

TEST_F(CredentialRulesTest, NetrcComesLast) {
  EXPECT_EQ(For("https://netrc.org/"), "basic n");
  EXPECT_EQ(For("http://netrc.org:8080/"), "basic n");
  EXPECT_EQ(For("https://netrc-digest.org/"), "digest n");
  EXPECT_EQ(For("https://elsewhere.org/"), "basic any");
  EXPECT_EQ(For("http://elsewhere.org/"), "none") << "any host, in clear";
}

TEST_F(CredentialRulesTest, ARedirectBringsNoLoginOverPlainHttp) {
  redirected_ = true;
  EXPECT_EQ(For("http://netrc.org/"), "none");
}

TEST_F(CredentialRulesTest, NotUnderATrustThatTheCallerChose) {
  EXPECT_EQ(For("https://pinned.org/"), "basic p");
  tls_profile_ = "pinned";
  EXPECT_EQ(For("https://pinned.org/"), "basic p");
  tls_profile_ = "lab";
  EXPECT_EQ(For("https://pinned.org/"), "none");
  EXPECT_EQ(For("https://b.example.org/"), "basic wide") << "the operator asks for none there";
}

TEST_F(CredentialRulesTest, NetrcsDefaultIsNotForWhereARedirectLeads) {
  redirected_ = true;
  EXPECT_EQ(For("https://elsewhere.org/"), "none");
  EXPECT_EQ(For("https://netrc.org/"), "basic n");
  EXPECT_EQ(For("https://b.example.org/"), "basic wide");
}

TEST_F(CredentialRulesTest, NothingFollowsARedirectFromHttpsToHttp) {
  downgraded_ = true;
  own_ = BasicCredentials{"own", Secret("p")};
  EXPECT_EQ(For("http://plain.org/"), "none");
  EXPECT_EQ(For("http://netrc.org/"), "none");
}

}  // namespace
}  // namespace fetchd::http
