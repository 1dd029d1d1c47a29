#include "http/digest_auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "http/digest_sessions.h"

namespace fetchd::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<DigestChallenge> Choose(const std::vector<std::string>& lines) {
  Headers headers;
  for (const std::string& line : lines) headers.Add("WWW-Authenticate", line);
  return ChooseDigest(ParseChallenges(headers));
}

struct AnswerCase {
  const char* name;
  const char* challenge;
  DigestCredentials credentials;
  const char* cnonce;
  const char* target;
  std::vector<std::string> holds;  ///< What the answer has.
};
void PrintTo(const AnswerCase& c, std::ostream* out) { *out << c.name; }

class DigestAnswerTest : public ::testing::TestWithParam<AnswerCase> {};

TEST_P(DigestAnswerTest, HoldsWhatTheStandardSays) {
  const AnswerCase& c = GetParam();
  const auto challenge = Choose({c.challenge});
  ASSERT_TRUE(challenge.ok()) << challenge.status();
  DigestSession session(*challenge, c.cnonce);

  const std::string answer = AnswerDigest(c.credentials, "GET", c.target, session);

  for (const std::string& part : c.holds) EXPECT_THAT(answer, HasSubstr(part));
}

#define RFC7616                                                      \
  "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", " \
  "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "         \
  "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
constexpr char kCnonce[] = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
const DigestCredentials kMufasa{"Mufasa", Secret("Circle of Life")};

INSTANTIATE_TEST_SUITE_P(
    All, DigestAnswerTest,
    ::testing::Values(
        AnswerCase{"Rfc7616Md5",
                   RFC7616 ", algorithm=MD5",
                   kMufasa,
                   kCnonce,
                   "/dir/index.html",
                   {"Digest username=\"Mufasa\"", "realm=\"http-auth@example.org\"",
                    "uri=\"/dir/index.html\"", "algorithm=MD5,",
                    "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"", "nc=00000001",
                    "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"", "qop=auth,",
                    "response=\"8ca523f5e9506fed4657c9700eebdbec\"",
                    "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""}},
        AnswerCase{
            "Rfc7616Sha256",
            RFC7616 ", algorithm=SHA-256",
            kMufasa,
            kCnonce,
            "/dir/index.html",
            {"response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""}},
        // The standard's own figures for this one are those of SHA-512 cut to 256 bits.
        AnswerCase{
            "Rfc7616Sha512WithUserhash",
            "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, "
            "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
            "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true",
            DigestCredentials{"J\xc3\xa4s\xc3\xb8n Doe", Secret("Secret, or not?")},
            "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
            "/doe.json",
            {"username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\"",
             "userhash=true",
             "response=\"7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c\""}},
        AnswerCase{"Md5Sess",
                   RFC7616 ", algorithm=MD5-sess",
                   kMufasa,
                   kCnonce,
                   "/dir/index.html",
                   {"algorithm=MD5-sess,", "response=\"e783283f46242139c486a698fec7211d\""}},
        AnswerCase{
            "Sha256Sess",
            RFC7616 ", algorithm=\"sha-256-SESS\"",
            kMufasa,
            kCnonce,
            "/dir/index.html",
            {"algorithm=sha-256-SESS,",
             "response=\"2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7\""}},
        AnswerCase{"Rfc2617WithoutAlgorithm",
                   "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
                   "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
                   DigestCredentials{"Mufasa", Secret("Circle Of Life")},
                   "0a4f113b",
                   "/dir/index.html",
                   {"response=\"6629fae49393a05397450978507c4ef1\""}},
        AnswerCase{
            "Rfc2069WithoutQop",
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
            DigestCredentials{"Mufasa", Secret("Circle Of Life")},
            "0a4f113b",
            "/dir/index.html",
            {"response=\"670fd8c2df070c60b045671b8b24ff02\""}},
        AnswerCase{"QuotesAreEscapedAgain",
                   "Digest realm=\"a \\\"b\\\" \\\\\", nonce=n, qop=auth",
                   DigestCredentials{"u\"v", Secret("p")},
                   "c",
                   "/",
                   {"realm=\"a \\\"b\\\" \\\\\"", "username=\"u\\\"v\""}},
        AnswerCase{"NameBeyondAscii",
                   "Digest realm=a, nonce=n, qop=auth",
                   DigestCredentials{"J\xc3\xa4n %", Secret("p")},
                   "c",
                   "/",
                   {"username*=UTF-8''J%c3%a4n%20%25,"}}),
    [](const auto& info) { return info.param.name; });

TEST(DigestAnswerTest, WithoutQopThereIsNoCount) {
  DigestSession session(*Choose({"Digest realm=a, nonce=n"}), "c");

  const std::string answer = AnswerDigest(kMufasa, "GET", "/", session);

  for (const char* name : {"qop=", "nc=", "cnonce=", "algorithm=", "opaque="}) {
    EXPECT_THAT(answer, Not(HasSubstr(name)));
  }
}

TEST(DigestAnswerTest, RequestsAreCountedForEachNonce) {
  DigestSession session(*Choose({"Digest realm=a, nonce=n, qop=auth"}), "c");

  EXPECT_THAT(AnswerDigest(kMufasa, "GET", "/", session), HasSubstr("nc=00000001"));
  EXPECT_THAT(AnswerDigest(kMufasa, "GET", "/", session), HasSubstr("nc=00000002"));
  session.UseNonce("m");
  EXPECT_THAT(AnswerDigest(kMufasa, "GET", "/", session), HasSubstr("nc=00000001"));
}

TEST(DigestAnswerTest, ASessionsHashKeepsItsFirstNonce) {
  DigestSession session(*Choose({"Digest realm=a, nonce=n, qop=auth, algorithm=MD5-sess"}), "c");
  session.UseNonce("m");

  const std::string answer = AnswerDigest(kMufasa, "GET", "/", session);

  const auto md5 = [](const std::string& text) { return *HashHex(HashAlgorithm::kMd5, text); };
  const std::string secret = md5(md5("Mufasa:a:Circle of Life") + ":n:c");
  EXPECT_THAT(answer, HasSubstr(md5(secret + ":m:00000001:c:auth:" + md5("GET:/"))));
}

TEST(ChooseDigestTest, TakesTheStrongestItCanAnswer) {
  const std::string tail = ", qop=auth, realm=r, nonce=";
  const auto chosen = Choose(
      {"Basic realm=r, Digest algorithm=MD5" + tail + "a", "Digest algorithm=SHA-256" + tail + "b",
       "Digest algorithm=SHA-256-sess" + tail + "c", "Digest algorithm=WHIRLPOOL" + tail + "d"});

  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->nonce, "b");
}

struct UnusableCase {
  const char* name;
  std::vector<std::string> lines;
  const char* says;
};
void PrintTo(const UnusableCase& c, std::ostream* out) { *out << c.name; }

class UnusableChallengeTest : public ::testing::TestWithParam<UnusableCase> {};

TEST_P(UnusableChallengeTest, IsRefusedAndSaysWhy) {
  const auto chosen = Choose(GetParam().lines);

  EXPECT_TRUE(absl::IsFailedPrecondition(chosen.status()));
  EXPECT_EQ(GetReason(chosen.status())->reason, "AUTH_NOT_SUPPORTED");
  EXPECT_THAT(MessageOf(chosen.status()), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, UnusableChallengeTest,
    ::testing::Values(
        UnusableCase{"NoChallenge", {}, "no authentication that can be understood"},
        UnusableCase{
            "BasicIsNoSubstitute", {"Basic realm=a, Negotiate"}, "basic, negotiate instead"},
        UnusableCase{"IntegrityAlone", {"Digest realm=a, nonce=b, qop=\"auth-int\""}, "auth-int"},
        UnusableCase{"UnknownQop", {"Digest realm=a, nonce=b, qop=authentic"}, "qop"},
        UnusableCase{"UnknownAlgorithm",
                     {"Digest realm=a, nonce=b, qop=auth, algorithm=SHA-1"},
                     "algorithm"},
        UnusableCase{
            "SessionWithoutQop", {"Digest realm=a, nonce=b, algorithm=MD5-sess"}, "no qop"},
        UnusableCase{"NoNonce", {"Digest realm=a, qop=auth"}, "without a realm or a nonce"},
        UnusableCase{"NoRealm", {"Digest nonce=a, qop=auth"}, "without a realm or a nonce"},
        UnusableCase{"TooMuchToRepeat",
                     {"Digest realm=a, qop=auth, nonce=" + std::string(5000, 'n')},
                     "4 KiB"}),
    [](const auto& info) { return info.param.name; });

class DigestSessionsTest : public ::testing::Test {
 protected:
  std::string Authorize(const std::string& url, const std::string& user = "u") {
    return sessions_.Authorize({user, Secret("p")}, "GET", *Url::Parse(url), false);
  }
  void Begin(const std::string& url, const std::string& line, const std::string& user = "u") {
    sessions_.Begin(Url::Parse(url)->origin(), user, *Choose({line}));
  }

  int cnonces_ = 0;
  DigestSessions sessions_{[this] { return Concat("c", ++cnonces_); }};
};

TEST_F(DigestSessionsTest, ASessionIsForOneOriginAndUser) {
  Begin("https://a.example.org/", "Digest realm=a, nonce=n, qop=auth");

  EXPECT_THAT(Authorize("https://a.example.org/b?c"), HasSubstr("uri=\"/b?c\""));
  EXPECT_EQ(Authorize("https://a.example.org/", "v"), "");
  EXPECT_EQ(Authorize("http://a.example.org/"), "");
  EXPECT_EQ(Authorize("https://a.example.org:8443/"), "");
}

TEST_F(DigestSessionsTest, DomainLimitsWhatIsCovered) {
  Begin("https://a.example.org/",
        "Digest realm=a, nonce=n, qop=auth, domain=\"/x https://a.example.org/y https://b/z\"");

  EXPECT_NE(Authorize("https://a.example.org/x/1"), "");
  EXPECT_NE(Authorize("https://a.example.org/y"), "");
  EXPECT_EQ(Authorize("https://a.example.org/z"), "");
  const DigestCredentials credentials{"u", Secret("p")};
  EXPECT_NE(sessions_.Authorize(credentials, "GET", *Url::Parse("https://a.example.org/z"), true),
            "");
}

TEST_F(DigestSessionsTest, EachSessionHasItsOwnClientNonce) {
  Begin("https://a/", "Digest realm=a, nonce=n, qop=auth");
  EXPECT_THAT(Authorize("https://a/"), HasSubstr("cnonce=\"c1\""));
  EXPECT_THAT(Authorize("https://a/"), HasSubstr("cnonce=\"c1\""));
  Begin("https://a/", "Digest realm=a, nonce=m, qop=auth");
  EXPECT_THAT(Authorize("https://a/"), HasSubstr("cnonce=\"c2\""));
}

TEST_F(DigestSessionsTest, TheOneUnusedForLongestGivesWay) {
  const std::string line = "Digest realm=a, nonce=n, qop=auth";
  for (std::size_t i = 0; i < DigestSessions::kMaxSessions; ++i) {
    Begin(Concat("https://h", i, "/"), line);
  }
  EXPECT_NE(Authorize("https://h0/"), "");

  Begin("https://another/", line);

  EXPECT_EQ(sessions_.size(), DigestSessions::kMaxSessions);
  EXPECT_NE(Authorize("https://h0/"), "");
  EXPECT_EQ(Authorize("https://h1/"), "");
  EXPECT_NE(Authorize("https://another/"), "");
}

TEST(CnonceTest, NoTwoAreTheSame) {
  EXPECT_EQ(RandomCnonce().size(), 32U);
  EXPECT_NE(RandomCnonce(), RandomCnonce());
}

}  // namespace
}  // namespace fetchd::http
