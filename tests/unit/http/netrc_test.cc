#include "http/netrc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::http {
namespace {

struct NetrcCase {
  const char* name;
  const char* text;
  const char* host;
  std::optional<Login> login;       ///< Of the machine itself.
  std::optional<Login> other = {};  ///< That `default` gives the host.
};
void PrintTo(const NetrcCase& c, std::ostream* out) { *out << c.name; }

class NetrcTest : public ::testing::TestWithParam<NetrcCase> {};

std::optional<Login> Copy(const Login* login) {
  return login == nullptr ? std::nullopt : std::optional(*login);
}

TEST_P(NetrcTest, FindsTheLogin) {
  const auto netrc = Netrc::Parse(GetParam().text);

  ASSERT_TRUE(netrc.ok()) << netrc.status();
  EXPECT_TRUE(Copy(netrc->ForHost(GetParam().host)) == GetParam().login);
  EXPECT_TRUE(Copy(netrc->ForOtherHost(GetParam().host)) == GetParam().other);
}

const Login kLogin{"l", Secret("p")};

INSTANTIATE_TEST_SUITE_P(
    All, NetrcTest,
    ::testing::Values(
        NetrcCase{"OneLine", "machine a.org login l password p", "a.org", kLogin},
        NetrcCase{"ManyLines", "machine\ta.org\r\n\tlogin l\r\n\tpassword p\r\n", "a.org", kLogin},
        NetrcCase{"OtherHost", "machine a.org login l password p", "b.org", {}},
        NetrcCase{"HostsAreWholeNames", "machine a.org login l password p", "x.a.org", {}},
        NetrcCase{"HostsAreCanonical", "machine A.ORG. login l password p", "a.org", kLogin},
        NetrcCase{"AddressInBrackets", "machine [::1] login l password p", "::1", kLogin},
        NetrcCase{"APortIsNoHost", "machine a.org:80 login l password p", "a.org", {}},
        NetrcCase{"AnyOrderAndAccount", "machine a.org password p account x login l", "a.org",
                  kLogin},
        NetrcCase{"TheFirstCounts",
                  "machine a.org login l password p machine a.org login m password q", "a.org",
                  kLogin},
        NetrcCase{"Default", "default login l password p", "a.org", {}, kLogin},
        NetrcCase{"DefaultIsNotForThoseNamed",
                  "default login l password p machine a.org login m password q", "a.org",
                  Login{"m", Secret("q")}},
        NetrcCase{"IncompleteIsNobodys",
                  "machine a.org login x\ndefault login l password p",
                  "a.org",
                  {}},
        NetrcCase{"Quotes", "machine a.org login \"l\" password \"a b\\\"\\\\\\n#\"", "a.org",
                  Login{"l", Secret("a b\"\\\n#")}},
        NetrcCase{"EmptyPassword", "machine a.org login l password \"\"", "a.org",
                  Login{"l", Secret("")}},
        NetrcCase{"KeywordsAsValues", "machine a.org login machine password default", "a.org",
                  Login{"machine", Secret("default")}},
        NetrcCase{"Comments", "# machine b\nmachine a.org # login x\nlogin l #\npassword p",
                  "a.org", kLogin},
        NetrcCase{"HashInAPassword", "machine a.org login l password p#q", "a.org",
                  Login{"l", Secret("p#q")}},
        NetrcCase{
            "MacrosAreSkipped",
            "machine b.org login x password y\nmacdef init\nmachine a.org login m password n\n"
            "\nmachine a.org login l password p",
            "a.org", kLogin},
        NetrcCase{"MacroToTheEnd", "machine a.org login l password p macdef x\nmachine b", "a.org",
                  kLogin},
        NetrcCase{"Empty", " \n# nothing\n", "a.org", {}}),
    [](const auto& info) { return info.param.name; });

struct BadNetrc {
  const char* name;
  const char* text;
  const char* says;
};
void PrintTo(const BadNetrc& c, std::ostream* out) { *out << c.name; }

class BadNetrcTest : public ::testing::TestWithParam<BadNetrc> {};

TEST_P(BadNetrcTest, IsRefusedByLineAndNeverQuoted) {
  const absl::Status status = Netrc::Parse(GetParam().text).status();

  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(MessageOf(status), ::testing::HasSubstr(GetParam().says));
  EXPECT_THAT(MessageOf(status), ::testing::Not(::testing::HasSubstr("CANARY")));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadNetrcTest,
    ::testing::Values(
        BadNetrc{"UnknownKeyword", "machine a.org\nlogin l passwd CANARY", "line 2: expects"},
        BadNetrc{"ColonInALogin", "machine a.org\nlogin CANARY:x password p",
                 "line 2: a login cannot"},
        BadNetrc{"NoMachine", "login CANARY password CANARY", "line 1: expects machine"},
        BadNetrc{"NoValue", "machine a.org login CANARY\npassword", "line 2: a word is missing"},
        BadNetrc{"NoName", "machine", "after machine"},
        BadNetrc{"QuotationWithoutEnd", "machine a.org login \"CANARY", "does not end"},
        BadNetrc{"EscapeAtTheEnd", "machine a.org login \"CANARY\\", "does not end"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd::http
