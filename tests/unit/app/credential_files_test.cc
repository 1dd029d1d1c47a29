#include "app/credential_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/process.h"

namespace fetchd::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::WriteFile;

class CredentialFilesTest : public ::testing::Test {
 protected:
  std::string File(const std::string& content, std::filesystem::perms mode = kOwner) {
    const std::filesystem::path path = folder_.path() / "secret";
    WriteFile(path, content);
    std::filesystem::permissions(path, mode);
    return path.string();
  }
  http::OriginRule RuleOf(const OriginConfig& origin) {
    config_.origins = {{"example.org", origin}};
    const auto rules = ReadOriginRules(config_);
    EXPECT_TRUE(rules.ok()) << rules.status();
    return rules->For(Url::Parse("https://example.org/")->origin());
  }
  absl::Status ErrorOf(const OriginConfig& origin) {
    config_.origins = {{"example.org", origin}};
    return ReadOriginRules(config_).status();
  }
  static OriginConfig WithLogin(const std::string& password_file) {
    OriginConfig origin;
    origin.username = "u";
    origin.password_file = password_file;
    return origin;
  }

  static constexpr auto kOwner = std::filesystem::perms(0600);
  testing::TempFolder folder_;
  Config config_;
};

TEST_F(CredentialFilesTest, APasswordIsItsFileWithoutTheLineEnd) {
  for (const char* content : {"p w", "p w\n", "p w\r\n"}) {
    const http::OriginRule rule = RuleOf(WithLogin(File(content)));
    EXPECT_TRUE(std::get<http::Login>(*rule.credentials) == (http::Login{"u", Secret("p w")}));
  }
}

TEST_F(CredentialFilesTest, AFileThatSaysWhoMayCallIsWrittenByItsOwnerOnly) {
  for (const unsigned mode : {0620u, 0602u, 0666u}) {
    EXPECT_THAT(MessageOf(ReadGuardedFile(File("a", std::filesystem::perms(mode))).status()),
                HasSubstr("chmod go-w"))
        << mode;
  }
  EXPECT_EQ(*ReadGuardedFile(File("a\n", std::filesystem::perms(0644))), "a\n");
  EXPECT_THAT(MessageOf(ReadGuardedFile("/nowhere/callers.yaml").status()),
              HasSubstr("cannot be read"));
}

TEST_F(CredentialFilesTest, ATokenIsItsFile) {
  OriginConfig origin;
  origin.bearer_token_file = File("t0k\n");
  origin.max_connections = 3;
  const http::OriginRule rule = RuleOf(origin);

  EXPECT_TRUE(std::get<BearerCredentials>(*rule.credentials) == BearerCredentials{Secret("t0k")});
  EXPECT_EQ(rule.max_connections, 3u);
}

TEST_F(CredentialFilesTest, RulesWithoutSecretsHaveNoCredentials) {
  OriginConfig origin;
  origin.auth = http::LoginScheme::kDigest;
  const http::OriginRule rule = RuleOf(origin);

  EXPECT_EQ(rule.credentials, nullptr);
  EXPECT_EQ(rule.auth, http::LoginScheme::kDigest);
}

TEST_F(CredentialFilesTest, BadSecretsNameTheKeyAndNeverTheContent) {
  for (const char* content : {"", "\n", "CANARY\nCANARY\n", "CANARY\x01"}) {
    const absl::Status status = ErrorOf(WithLogin(File(content)));
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(MessageOf(status), HasSubstr("origins.example.org.password_file: /"));
    EXPECT_THAT(MessageOf(status), Not(HasSubstr("CANARY")));
  }
  EXPECT_THAT(MessageOf(ErrorOf(WithLogin("/nowhere/secret"))), HasSubstr("cannot be read"));
  EXPECT_THAT(MessageOf(ErrorOf(WithLogin(folder_.path().string()))), HasSubstr("cannot be read"));
}

TEST_F(CredentialFilesTest, ANetrcFileIsForItsOwnerAndGroup) {
  const std::string text = "machine example.org login u password p";
  for (const unsigned mode : {0600U, 0400U, 0640U}) {
    const auto netrc = ReadNetrc(File(text, std::filesystem::perms(mode)));
    ASSERT_TRUE(netrc.ok()) << netrc.status();
    EXPECT_NE(netrc->ForHost("example.org"), nullptr);
  }
  for (const unsigned mode : {0644U, 0604U, 0660U, 0601U}) {
    const absl::Status status = ReadNetrc(File(text, std::filesystem::perms(mode))).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << mode;
    EXPECT_THAT(MessageOf(status), HasSubstr("chmod 600"));
  }
}

TEST_F(CredentialFilesTest, BadNetrcFilesAreRefused) {
  EXPECT_THAT(MessageOf(ReadNetrc(File("CANARY")).status()), HasSubstr("secret: line 1: expects"));
  EXPECT_THAT(MessageOf(ReadNetrc("/nowhere/netrc").status()),
              HasSubstr("auth.netrc_file: /nowhere/netrc: cannot be read"));
  EXPECT_THAT(MessageOf(ReadNetrc(File(std::string((1 << 20) + 1, '#'))).status()),
              HasSubstr("larger than 1 MiB"));
}

TEST_F(CredentialFilesTest, NoNetrcFileIsNone) { EXPECT_TRUE(ReadNetrc("")->empty()); }

TEST_F(CredentialFilesTest, StaticKeysOfAStoreAreReadFromTheirFiles) {
  const StoreSettings store{.access_key_id = "AKID", .secret_access_key_file = File("s3cret\n")};

  const auto keys = ReadStoreKeys("lab", store);

  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(*keys, (objstore::AwsCredentials{.access_key_id = "AKID",
                                             .secret_access_key = Secret("s3cret")}));
}

TEST_F(CredentialFilesTest, ATokenOfAStoreThatIsOfNoUseIsSaidByItsKey) {
  const StoreSettings store{.access_key_id = "AKID",
                            .secret_access_key_file = File("s3cret"),
                            .session_token_file = "/nowhere"};

  EXPECT_THAT(MessageOf(ReadStoreKeys("lab", store).status()),
              HasSubstr("stores.lab.session_token_file: /nowhere: "));
}

}  // namespace
}  // namespace fetchd::app
