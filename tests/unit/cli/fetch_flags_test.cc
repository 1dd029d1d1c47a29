#include "cli/fetch_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "cli/config.h"
#include "support/process.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FetchFlagsTest : public ::testing::Test {
 protected:
  /// What the flags say; an error of their use has the code FAILED_PRECONDITION.
  absl::StatusOr<v1::FetchSpec> Read(std::vector<std::string> arguments) {
    CLI::App app;
    FetchFlags flags;
    AddFetchFlags(&app, flags);
    try {
      app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
      return absl::FailedPreconditionError(error.what());
    }
    return ReadFetchFlags(flags, [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    });
  }
  std::string File(const std::string& content) const {
    const std::filesystem::path path = folder_.path() / "file";
    testing::WriteFile(path, content);
    return path.string();
  }

  testing::TempFolder folder_;
  std::map<std::string, std::string> environment_;
};

TEST_F(FetchFlagsTest, SilenceSaysNothing) { EXPECT_EQ(Read({})->ByteSizeLong(), 0u); }

TEST_F(FetchFlagsTest, ThePasswordComesFromWhereItWasPut) {
  environment_["FETCHCTL_PASSWORD"] = "from env";
  EXPECT_EQ(Read({"--user", "u"})->credentials().basic().password(), "from env");
  EXPECT_EQ(Read({"-u", "u:from:line"})->credentials().basic().password(), "from:line");
  EXPECT_EQ(Read({"--user", "u:"})->credentials().basic().password(), "");
  EXPECT_EQ(Read({"--user", "u", "--password-file", File("from file\n")})
                ->credentials()
                .basic()
                .password(),
            "from file");
  const auto spec = Read({"--user-file", File("u:both\n")});
  EXPECT_EQ(spec->credentials().basic().username(), "u");
  EXPECT_EQ(spec->credentials().basic().password(), "both");
}

TEST_F(FetchFlagsTest, DigestIsAskedFor) {
  EXPECT_EQ(Read({"--digest", "--user", "u:p"})->credentials().digest().username(), "u");
  EXPECT_TRUE(Read({"--basic", "--user", "u:p"})->credentials().has_basic());
}

TEST_F(FetchFlagsTest, SecretsOfTheServiceAreNamed) {
  environment_["FETCHCTL_PASSWORD"] = "canary";
  const auto header =
      Read({"--header-secret", "Authorization=repo", "--header-secret", "Cookie=c"});
  ASSERT_EQ(header->headers_size(), 2);
  EXPECT_EQ(header->headers(0).name(), "Authorization");
  EXPECT_EQ(header->headers(0).secret(), "repo");
  EXPECT_EQ(header->headers(0).value(), "");
  EXPECT_EQ(Read({"--bearer-secret", "repo"})->credentials().bearer_token_secret(), "repo");
  const auto basic = Read({"--user", "u", "--password-secret", "repo"});
  EXPECT_EQ(basic->credentials().basic().password_secret(), "repo");
  EXPECT_EQ(basic->credentials().basic().password(), "");
  const auto digest = Read({"--digest", "--user", "u", "--password-secret", "repo"});
  EXPECT_EQ(digest->credentials().digest().password_secret(), "repo");
}

TEST_F(FetchFlagsTest, ASecretOfTheServiceIsGivenInsteadOfAnother) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--password-secret", "repo"},
           {"--user", "u", "--password-secret", "r", "--password-file", "f"},
           {"--bearer-secret", "r", "--bearer-file", "f"},
           {"--bearer-secret", "r", "--oauth2-bearer", "t"},
           {"--bearer-secret", "r", "--user", "u:p"},
           {"--header-secret", "Authorization"}}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(Read(arguments).status())) << arguments.front();
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Read({"--user", "u:p", "--password-secret", "r"}).status()));
}

TEST_F(FetchFlagsTest, TokensAreTakenFromLineOrFile) {
  EXPECT_EQ(Read({"--oauth2-bearer", "t"})->credentials().bearer_token(), "t");
  EXPECT_EQ(Read({"--bearer-file", File("t\n")})->credentials().bearer_token(), "t");
}

TEST_F(FetchFlagsTest, CredentialsThatDoNotFitAreRefused) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--user", "u"},
                                                    {"--digest"},
                                                    {"--digest", "--oauth2-bearer", "t"},
                                                    {"--user-file", File("no colon")},
                                                    {"--user-file", "/nowhere"}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Read(arguments).status())) << arguments[0];
  }
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--user", "u:p", "--oauth2-bearer", "t"},
        {"--user", "u:p", "--user-file", "f"},
        {"--user-file", "f", "--oauth2-bearer", "t"},
        {"--user-file", "f", "--bearer-file", "t"},
        {"--password-file", "f"},
        {"--digest", "--basic", "--user", "u:p"}}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(Read(arguments).status())) << arguments[0];
  }
}

TEST_F(FetchFlagsTest, EntityTagsMayLackTheirQuotes) {
  EXPECT_THAT(
      Read({"--etag", "v1", "--if-none-match", "\"v2\"", "--etag", "W/\"v3\""})->if_none_match(),
      ElementsAre("\"v1\"", "\"v2\"", "W/\"v3\""));
}

TEST_F(FetchFlagsTest, AFileMayHoldTheEntityTag) {
  EXPECT_THAT(Read({"--etag-compare", File("\"v1\"\n")})->if_none_match(), ElementsAre("\"v1\""));
  EXPECT_THAT(Read({"--etag-compare", File("\n")})->if_none_match(), IsEmpty());
  EXPECT_THAT(Read({"--etag-compare", "/nowhere/etag"})->if_none_match(), IsEmpty());
}

TEST_F(FetchFlagsTest, ATimeOrAFileIsACondition) {
  for (const char* time : {"1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(Read({"-z", time})->if_modified_since().seconds(), 784'111'777) << time;
  }
  EXPECT_EQ(Read({"--time-cond", "1994-11-06"})->if_modified_since().seconds(), 784'080'000);
  const std::string file = File("x");
  const auto modified = std::chrono::file_clock::to_sys(std::filesystem::last_write_time(file));
  EXPECT_EQ(Read({"-z", file})->if_modified_since().seconds(),
            std::chrono::floor<std::chrono::seconds>(modified).time_since_epoch().count());
  EXPECT_THAT(MessageOf(Read({"-z", "yesterday"}).status()), HasSubstr("is no time"));
}

TEST_F(FetchFlagsTest, ARangeIsFirstToLast) {
  EXPECT_EQ(Read({"-r", "5-9"})->range().last(), 9u);
  const auto open = Read({"--range", "5-"});
  EXPECT_EQ(open->range().first(), 5u);
  EXPECT_FALSE(open->range().has_last());
  for (const char* range : {"-5", "5", "9-5", "0-1,3-4", "a-b", "0x1-2", ""}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(Read({"--range", range}).status())) << range;
  }
}

TEST_F(FetchFlagsTest, CompressedIsDecodedAndHasNoRange) {
  EXPECT_EQ(Read({"--compressed"})->decode(), v1::FetchSpec::DECODE_CONTENT);
  EXPECT_FALSE(Read({"--compressed", "--range", "0-1"}).ok());
}

TEST_F(FetchFlagsTest, FlagsFillInWhatIsNotSaid) {
  const v1::FetchSpec flags =
      *Read({"--header", "A: flag", "--user", "u:p", "--range", "0-1", "--etag", "flag", "-z",
             "2026-01-31", "--tls-profile", "flag", "--proxy", "flag"});
  v1::FetchSpec spec;
  FillIn(flags, spec);
  EXPECT_EQ(spec.SerializeAsString(), flags.SerializeAsString());

  v1::FetchSpec own;
  own.mutable_range()->set_first(7);
  own.add_if_none_match("\"own\"");
  own.set_decode(v1::FetchSpec::DECODE_AS_SENT);
  own.mutable_if_modified_since()->set_seconds(1);
  own.mutable_credentials()->set_bearer_token("own");
  const v1::FetchSpec before = own;
  v1::FetchSpec silent = flags;
  silent.clear_headers();
  silent.clear_tls_profile();
  silent.clear_proxy();
  silent.set_decode(v1::FetchSpec::DECODE_CONTENT);
  FillIn(silent, own);
  EXPECT_EQ(own.SerializeAsString(), before.SerializeAsString());
}

}  // namespace
}  // namespace fetchd::cli
