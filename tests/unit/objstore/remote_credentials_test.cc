#include "objstore/remote_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "base/strings.h"
#include "s3_fixture.h"
#include "support/process.h"

namespace fetchd::objstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kMetadata[] =
    "{\"Code\": \"Success\", \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"s\", \"Token\": \"t\", "
    "\"Expiration\": \"2030-01-02T03:04:05Z\"}";
constexpr char kSts[] =
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A</AccessKeyId>"
    "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    "<Expiration>2030-01-02T03:04:05Z</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
constexpr WallTime kExpiry = WallTime(std::chrono::sys_days(std::chrono::year{2030} / 1 / 2)) +
                             std::chrono::hours(3) + std::chrono::minutes(4) +
                             std::chrono::seconds(5);

const AwsCredentials kGiven{"A", Secret("s"), Secret("t"), kExpiry};

class RemoteCredentialsTest : public ::testing::Test {
 protected:
  template <typename Provider>
  std::optional<typename Provider::Config> ConfigOf() {
    auto config = Provider::From(environment_);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *std::move(config) : std::nullopt;
  }
  template <typename Provider>
  absl::Status Refusal() {
    return Provider::From(environment_).status();
  }
  template <typename Provider>
  absl::StatusOr<AwsCredentials> Fetch() {
    Provider provider(*ConfigOf<Provider>(), services_);
    return loop_.Run(provider.Fetch());
  }
  std::string Url(std::size_t n) const {
    const auto requests = client_.requests();
    return n < requests.size() ? requests[n].method + " " + requests[n].url.ToString() : "";
  }
  std::string WriteToken(const std::string& text) {
    const auto path = folder_.path() / "token";
    testing::WriteFile(path, text);
    return path.string();
  }

  std::map<std::string, std::string> variables_;
  Environment environment_ = [this](const char* name) -> std::optional<std::string> {
    const auto found = variables_.find(name);
    return found == variables_.end() ? std::nullopt : std::optional(found->second);
  };
  testing::TempFolder folder_;
  StoreLoop loop_;
  runtime::BlockingPool pool_{loop_.executor()};
  std::deque<FakeAnswer> answers_;
  std::vector<std::string> bodies_;
  testing::FakeHttpClient client_{[this](const http::Request& request) {
    std::string body;
    for (const auto& block : request.body) {
      body.append(reinterpret_cast<const char*>(block.data()), block.size());
    }
    bodies_.push_back(std::move(body));
    if (answers_.empty()) {
      ADD_FAILURE() << "asked once more: " << request.url.ToString();
      return Say(400);
    }
    FakeAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }};
  CredentialsServices services_{client_, pool_, loop_.clock(), [] { return 0.5; }};
};

TEST_F(RemoteCredentialsTest, AWebIdentityIsExchanged) {
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", WriteToken("jwt+/=\n")},
                {"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"},
                {"AWS_REGION", "eu-west-1"}};
  answers_ = {Say(200, kSts)};

  const auto got = Fetch<WebIdentityCredentials>();

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, kGiven);
  EXPECT_EQ(Url(0), "POST https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(bodies_[0],
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%"
            "3Arole%2Fr&RoleSessionName=fetchd&WebIdentityToken=jwt%2B%2F%3D");
}

TEST_F(RemoteCredentialsTest, AWebIdentityThatIsRefusedSaysWhyAndNotWhat) {
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", WriteToken("hunter2")}, {"AWS_ROLE_ARN", "r"}};
  answers_ = {Say(400,
                  "<ErrorResponse><Error><Code>ExpiredTokenException</Code>"
                  "<Message>Token expired</Message></Error></ErrorResponse>")};

  const auto got = Fetch<WebIdentityCredentials>();

  EXPECT_TRUE(absl::IsPermissionDenied(got.status()));
  EXPECT_THAT(MessageOf(got.status()), HasSubstr("ExpiredTokenException: Token expired"));
  EXPECT_THAT(MessageOf(got.status()), Not(HasSubstr("hunter2")));
}

TEST_F(RemoteCredentialsTest, AServiceThatFailsIsAskedAgain) {
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", WriteToken("x")}, {"AWS_ROLE_ARN", "r"}};
  answers_ = {Say(503), SayNothing(absl::UnavailableError("lost")), Say(200, kSts)};
  EXPECT_TRUE(Fetch<WebIdentityCredentials>().ok());

  answers_ = {Say(503), Say(500), Say(429)};
  EXPECT_TRUE(absl::IsUnavailable(Fetch<WebIdentityCredentials>().status()));
}

TEST_F(RemoteCredentialsTest, AWebIdentityThatIsHalfSetIsRefused) {
  EXPECT_FALSE(ConfigOf<WebIdentityCredentials>());
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"}};
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal<WebIdentityCredentials>()));
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"},
                {"AWS_ROLE_ARN", "r"},
                {"AWS_REGION", "evil.example/"}};
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal<WebIdentityCredentials>()));
}

TEST_F(RemoteCredentialsTest, AWebIdentityWithoutItsFileIsAnError) {
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token"}, {"AWS_ROLE_ARN", "r"}};
  EXPECT_TRUE(absl::IsFailedPrecondition(Fetch<WebIdentityCredentials>().status()));
}

TEST_F(RemoteCredentialsTest, AContainerAsksItsEndpoint) {
  variables_ = {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"}};
  answers_ = {Say(200, kMetadata)};

  const auto got = Fetch<ContainerCredentials>();

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, kGiven);
  EXPECT_EQ(Url(0), "GET http://169.254.170.2/v2/credentials/x");
  EXPECT_EQ(client_.Header(0, "Authorization"), "");
}

TEST_F(RemoteCredentialsTest, AContainersTokenIsReadAnewEachTime) {
  variables_ = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
                {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "old"},
                {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", WriteToken("first\n")}};
  answers_ = {Say(200, kMetadata), Say(200, kMetadata)};

  EXPECT_TRUE(Fetch<ContainerCredentials>().ok());
  WriteToken("second");
  EXPECT_TRUE(Fetch<ContainerCredentials>().ok());

  EXPECT_EQ(client_.Header(0, "Authorization"), "first");
  EXPECT_EQ(client_.Header(1, "Authorization"), "second");
}

TEST_F(RemoteCredentialsTest, AContainersTokenGoesNowhereElseWithoutTls) {
  for (const char* uri : {"http://example.org/", "http://169.254.169.254/", "not a url",
                          "http://localhost.example.org/"}) {
    variables_ = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", uri}};
    EXPECT_TRUE(absl::IsInvalidArgument(Refusal<ContainerCredentials>())) << uri;
  }
  for (const char* uri : {"https://example.org/", "http://localhost:8080/", "http://127.0.0.1/",
                          "http://[fd00:ec2::23]/v1"}) {
    variables_ = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", uri}};
    EXPECT_TRUE(ConfigOf<ContainerCredentials>().has_value()) << uri;
  }
}

TEST_F(RemoteCredentialsTest, AContainerThatIsRefusedIsAnErrorAndNotAnotherPlace) {
  variables_ = {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}};
  for (const int status : {401, 403, 404}) {
    answers_ = {Say(status)};
    EXPECT_TRUE(absl::IsPermissionDenied(Fetch<ContainerCredentials>().status())) << status;
  }
}

TEST_F(RemoteCredentialsTest, AnInstanceAsksForASessionFirst) {
  answers_ = {Say(200, "session"), Say(200, "my-role\nother"), Say(200, kMetadata)};

  const auto got = Fetch<InstanceCredentials>();

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, kGiven);
  EXPECT_EQ(Url(0), "PUT http://169.254.169.254/latest/api/token");
  EXPECT_EQ(Url(2), "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role");
  EXPECT_EQ(client_.Header(0, "X-aws-ec2-metadata-token-ttl-seconds"), "300");
  EXPECT_EQ(client_.Header(1, "X-aws-ec2-metadata-token"), "session");
  EXPECT_EQ(client_.Header(2, "X-aws-ec2-metadata-token"), "session");
}

TEST_F(RemoteCredentialsTest, WithoutAnInstanceOrARoleThereAreNone) {
  const auto nobody = SayNothing(absl::UnavailableError("nobody there"));
  answers_ = {nobody, nobody, nobody};
  EXPECT_TRUE(absl::IsNotFound(Fetch<InstanceCredentials>().status()));

  answers_ = {SayNothing(absl::PermissionDeniedError("egress"))};
  EXPECT_TRUE(absl::IsNotFound(Fetch<InstanceCredentials>().status()));

  answers_ = {Say(200, "session"), Say(404)};
  EXPECT_TRUE(absl::IsNotFound(Fetch<InstanceCredentials>().status()));

  answers_ = {Say(200, "session"), Say(200)};
  EXPECT_TRUE(absl::IsNotFound(Fetch<InstanceCredentials>().status()));

  variables_ = {{"AWS_EC2_METADATA_DISABLED", "TRUE"}};
  EXPECT_FALSE(ConfigOf<InstanceCredentials>());
}

TEST_F(RemoteCredentialsTest, AnswersThatAreNoneAreDataLoss) {
  for (const char* json :
       {"", "[]", "{", "{\"AccessKeyId\": \"A\"}", "{\"AccessKeyId\": 1}",
        "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"s\", \"Token\": \"t\"}",
        "{\"AccessKeyId\": \"A\\nB\", \"SecretAccessKey\": \"s\", \"Token\": \"t\", "
        "\"Expiration\": \"2030-01-02T03:04:05Z\"}"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadMetadataCredentials(json).status())) << json;
  }
  for (const char* xml : {"", "<a/>", "<AssumeRoleWithWebIdentityResponse/>"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadStsCredentials(xml).status())) << xml;
  }
}

TEST_F(RemoteCredentialsTest, TheChainHasAwssOrder) {
  variables_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"},
                {"AWS_ROLE_ARN", "r"},
                {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}};
  const auto chain = DefaultCredentialsChain(environment_, services_);
  ASSERT_TRUE(chain.ok()) << chain.status();

  std::vector<std::string> names;
  for (const auto& link : dynamic_cast<CredentialsChain&>(**chain).links()) {
    names.push_back(link.name);
  }
  EXPECT_THAT(names,
              ElementsAre("environment", "web identity", "profile", "container", "instance"));
}

TEST_F(RemoteCredentialsTest, TheChainEndsWhereThereAreSome) {
  variables_ = {{"AWS_ACCESS_KEY_ID", "E"}, {"AWS_SECRET_ACCESS_KEY", "s"}};
  const auto chain = DefaultCredentialsChain(environment_, services_);
  ASSERT_TRUE(chain.ok());

  EXPECT_EQ(loop_.Run((*chain)->Fetch())->access_key_id, "E");
}

TEST_F(RemoteCredentialsTest, TheChainSaysWhereItLooked) {
  variables_ = {{"AWS_EC2_METADATA_DISABLED", "true"}, {"HOME", folder_.path().string()}};
  const auto chain = DefaultCredentialsChain(environment_, services_);
  ASSERT_TRUE(chain.ok());

  const auto got = loop_.Run((*chain)->Fetch());

  EXPECT_TRUE(absl::IsNotFound(got.status()));
  EXPECT_THAT(MessageOf(got.status()), HasSubstr("environment: AWS_ACCESS_KEY_ID is not set"));
  EXPECT_THAT(MessageOf(got.status()), HasSubstr("profile: there is no file"));
}

TEST_F(RemoteCredentialsTest, TheChainEndsWhereSomethingIsWrong) {
  variables_ = {{"AWS_ACCESS_KEY_ID", "E"}};
  const auto chain = DefaultCredentialsChain(environment_, services_);
  ASSERT_TRUE(chain.ok());

  const auto got = loop_.Run((*chain)->Fetch());

  EXPECT_TRUE(absl::IsInvalidArgument(got.status()));
  EXPECT_THAT(MessageOf(got.status()), HasSubstr("credentials of the environment"));
}

}  // namespace
}  // namespace fetchd::objstore
