#include "app/proxy_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "app/config_loader.h"
#include "support/process.h"

namespace fetchd::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

const Origin kHttps{"https", "example.org", 443};

class ProxyConfigTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& content) const {
    testing::WriteFile(folder_.path() / name, content);
    return (folder_.path() / name).string();
  }
  /// What the default is; "direct" for none.
  static std::string DefaultOf(const LoadedConfig& loaded) {
    std::vector<std::string> errors;
    auto config = MakeProxyRoutes(loaded.config.proxy, loaded.config.tls_profiles, errors);
    EXPECT_THAT(errors, IsEmpty());
    const auto routes = http::ProxyRoutes::Create(std::move(config));
    EXPECT_TRUE(routes.ok()) << routes.status();
    const auto chosen = routes->Choose(kHttps, "", {});
    return *chosen == nullptr ? "direct" : (*chosen)->name;
  }

  const testing::TempFolder folder_;
};

TEST_F(ProxyConfigTest, NothingGivenIsDirect) {
  const LoadedConfig loaded = LoadConfig({.environment = {"HTTPS_PROXY=http://env:3128"}});

  EXPECT_EQ(DefaultOf(loaded), "direct");
  EXPECT_THAT(loaded.warnings, IsEmpty());
}

TEST_F(ProxyConfigTest, ReadsAFile) {
  const std::string password = File("password", "s3cret\n");
  const LoadedConfig loaded = LoadConfig({.file = File("fetchd.yaml", R"(
tls: {profiles: {corp: {ca_file: /etc/corp.pem}}}
proxies:
  corp: {url: "https://proxy.corp:3129", username: me, password_file: )" + password +
                                                                          R"(, tls_profile: corp}
  tor.local: {url: "socks5://127.0.0.1:9050", resolve: remote, job_choice: false}
proxy: {default: corp, no_proxy: ["*.corp.example", 10.0.0.0/8], allow_direct: true}
origins: {"*.onion.test": {proxy: tor.local}, "intern.test": {proxy: direct}}
timeouts: {proxy: 7s}
)")});
  ASSERT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(CheckConfig(loaded.config), IsEmpty());

  std::vector<std::string> errors;
  const auto routes = MakeProxyRoutes(loaded.config.proxy, loaded.config.tls_profiles, errors);
  EXPECT_THAT(errors, IsEmpty());
  const net::Proxy& corp = *routes.named.at("corp").proxy;
  EXPECT_EQ(corp.kind, net::ProxyKind::kHttps);
  EXPECT_EQ(corp.host, "proxy.corp");
  EXPECT_EQ(corp.port, 3129);
  EXPECT_EQ(corp.username, "me");
  EXPECT_EQ(corp.password.Reveal(), "s3cret");
  EXPECT_EQ(corp.tls_profile, "corp");
  EXPECT_FALSE(corp.resolves_names);
  EXPECT_TRUE(routes.named.at("corp").jobs_may_name);
  EXPECT_TRUE(routes.named.at("tor.local").proxy->resolves_names);
  EXPECT_FALSE(routes.named.at("tor.local").jobs_may_name);
  EXPECT_EQ(routes.default_https, routes.named.at("corp").proxy);
  EXPECT_THAT(routes.no_proxy, ElementsAre("*.corp.example", "10.0.0.0/8"));
  EXPECT_TRUE(routes.allow_direct);
  EXPECT_EQ(loaded.config.origins.at("*.onion.test").proxy, "tor.local");
  EXPECT_EQ(loaded.config.engine.timeouts.dial.proxy, std::chrono::seconds(7));
}

TEST_F(ProxyConfigTest, EnvironmentIsReadWhenAskedFor) {
  const std::vector<std::string> environment = {"HTTPS_PROXY=http://env:3128", "NO_PROXY=a.test"};

  EXPECT_EQ(DefaultOf(LoadConfig(
                {.environment = environment, .settings = {"proxy.from_environment=true"}})),
            "HTTPS_PROXY");
  EXPECT_EQ(DefaultOf(LoadConfig(
                {.environment = environment,
                 .settings = {"proxy.from_environment=true", "proxy.no_proxy=[example.org]"}})),
            "direct");
  EXPECT_EQ(DefaultOf(LoadConfig(
                {.environment = environment,
                 .settings = {"proxy.from_environment=true", "proxies.corp.url=http://proxy:3128",
                              "proxy.default=corp"}})),
            "corp");
}

TEST_F(ProxyConfigTest, ErrorsOfTheEnvironmentCountOnlyWhenItIsRead) {
  const std::vector<std::string> environment = {"HTTPS_PROXY=ftp://env:3128", "NO_PROXY=a b"};

  EXPECT_THAT(LoadConfig({.environment = environment}).errors, IsEmpty());
  const LoadedConfig read =
      LoadConfig({.environment = environment, .settings = {"proxy.from_environment=true"}});
  EXPECT_THAT(read.errors, ElementsAre(StartsWith("environment: HTTPS_PROXY: ")));
  EXPECT_THAT(read.warnings, ElementsAre(HasSubstr("NO_PROXY: \"a b\"")));
}

TEST_F(ProxyConfigTest, PrintedConfigReadsToTheSameEffectAndHoldsNoSecret) {
  const LoadedConfig first = LoadConfig(
      {.environment = {"HTTP_PROXY=http://me:env-s3cret@env:3128"},
       .settings = {"proxies.corp.url=http://proxy:3128", "proxies.corp.username=me",
                    "proxies.corp.password_file=" + File("password", "s3cret"),
                    "proxies.corp.resolve=remote", "proxies.lab.url=socks5://lab:1080",
                    "proxies.lab.job_choice=false", "proxy.default=corp",
                    "proxy.no_proxy=[\"*.near.test\", 10.0.0.0/8]", "proxy.allow_direct=true",
                    "proxy.from_environment=true", "origins.*.lab.test.proxy=lab"}});
  ASSERT_THAT(first.errors, IsEmpty());

  const std::string printed = PrintConfig(first.config);
  const LoadedConfig second = LoadConfig({.file = File("printed.yaml", printed)});

  EXPECT_THAT(second.errors, IsEmpty());
  EXPECT_EQ(PrintConfig(second.config), printed);
  EXPECT_THAT(printed, Not(HasSubstr("s3cret")));
  EXPECT_TRUE(second.config.proxy.named.at("corp").resolves_names);
  EXPECT_FALSE(second.config.proxy.named.at("lab").job_choice);
  EXPECT_EQ(second.config.origins.at("*.lab.test").proxy, "lab");
}

TEST_F(ProxyConfigTest, VariablesNameAProxyInLowerCase) {
  const LoadedConfig loaded = LoadConfig(
      {.environment = {"FETCHD_PROXIES_CORP_URL=http://proxy:3128",
                       "FETCHD_PROXIES_CORP_RESOLVE=remote", "FETCHD_PROXY_DEFAULT=corp"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(DefaultOf(loaded), "corp");
  EXPECT_TRUE(loaded.config.proxy.named.at("corp").resolves_names);
}

TEST_F(ProxyConfigTest, PasswordEndsWithItsLine) {
  for (const auto& [content, password] : {std::pair("a b", "a b"), std::pair("a\n", "a"),
                                          std::pair("a\r\n", "a"), std::pair(" a ", " a ")}) {
    std::vector<std::string> errors;
    ProxyConfig config;
    config.named["corp"] = {
        .url = "http://proxy:3128", .username = "me", .password_file = File("password", content)};

    const auto routes = MakeProxyRoutes(config, {}, errors);
    EXPECT_THAT(errors, IsEmpty());
    EXPECT_EQ(routes.named.at("corp").proxy->password.Reveal(), password);
  }
}

struct BadKey {
  std::string name;
  std::string setting;
  std::string message;
};
class BadProxyKeyTest : public ::testing::TestWithParam<BadKey> {};

TEST_P(BadProxyKeyTest, IsRefused) {
  EXPECT_THAT(LoadConfig({.settings = {GetParam().setting}}).errors,
              ElementsAre(HasSubstr(GetParam().message)));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadProxyKeyTest,
    ::testing::Values(BadKey{"Url", "proxies.corp.url=proxy:3128",
                             "proxies.corp.url: no scheme; write http"},
                      BadKey{"Resolve", "proxies.corp.resolve=both", "expects local | remote"},
                      BadKey{"NoProxy", "proxy.no_proxy=[\"a b\"]", "proxy.no_proxy: \"a b\""},
                      BadKey{"PasswordOnTheCommandLine", "proxies.corp.password=x", "unknown key"},
                      BadKey{"BoolWord", "proxy.allow_direct=yes", "expects true or false"}),
    [](const auto& info) { return info.param.name; });

struct BadProxy {
  std::string name;
  std::vector<std::string> settings;
  std::string message;
};
class BadProxyTest : public ProxyConfigTest, public ::testing::WithParamInterface<BadProxy> {};

TEST_P(BadProxyTest, IsRefusedWithItsKey) {
  std::vector<std::string> settings = GetParam().settings;
  for (std::string& setting : settings) {
    const std::size_t mark = setting.find("@LONG");
    if (mark != std::string::npos) {
      setting.replace(mark, 5, File("long", std::string(300, 'x')));
    }
  }
  const LoadedConfig loaded = LoadConfig({.settings = settings});
  ASSERT_THAT(loaded.errors, IsEmpty());

  EXPECT_THAT(CheckConfig(loaded.config), ElementsAre(HasSubstr(GetParam().message)));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadProxyTest,
    ::testing::Values(
        BadProxy{"NoUrl", {"proxies.corp.resolve=remote"}, "proxies.corp.url: no scheme"},
        BadProxy{
            "ReservedName", {"proxies.direct.url=http://p:3128"}, "proxies.direct: \"direct\""},
        BadProxy{"BadName", {"proxies.a b.url=http://p:3128"}, "proxies.a b: a name is"},
        BadProxy{
            "NoSuchDefault", {"proxy.default=corp"}, "proxy.default: there is no proxies.corp"},
        BadProxy{"NoSuchProxyOfAnOrigin",
                 {"origins.example.org.proxy=corp"},
                 "origins.example.org.proxy: there is no proxies.corp"},
        BadProxy{"NoSuchProfile",
                 {"proxies.corp.url=https://p:3128", "proxies.corp.tls_profile=x"},
                 "proxies.corp.tls_profile: there is no tls.profiles.x"},
        BadProxy{"ProfileWithoutTls",
                 {"proxies.corp.url=http://p:3128", "proxies.corp.tls_profile=x",
                  "tls.profiles.x.ca_file="},
                 "only an https:// proxy"},
        BadProxy{"PasswordFileIsMissing",
                 {"proxies.corp.url=http://p:3128", "proxies.corp.username=me",
                  "proxies.corp.password_file=/nonexistent"},
                 "proxies.corp.password_file: /nonexistent: cannot be read"},
        BadProxy{"PasswordFileIsEmpty",
                 {"proxies.corp.url=http://p:3128", "proxies.corp.username=me",
                  "proxies.corp.password_file=/dev/null"},
                 "holds nothing"},
        BadProxy{"PasswordWithoutUser",
                 {"proxies.corp.url=http://p:3128", "proxies.corp.password_file=@LONG"},
                 "proxies.corp.username: there is a password and no user name"},
        BadProxy{"ColonInTheUserName",
                 {"proxies.corp.url=http://p:3128", "proxies.corp.username=a:b"},
                 "cannot hold a colon"},
        BadProxy{"SocksWithoutPassword",
                 {"proxies.corp.url=socks5://p:3128", "proxies.corp.username=me"},
                 "SOCKS5 takes a user name and a password of 1 to 255 bytes"},
        BadProxy{"SocksWithALongPassword",
                 {"proxies.corp.url=socks5://p:3128", "proxies.corp.username=me",
                  "proxies.corp.password_file=@LONG"},
                 "1 to 255 bytes"}),
    [](const auto& info) { return info.param.name; });

TEST_F(ProxyConfigTest, AllThatIsWrongIsSaidAtOnce) {
  const LoadedConfig loaded =
      LoadConfig({.settings = {"proxies.a.username=me", "proxies.b.url=http://p:3128",
                               "proxies.b.password_file=/nonexistent", "proxy.default=c"}});

  EXPECT_THAT(CheckConfig(loaded.config),
              ElementsAre(StartsWith("proxies.a.url"), StartsWith("proxies.b.password_file"),
                          StartsWith("proxy.default")));
}

}  // namespace
}  // namespace fetchd::app
