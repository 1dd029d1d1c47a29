// Who asks: Digest against Apache, and credentials that go where they belong and nowhere else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/http_stack.h"
#include "support/apache.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DigestTest : public ::testing::Test {
 protected:
  DigestTest() {
    WriteFile(apache_.root() / "file", "for members");
    WriteFile(apache_.root() / "next/file", "for members, each time anew");
  }
  Fetched Get(const std::string& target, const std::string& password = Apache::kPassword,
              const std::string& method = "GET") {
    http::Request request = RequestFor(apache_.Url(target));
    request.method = method;
    request.credentials = DigestCredentials{Apache::kUser, Secret(password)};
    return stack_.Send(request, {}, {});
  }

  Apache apache_;
  HttpStack stack_;
};

TEST_F(DigestTest, TheFirstRequestCostsTwoAndTheOthersOne) {
  EXPECT_EQ(Get("/file").body, "for members");
  EXPECT_EQ(Get("/file").body, "for members");
  EXPECT_EQ(Get("/file", Apache::kPassword, "HEAD").http_status, 200);

  EXPECT_THAT(apache_.AccessLog(4),
              ElementsAre("GET /file 401", "GET /file 200", "GET /file 200", "HEAD /file 200"));
  EXPECT_EQ(stack_.client().Stats().dials.opened, 1U);
}

TEST_F(DigestTest, AQuestionIsAnsweredAgainWhenTheNonceIsTooOld) {
  EXPECT_EQ(Get("/file").body, "for members");
  EXPECT_THAT(apache_.AccessLog(2), SizeIs(2));
  apache_.Restart();

  EXPECT_EQ(Get("/file").body, "for members");

  EXPECT_THAT(apache_.AccessLog(4),
              ElementsAre("GET /file 401", "GET /file 200", "GET /file 401", "GET /file 200"));
}

TEST_F(DigestTest, TheNonceForTheNextRequestIsUsed) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get("/next/file").body, "for members, each time anew");

  EXPECT_THAT(apache_.AccessLog(4), ElementsAre("GET /next/file 401", "GET /next/file 200",
                                                "GET /next/file 200", "GET /next/file 200"));
}

TEST_F(DigestTest, AWrongPasswordIs401AndSpoilsNothing) {
  EXPECT_EQ(Get("/file").body, "for members");
  const Fetched refused = Get("/file", "wrong");
  EXPECT_TRUE(refused.status.ok()) << refused.message();
  EXPECT_EQ(refused.http_status, 401);

  EXPECT_EQ(Get("/file").body, "for members");
}

TEST_F(DigestTest, ManyAtOnceAreAllServed) {
  std::vector<std::future<Fetched>> pending;
  for (int i = 0; i < 40; ++i) {
    pending.push_back(std::async(std::launch::async, [this] { return Get("/file"); }));
  }
  for (auto& each : pending) EXPECT_EQ(each.get().body, "for members");
}

TEST_F(DigestTest, BasicCredentialsDoNotAnswer) {
  http::Request request = RequestFor(apache_.Url("/file"));
  request.credentials = BasicCredentials{Apache::kUser, Secret(Apache::kPassword)};

  EXPECT_EQ(stack_.Send(request, {}, {}).http_status, 401);
}

/// What an origin in this process was told, request by request.
class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() {
    for (Origin* origin : {&first_, &second_}) origin->Handle("/file", Serve("body"));
  }
  HttpStack& Stack() {
    if (stack_ == nullptr) {
      HttpStackOptions options;
      options.client.origin_rules = *http::OriginRules::Create(rules_);
      options.client.netrc = *http::Netrc::Parse(netrc_);
      stack_ = std::make_unique<HttpStack>(options);
    }
    return *stack_;
  }
  static http::OriginRule LoginRule(const std::string& name) {
    http::OriginRule rule;
    rule.credentials =
        std::make_shared<const http::OriginCredentials>(http::Login{name, Secret("p")});
    return rule;
  }
  static std::string PatternOf(const Origin& origin) {
    return "127.0.0.1:" + std::to_string(origin.port());
  }
  static std::vector<std::string> Told(const Origin& origin) {
    std::vector<std::string> told;
    for (const OriginRequest& request : origin.Requests()) {
      told.push_back(request.Header("Authorization"));
    }
    return told;
  }

  Origin first_, second_;
  std::map<std::string, http::OriginRule> rules_;
  std::string netrc_;

 private:
  std::unique_ptr<HttpStack> stack_;
};

TEST_F(CredentialsTest, AnOriginGetsItsOwn) {
  rules_ = {{PatternOf(first_), LoginRule("first")}};

  EXPECT_EQ(Stack().Get(first_.Url("/file")).body, "body");
  EXPECT_EQ(Stack().Get(second_.Url("/file")).body, "body");

  EXPECT_THAT(Told(first_), ElementsAre("Basic Zmlyc3Q6cA=="));
  EXPECT_THAT(Told(second_), ElementsAre(""));
}

TEST_F(CredentialsTest, ARedirectTakesTheCallersNowhereElse) {
  rules_ = {{PatternOf(first_), LoginRule("first")}};
  second_.Handle("/away", Redirect(first_.Url("/back")));
  first_.Handle("/back", Redirect(second_.Url("/file")));
  http::Request request = RequestFor(second_.Url("/away"));
  request.credentials = BearerCredentials{Secret("callers")};

  EXPECT_EQ(Stack().Send(request, {}, {}).body, "body");

  // Not even back at the origin that they were for.
  EXPECT_THAT(Told(second_), ElementsAre("Bearer callers", ""));
  EXPECT_THAT(Told(first_), ElementsAre("Basic Zmlyc3Q6cA=="));
}

TEST_F(CredentialsTest, NetrcsLoginStaysWithThePlainUrlThatWasAskedFor) {
  netrc_ = "machine 127.0.0.1 login u password p";
  first_.Handle("/away", Redirect(second_.Url("/file")));

  EXPECT_EQ(Stack().Get(first_.Url("/away")).body, "body");

  EXPECT_THAT(Told(first_), ElementsAre("Basic dTpw"));
  EXPECT_THAT(Told(second_), ElementsAre(""));
}

TEST_F(CredentialsTest, DigestAsksForAChallengeAndTellsNothingWithoutOne) {
  first_.Handle("/basic", Status(401, {{"WWW-Authenticate", "Basic realm=\"x\""}}));
  http::Request request = RequestFor(first_.Url("/basic"));
  request.credentials = DigestCredentials{"u", Secret("canary")};

  const Fetched fetched = Stack().Send(request, {}, {});

  EXPECT_EQ(fetched.reason(), "AUTH_NOT_SUPPORTED");
  EXPECT_THAT(fetched.message(), ::testing::Not(HasSubstr("canary")));
  EXPECT_THAT(Told(first_), ElementsAre(""));
  EXPECT_EQ(fetched.records.size(), 1U);
}

}  // namespace
}  // namespace fetchd::testing
