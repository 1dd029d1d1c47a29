// Secrets of the configuration: who may use them, and where they go.
#include "fetch/named_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/strings.h"
#include "fetch/request.h"

namespace fetchd::fetch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NamedSecret MakeSecret(const std::string& value, const std::vector<std::string>& hosts,
                       std::vector<std::string> tenants = {"*"}) {
  NamedSecret secret{Secret(value), {}, std::move(tenants)};
  for (const std::string& host : hosts) secret.hosts.push_back(*http::HostPattern::Parse(host));
  return secret;
}

jobs::FetchSpec SpecFor(const std::string& url, const std::string& secret = "repo") {
  jobs::FetchSpec spec;
  spec.urls = {url};
  spec.headers = {{"Authorization", Secret(), secret}};
  return spec;
}

std::string ReasonOf(const absl::Status& status) {
  const auto reason = GetReason(status);
  return reason ? reason->reason : std::string();
}

TEST(NamedSecretsTest, GoesToItsHostsOnly) {
  const NamedSecrets secrets(
      {{"repo", MakeSecret("v", {"repo.test", "*.corp.test", "plain.test:8080"})}});
  const auto may = [&](const std::string& url) {
    const absl::Status status = secrets.Check(SpecFor(url), "default", {});
    EXPECT_EQ(status.ok(), secrets.ValueFor("repo", Url::Parse(url)->origin()).ok()) << url;
    if (!status.ok()) EXPECT_EQ(ReasonOf(status), "SECRET_NOT_FOR_HOST");
    return status.ok();
  };

  for (const char* url : {"https://repo.test/a", "https://REPO.test:8443/", "https://a.corp.test/",
                          "http://plain.test:8080/", "https://plain.test:8080/"}) {
    EXPECT_TRUE(may(url)) << url;
  }
  for (const char* url : {"https://other.test/", "https://corp.test/", "https://xcorp.test/",
                          "https://repo.test.evil.test/", "http://repo.test/", "http://plain.test/",
                          "https://plain.test/"}) {
    EXPECT_FALSE(may(url)) << url;
  }
}

TEST(NamedSecretsTest, AnothersNameAndNoNameAreToldInTheSameWords) {
  const NamedSecrets secrets({{"theirs", MakeSecret("v", {"repo.test"}, {"a", "b"})}});
  const auto refused = [&](const std::string& name) {
    return secrets.Check(SpecFor("https://repo.test/", name), "c", {});
  };

  EXPECT_TRUE(secrets.Check(SpecFor("https://repo.test/", "theirs"), "b", {}).ok());
  std::string of_another = MessageOf(refused("theirs"));
  const std::string unknown = MessageOf(refused("nobody"));
  EXPECT_EQ(of_another.replace(of_another.find("theirs"), 6, "nobody"), unknown);
  for (const char* name : {"theirs", "nobody"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(refused(name)));
    EXPECT_EQ(ReasonOf(refused(name)), "SECRET_NOT_ALLOWED");
    EXPECT_EQ(GetField(refused(name))->field, "spec.headers[0].secret");
  }
  // Nor does where it may go tell it from one that there is not.
  EXPECT_EQ(MessageOf(secrets.Check(SpecFor("https://other.test/", "theirs"), "c", {})),
            MessageOf(refused("theirs")));
}

TEST(NamedSecretsTest, WithoutNamesThereIsNothingToCheck) {
  jobs::FetchSpec spec;
  spec.urls = {"https://h/"};
  spec.headers = {{"Cookie", Secret("c")}};
  EXPECT_TRUE(NamedSecrets().Check(spec, "t", {}).ok());
}

TEST(NamedSecretsTest, CredentialsAreCheckedToo) {
  jobs::FetchSpec spec;
  spec.urls = {"https://repo.test/"};
  spec.credentials = BearerCredentials();
  spec.credentials_secret = "none";

  EXPECT_EQ(GetField(NamedSecrets().Check(spec, "t", {}))->field, "spec.credentials");
}

TEST(NamedSecretsTest, ValuesAreReplacedWhileTheyAreRead) {
  NamedSecrets secrets({{"repo", MakeSecret(std::string(100, 'a'), {"repo.test"})}});
  const Origin origin = Url::Parse("https://repo.test/")->origin();
  std::atomic<bool> stop{false}, begun{false};
  std::jthread writer([&] {
    for (char c = 'a'; !stop; c = c == 'z' ? 'a' : static_cast<char>(c + 1)) {
      secrets.Replace("repo", Secret(std::string(100, c)));
      begun = true;
      begun.notify_all();
    }
  });
  begun.wait(false);

  for (int i = 0; i < 1000; ++i) {
    const std::string value = secrets.ValueFor("repo", origin)->Reveal();
    ASSERT_EQ(value, std::string(100, value.front()));
  }
  stop = true;
}

class MakeRequestTest : public ::testing::Test {
 protected:
  MakeRequestTest() {
    config_.secrets = std::make_shared<const NamedSecrets>(std::map<std::string, NamedSecret>{
        {"repo", MakeSecret("the value", {"repo.test", "mirror.test"})}});
  }
  absl::StatusOr<http::Request> Make(const jobs::FetchSpec& spec, const std::string& url) {
    return MakeRequest(spec, *Url::Parse(url), {}, config_);
  }

  EngineConfig config_;
};

TEST_F(MakeRequestTest, ItsValueIsSentAndIsSecretWhateverTheHeader) {
  jobs::FetchSpec spec = SpecFor("https://repo.test/a");
  spec.headers.push_back({"Accept", Secret(), "repo"});

  const auto request = Make(spec, "https://repo.test/a");

  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->headers.size(), 2u);
  EXPECT_EQ(request->headers[0].name, "Authorization");
  EXPECT_EQ(request->headers[0].value, "the value");
  EXPECT_EQ(request->headers[1].value, "the value");
  EXPECT_THAT(request->secret_headers, ElementsAre("authorization", "accept"));
}

TEST_F(MakeRequestTest, AMirrorGetsNoneThoughItIsAmongTheHosts) {
  jobs::FetchSpec spec = SpecFor("https://repo.test/a");
  spec.urls.push_back("https://mirror.test/a");
  spec.credentials = BearerCredentials();
  spec.credentials_secret = "repo";

  const auto request = Make(spec, "https://mirror.test/a");

  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->headers, IsEmpty());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request->credentials));
}

TEST_F(MakeRequestTest, CredentialsGetItsValue) {
  jobs::FetchSpec spec;
  spec.urls = {"https://repo.test/a"};
  spec.credentials_secret = "repo";
  const auto made_of = [&](Credentials credentials) {
    spec.credentials = std::move(credentials);
    return Make(spec, spec.urls.front())->credentials;
  };

  const Secret value("the value");
  EXPECT_EQ(made_of(BearerCredentials()), Credentials(BearerCredentials{value}));
  EXPECT_EQ(made_of(BasicCredentials{"u", Secret()}), Credentials(BasicCredentials{"u", value}));
  EXPECT_EQ(made_of(DigestCredentials{"u", Secret()}), Credentials(DigestCredentials{"u", value}));
}

TEST_F(MakeRequestTest, WhatIsNotThereOrNotForTheHostIsAnErrorAndNotLeftOut) {
  const auto unknown = Make(SpecFor("https://repo.test/a", "none"), "https://repo.test/a");
  const auto elsewhere = Make(SpecFor("https://other.test/a"), "https://other.test/a");

  EXPECT_TRUE(absl::IsPermissionDenied(unknown.status()));
  EXPECT_TRUE(absl::IsPermissionDenied(elsewhere.status()));
}

}  // namespace
}  // namespace fetchd::fetch
