#include "objstore/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "base/strings.h"
#include "objstore/ini_file.h"
#include "objstore/local_credentials.h"
#include "store_loop.h"
#include "support/process.h"

namespace fetchd::objstore {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using ::testing::HasSubstr;
using ::testing::Not;

AwsCredentials Keys(const std::string& id, std::optional<WallTime> expires_at = {}) {
  return {id, Secret("secret"), Secret(), expires_at};
}

/// Brings what it is told to, after a time.
class ScriptedProvider final : public CredentialsProvider {
 public:
  struct Script {
    std::deque<absl::StatusOr<AwsCredentials>> results;
    Duration takes{};
    int fetches = 0;
  };
  ScriptedProvider(Script& script, Clock& clock) : script_(script), clock_(clock) {}
  Task<absl::StatusOr<AwsCredentials>> Fetch() override {
    ++script_.fetches;
    absl::StatusOr<AwsCredentials> result = std::move(script_.results.front());
    script_.results.pop_front();
    if (script_.takes > Duration::zero()) co_await clock_.SleepFor(script_.takes);
    co_return result;
  }

 private:
  Script& script_;
  Clock& clock_;
};

class CachedCredentialsTest : public ::testing::Test {
 protected:
  WallTime In(Duration time) {
    return loop_.clock().WallNow() + std::chrono::duration_cast<WallTime::duration>(time);
  }
  std::string Id() {
    const auto got = loop_.Run(source_.Get());
    return got.ok() ? got->access_key_id : MessageOf(got.status());
  }

  StoreLoop loop_;
  ScriptedProvider::Script script_;
  CachedCredentials source_{loop_.executor(), loop_.clock(),
                            std::make_unique<ScriptedProvider>(script_, loop_.clock())};
};

TEST_F(CachedCredentialsTest, AreFetchedOnceUntilShortlyBeforeTheyExpire) {
  script_.results = {Keys("a", In(1h)), Keys("b", In(2h))};

  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(54min);
  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(2min);
  EXPECT_EQ(Id(), "b");
  EXPECT_EQ(script_.fetches, 2);
}

TEST_F(CachedCredentialsTest, WithoutAnExpiryAreFetchedAnewNowAndThen) {
  script_.results = {Keys("a"), Keys("b")};

  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(14min);
  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(1min);
  EXPECT_EQ(Id(), "b");
}

TEST_F(CachedCredentialsTest, AllWhoWaitShareOneFetch) {
  script_ = {{Keys("a", In(1h))}, 2s};
  std::vector<std::optional<absl::StatusOr<AwsCredentials>>> got(5);
  for (auto& each : got) loop_.Start(source_.Get(), each);
  loop_.Poll();
  loop_.clock().Advance(2s);
  loop_.Poll();

  for (const auto& each : got) {
    ASSERT_TRUE(each && each->ok());
    EXPECT_EQ((*each)->access_key_id, "a");
  }
  EXPECT_EQ(script_.fetches, 1);
}

TEST_F(CachedCredentialsTest, AFailureIsThatOfAllWhoWaitedAndTheNextTriesAgain) {
  script_ = {{absl::UnavailableError("no answer"), Keys("a", In(1h))}, 2s};
  std::vector<std::optional<absl::StatusOr<AwsCredentials>>> got(3);
  for (auto& each : got) loop_.Start(source_.Get(), each);
  loop_.Poll();
  loop_.clock().Advance(2s);
  loop_.Poll();

  for (const auto& each : got) EXPECT_TRUE(each && absl::IsUnavailable(each->status()));
  EXPECT_EQ(Id(), "a");
  EXPECT_EQ(script_.fetches, 2);
}

TEST_F(CachedCredentialsTest, WhoAsksDuringARefreshGetsThePresentOnes) {
  script_.results = {Keys("a", In(10min)), Keys("b", In(1h))};
  EXPECT_EQ(Id(), "a");
  script_.takes = 2s;
  loop_.clock().Advance(6min);
  std::optional<absl::StatusOr<AwsCredentials>> refresher;
  loop_.Start(source_.Get(), refresher);
  loop_.Poll();
  ASSERT_FALSE(refresher);

  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(2s);
  loop_.Poll();
  EXPECT_EQ((*refresher)->access_key_id, "b");
}

TEST_F(CachedCredentialsTest, ARefreshThatFailsLeavesThePresentOnesWhileTheyHold) {
  script_.results = {Keys("a", In(10min)), absl::UnavailableError("x"),
                     absl::UnavailableError("no answer")};
  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(6min);
  EXPECT_EQ(Id(), "a");
  loop_.clock().Advance(210s);
  EXPECT_EQ(Id(), "no answer");
}

TEST_F(CachedCredentialsTest, ForgottenOnesAreNotGivenOutAgain) {
  script_.results = {Keys("a", In(1h)), Keys("b", In(1h))};
  EXPECT_EQ(Id(), "a");

  source_.Forget(Keys("a", In(1h)));
  EXPECT_EQ(Id(), "b");
  source_.Forget(Keys("a", In(1h)));
  EXPECT_EQ(Id(), "b");
}

TEST_F(CachedCredentialsTest, AFetchHasItsTime) {
  script_ = {{Keys("a")}, 1h};

  const auto got = loop_.Run(source_.Get());

  EXPECT_TRUE(absl::IsDeadlineExceeded(got.status()));
  EXPECT_THAT(MessageOf(got.status()), HasSubstr("credentials"));
}

TEST_F(CachedCredentialsTest, OnesThatCannotBeSentAreRefused) {
  for (const char* id : {"", "a/b", "a\r\nb", "a b"}) {
    script_.results = {Keys(id)};
    EXPECT_TRUE(absl::IsInvalidArgument(loop_.Run(source_.Get()).status())) << id;
  }
}

TEST(IniFileTest, ReadsSectionsAndValues) {
  const auto file = ParseIni(
      "# a comment\r\n[default]\r\naws_access_key_id = A\r\n"
      "aws_secret_access_key=s=e#cret # not the secret\n; another\n\n[profile  x]  # which\n"
      "s3 =\n  max_retries = 9\nRegion=eu-west-1\n[default]\naws_access_key_id = B\n");

  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->at("default").at("aws_access_key_id"), "B");
  EXPECT_EQ(file->at("default").at("aws_secret_access_key"), "s=e#cret");
  EXPECT_EQ(file->at("profile  x").at("region"), "eu-west-1");
  EXPECT_EQ(file->at("profile  x").count("max_retries"), 0U);
}

TEST(IniFileTest, SaysInWhichLineAndRepeatsNothing) {
  for (const char* text :
       {"[a\nhunter2 = x", "[a] hunter2", "hunter2 = x", "[a]\nhunter2", "[a]\n= hunter2", "[ ]"}) {
    const auto file = ParseIni(text);
    ASSERT_TRUE(absl::IsInvalidArgument(file.status())) << text;
    EXPECT_THAT(MessageOf(file.status()), HasSubstr("line "));
    EXPECT_THAT(MessageOf(file.status()), Not(HasSubstr("hunter2")));
  }
}

Environment Variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(EnvironmentCredentialsTest, TakesAllThree) {
  StoreLoop loop;
  EnvironmentCredentials all(Variables(
      {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "s"}, {"AWS_SESSION_TOKEN", "t"}}));
  EnvironmentCredentials none(Variables({{"AWS_SESSION_TOKEN", "t"}}));
  EnvironmentCredentials half(Variables({{"AWS_ACCESS_KEY_ID", "A"}}));

  EXPECT_EQ(*loop.Run(all.Fetch()), (AwsCredentials{"A", Secret("s"), Secret("t"), {}}));
  EXPECT_TRUE(absl::IsNotFound(loop.Run(none.Fetch()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(loop.Run(half.Fetch()).status()));
}

class ProfileCredentialsTest : public ::testing::Test {
 protected:
  absl::StatusOr<AwsCredentials> Fetch(const std::string& profile, bool named = true) {
    ProfileCredentials provider(
        {folder_.path() / "credentials", folder_.path() / "config", profile, named}, pool_);
    return loop_.Run(provider.Fetch());
  }
  void Write(const char* name, const std::string& text) {
    testing::WriteFile(folder_.path() / name, text);
  }

  testing::TempFolder folder_;
  StoreLoop loop_;
  runtime::BlockingPool pool_{loop_.executor()};
};

TEST_F(ProfileCredentialsTest, TheCredentialsFileGoesFirst) {
  Write("credentials",
        "[default]\naws_access_key_id=A\naws_secret_access_key=s\n"
        "aws_session_token=t\n");
  Write("config",
        "[default]\naws_access_key_id=B\naws_secret_access_key=s\n"
        "[profile x]\naws_access_key_id=C\naws_secret_access_key=s\n");

  EXPECT_EQ(*Fetch("default"), (AwsCredentials{"A", Secret("s"), Secret("t"), {}}));
  EXPECT_EQ(Fetch("x")->access_key_id, "C");
}

TEST_F(ProfileCredentialsTest, WithoutFilesThereAreNoneUnlessAskedForByName) {
  EXPECT_TRUE(absl::IsNotFound(Fetch("default", /*named=*/false).status()));
  const auto named = Fetch("x");
  EXPECT_TRUE(absl::IsFailedPrecondition(named.status()));
  EXPECT_THAT(MessageOf(named.status()), HasSubstr("profile \"x\" has no keys"));
}

TEST_F(ProfileCredentialsTest, WhatIsWrongIsSaidWithTheFileAndWithoutTheSecret) {
  Write("credentials", "[half]\naws_secret_access_key=hunter2\n[role]\nrole_arn=arn\n");
  for (const char* profile : {"half", "role"}) {
    const auto got = Fetch(profile);
    EXPECT_FALSE(got.ok());
    EXPECT_THAT(MessageOf(got.status()), HasSubstr("credentials"));
    EXPECT_THAT(MessageOf(got.status()), Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(MessageOf(Fetch("role").status()), HasSubstr("role_arn"));

  Write("credentials", "hunter2");
  EXPECT_TRUE(absl::IsInvalidArgument(Fetch("default").status()));
  Write("credentials", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(MessageOf(Fetch("default").status()), HasSubstr("larger than 1 MiB"));
}

TEST_F(ProfileCredentialsTest, AFolderInItsPlaceIsAnError) {
  std::filesystem::create_directory(folder_.path() / "credentials");
  EXPECT_TRUE(absl::IsFailedPrecondition(Fetch("default").status()));
}

TEST(ProfileFilesTest, AreWhereTheEnvironmentSays) {
  const ProfileFiles at_home = ProfileFiles::From(Variables({{"HOME", "/home/u"}}));
  EXPECT_EQ(at_home.credentials, "/home/u/.aws/credentials");
  EXPECT_EQ(at_home.config, "/home/u/.aws/config");
  EXPECT_EQ(at_home.profile, "default");
  EXPECT_FALSE(at_home.named);

  const ProfileFiles elsewhere = ProfileFiles::From(Variables(
      {{"AWS_SHARED_CREDENTIALS_FILE", "/c"}, {"AWS_CONFIG_FILE", "/d"}, {"AWS_PROFILE", "p"}}));
  EXPECT_EQ(elsewhere.credentials, "/c");
  EXPECT_EQ(elsewhere.config, "/d");
  EXPECT_EQ(elsewhere.profile, "p");
  EXPECT_TRUE(elsewhere.named);
}

}  // namespace
}  // namespace fetchd::objstore
