#include "http/auth_challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::http {
namespace {

/// "scheme token68 name=value|..." of each challenge.
std::vector<std::string> Show(const std::vector<std::string>& lines) {
  Headers headers;
  headers.Add("Content-Type", "Basic realm=\"not a challenge\"");
  for (const std::string& line : lines) headers.Add("WWW-Authenticate", line);
  std::vector<std::string> shown;
  for (const AuthChallenge& challenge : ParseChallenges(headers)) {
    std::string text = challenge.scheme;
    if (!challenge.token68.empty()) text += Concat(" <", challenge.token68, '>');
    for (const auto& [name, value] : challenge.params) text += Concat(' ', name, '=', value, '|');
    shown.push_back(text);
  }
  return shown;
}

struct ChallengeCase {
  const char* name;
  std::vector<std::string> lines;
  std::vector<std::string> challenges;
};
void PrintTo(const ChallengeCase& c, std::ostream* out) { *out << c.name; }

class AuthChallengeTest : public ::testing::TestWithParam<ChallengeCase> {};

TEST_P(AuthChallengeTest, ReadsWhatIsThere) {
  EXPECT_EQ(Show(GetParam().lines), GetParam().challenges);
}

INSTANTIATE_TEST_SUITE_P(
    Wellformed, AuthChallengeTest,
    ::testing::Values(
        ChallengeCase{"None", {}, {}}, ChallengeCase{"Empty", {""}, {}},
        ChallengeCase{"SchemeAlone", {"Negotiate"}, {"negotiate"}},
        ChallengeCase{"Basic", {"Basic realm=\"simple\""}, {"basic realm=simple|"}},
        // RFC 9110 11.6.1.
        ChallengeCase{
            "TwoInOneLine",
            {"Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to "
             "\\\"apps\\\"\""},
            {"basic realm=simple|", "newauth realm=apps| type=1| title=Login to \"apps\"|"}},
        ChallengeCase{"ManyLines",
                      {"Basic realm=a", "Digest realm=b, nonce=c"},
                      {"basic realm=a|", "digest realm=b| nonce=c|"}},
        // RFC 7616 3.9.1.
        ChallengeCase{"Digest",
                      {"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "
                       "algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
                       "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""},
                      {"digest realm=http-auth@example.org| qop=auth, auth-int| algorithm=SHA-256| "
                       "nonce=7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v| "
                       "opaque=FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS|"}},
        ChallengeCase{"CommasInsideQuotes", {"A b=\"c, D e=f\", G"}, {"a b=c, D e=f|", "g"}},
        ChallengeCase{
            "EmptyElements", {" , ,Basic realm=a, , , Digest,,"}, {"basic realm=a|", "digest"}},
        ChallengeCase{"BlanksAroundEquals", {"Basic realm \t= \"a\""}, {"basic realm=a|"}},
        ChallengeCase{"NamesWithoutCase", {"BASIC Realm=A"}, {"basic realm=A|"}},
        ChallengeCase{"EmptyValue", {"Basic realm=\"\""}, {"basic realm=|"}},
        ChallengeCase{"Token68",
                      {"Negotiate YII/a+b~c==, Basic realm=a"},
                      {"negotiate <YII/a+b~c==>", "basic realm=a|"}},
        ChallengeCase{"Token68AtTheEnd", {"NTLM TlRMTVNTUAAC="}, {"ntlm <TlRMTVNTUAAC=>"}},
        ChallengeCase{"ParameterAfterTheCommaOfAScheme", {"Basic , realm=a"}, {"basic realm=a|"}},
        ChallengeCase{"Token68ThatLooksLikeAName", {"Basic realm=, A"}, {"basic <realm=>", "a"}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Hostile, AuthChallengeTest,
    ::testing::Values(ChallengeCase{"QuoteWithoutEnd", {"Basic realm=\"a, Digest nonce=b"}, {}},
                      ChallengeCase{"EscapeAtTheEnd", {"Basic realm=\"a\\"}, {}},
                      ChallengeCase{"MistakeEndsItsLineOnly",
                                    {"Basic realm=a, Digest realm=\"", "Digest realm=b"},
                                    {"basic realm=a|", "digest realm=b|"}},
                      ChallengeCase{"MissingComma", {"Digest realm=\"a\" nonce=\"b\""}, {}},
                      ChallengeCase{"MissingValue", {"Basic realm=a, type=, Digest realm=a"}, {}},
                      ChallengeCase{"TwiceTheSameParameter",
                                    {"Digest realm=a, REALM=b, Basic realm=c"},
                                    {"basic realm=c|"}},
                      ChallengeCase{"ParametersWithoutAScheme", {"realm=a, nonce=b"}, {}},
                      ChallengeCase{"TokenThatIsNone", {"(Basic) realm=a"}, {}},
                      ChallengeCase{"SchemeThatGoesOn", {"Basic\"a\""}, {}},
                      ChallengeCase{
                          "Token68AndParameters", {"Foo abc=, realm=a, Basic"}, {"basic"}}),
    [](const auto& info) { return info.param.name; });

TEST(AuthChallengeLimitTest, ManyChallengesAreCut) {
  std::string line;
  for (int i = 0; i < 1000; ++i) line += Concat("S", i, " a=b, ");

  EXPECT_EQ(Show({line, line}).size(), 16U);
}

TEST(AuthChallengeLimitTest, AChallengeOfManyParametersIsLeftOut) {
  std::string line = "Digest ";
  for (int i = 0; i < 33; ++i) line += Concat("p", i, "=v, ");

  EXPECT_THAT(Show({line + "Basic realm=a"}), ::testing::ElementsAre("basic realm=a|"));
}

TEST(AuthChallengeLimitTest, EveryCutOfALineIsReadWithoutHarm) {
  const std::string line =
      "Digest realm=\"a\\\"b\", nonce = c , qop=\"auth\", Negotiate abc==, Basic realm=\"d\"";
  for (std::size_t size = 0; size <= line.size(); ++size) Show({line.substr(0, size)});
  EXPECT_EQ(Show({line}).size(), 3U);
}

TEST(AuthParamsTest, ReadsAsFarAsItCan) {
  const AuthParams params = ParseAuthParams("nextnonce=\"n/1\", qop=auth, rspauth=\"x");

  ASSERT_NE(FindParam(params, "nextnonce"), nullptr);
  EXPECT_EQ(*FindParam(params, "nextnonce"), "n/1");
  EXPECT_EQ(*FindParam(params, "qop"), "auth");
  EXPECT_EQ(FindParam(params, "rspauth"), nullptr);
  EXPECT_TRUE(ParseAuthParams("").empty());
}

}  // namespace
}  // namespace fetchd::http
