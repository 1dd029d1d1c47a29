#include "cli/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    environment_["HOME"] = folder_.string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }
  absl::StatusOr<Endpoint> Resolve(const GlobalOptions& options) {
    return ResolveEndpoint(options, [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      if (found == environment_.end()) return std::nullopt;
      return found->second;
    });
  }

  std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
};

constexpr char kContexts[] =
    "current_context: far\n"
    "contexts:\n"
    "  - {name: far, server: 'fetchd.example.org:443'}\n"
    "  - {name: plain, server: 'fetchd.example.org:80', insecure: true}\n";

TEST_F(ConfigTest, FlagThenEnvironmentThenContextThenDefault) {
  EXPECT_EQ(Resolve({})->server, "127.0.0.1:7070");

  const std::string config = Write("config.yaml", kContexts);
  EXPECT_EQ(Resolve({.config_file = config})->server, "fetchd.example.org:443");

  environment_["FETCHCTL_SERVER"] = "127.0.0.1:1";
  EXPECT_EQ(Resolve({.config_file = config})->server, "127.0.0.1:1");
  EXPECT_EQ(Resolve({.server = "127.0.0.1:2", .config_file = config})->server, "127.0.0.1:2");
}

TEST_F(ConfigTest, ContextOffTheLoopbackUsesTlsUnlessInsecure) {
  const std::string config = Write("config.yaml", kContexts);

  EXPECT_TRUE(Resolve({.config_file = config})->tls);
  EXPECT_FALSE(Resolve({.context = "plain", .config_file = config})->tls);
}

TEST_F(ConfigTest, TokenNeverLeavesInPlainText) {
  environment_["FETCHCTL_TOKEN"] = "secret";

  EXPECT_EQ(Resolve({})->token.Reveal(), "secret");
  EXPECT_EQ(Resolve({.server = "[::1]:7070"})->token.Reveal(), "secret");
  EXPECT_EQ(Resolve({.server = "192.0.2.1:7070", .tls = true})->token.Reveal(), "secret");
  const auto plain = Resolve({.server = "192.0.2.1:7070"});
  ASSERT_FALSE(plain.ok());
  EXPECT_THAT(MessageOf(plain.status()), HasSubstr("plain text"));
}

TEST_F(ConfigTest, TokenFileLosesItsLineEnd) {
  const std::string file = Write("token", "secret\n");

  EXPECT_EQ(Resolve({.token_file = file})->token.Reveal(), "secret");
}

TEST_F(ConfigTest, TlsFilesAndTheServersNameComeFromFlagThenEnvironmentThenContext) {
  const std::string config =
      Write("config.yaml",
            Concat("current_context: a\ncontexts:\n  - {name: a, server: 'fetchd.example.org:443',"
                   " ca_file: ",
                   Write("context.pem", "of the context"), ", server_name: context}\n"));
  EXPECT_EQ(Resolve({.config_file = config})->ca_pem, "of the context");
  EXPECT_EQ(Resolve({.config_file = config})->server_name, "context");

  environment_["FETCHCTL_CA_FILE"] = Write("environment.pem", "of the environment");
  environment_["FETCHCTL_CERT_FILE"] = Write("cert.pem", "cert");
  environment_["FETCHCTL_KEY_FILE"] = Write("key.pem", "key");
  environment_["FETCHCTL_SERVER_NAME"] = "environment";
  EXPECT_EQ(Resolve({.config_file = config})->ca_pem, "of the environment");
  EXPECT_EQ(Resolve({.config_file = config})->cert_pem, "cert");
  EXPECT_EQ(Resolve({.config_file = config})->key_pem, "key");
  EXPECT_EQ(Resolve({.config_file = config})->server_name, "environment");

  const std::string flag = Write("flag.pem", "of the flag");
  EXPECT_EQ(Resolve({.config_file = config, .ca_file = flag})->ca_pem, "of the flag");
  EXPECT_EQ(Resolve({.config_file = config, .server_name = "flag"})->server_name, "flag");
}

TEST_F(ConfigTest, AVariableThatNamesATlsFileMeansTls) {
  environment_["FETCHCTL_CA_FILE"] = Write("ca.pem", "authority");

  EXPECT_TRUE(Resolve({})->tls);
}

TEST_F(ConfigTest, ServerNeedsAPort) {
  for (const char* const server : {"example.org", "example.org:", ":7070", "a:70700", "a:0"}) {
    EXPECT_FALSE(Resolve({.server = server}).ok()) << server;
  }
}

TEST_F(ConfigTest, ErrorsNameTheLine) {
  EXPECT_THAT(MessageOf(ParseConfig("current_context: a\nserver: b\n", "c").status()),
              HasSubstr("c:2: unknown key \"server\""));
  EXPECT_THAT(
      MessageOf(ParseConfig("contexts:\n  - {name: a, server: b, tokn: c}\n", "c").status()),
      HasSubstr("c:2: unknown key \"tokn\""));
  EXPECT_THAT(MessageOf(ParseConfig("contexts: [\n", "c").status()), HasSubstr("c:"));
}

TEST_F(ConfigTest, UnknownContextIsAnError) { EXPECT_FALSE(Resolve({.context = "nowhere"}).ok()); }

}  // namespace
}  // namespace fetchd::cli
