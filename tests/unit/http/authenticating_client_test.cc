#include "http/authenticating_client.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "fake_net.h"
#include "http/redirecting_client.h"
#include "support/fake_http_client.h"

namespace fetchd::http {
namespace {

using testing::BodyStep;
using ::testing::ElementsAre;
using testing::FakeAnswer;
using ::testing::HasSubstr;

FakeAnswer Ok() {
  FakeAnswer answer;
  answer.content_length = 0;
  return answer;
}

FakeAnswer Unauthorized(const std::vector<std::string>& challenges) {
  FakeAnswer answer;
  answer.status = 401;
  for (const std::string& line : challenges) answer.headers.emplace_back("WWW-Authenticate", line);
  answer.content_length = 4;
  answer.body = {BodyStep::Bytes("401\n")};
  return answer;
}

std::string Challenge(const std::string& nonce, const std::string& more = "") {
  return Concat("Digest realm=\"r\", qop=\"auth\", nonce=\"", nonce, "\"", more);
}

Task<absl::Status> SendOnce(Client& client, Request request, absl::StatusOr<int>& outcome) {
  const absl::StatusOr<Response> response = co_await client.Send(std::move(request), {});
  outcome = response.ok() ? absl::StatusOr<int>(response->head.status) : response.status();
  co_return absl::OkStatus();
}

class AuthenticatingClientTest : public ShardTest {
 protected:
  /// The answers to what is sent, in order; the last one again and again.
  void Script(std::vector<FakeAnswer> answers) {
    answers_ = std::move(answers);
    answered_ = 0;
    first_ = inner_.requests().size();
  }
  absl::StatusOr<int> Get(const std::string& url, Credentials credentials) {
    Request request(*Url::Parse(url));
    request.credentials = std::move(credentials);
    absl::StatusOr<int> outcome = absl::UnknownError("not finished");
    tasks_.Spawn("send", SendOnce(client_, std::move(request), outcome));
    Poll();
    return outcome;
  }
  /// The Authorization of each request since Script().
  std::vector<std::string> Sent() const {
    std::vector<std::string> sent;
    for (std::size_t i = first_; i < inner_.requests().size(); ++i) {
      sent.push_back(inner_.Header(i, "Authorization"));
    }
    return sent;
  }

  std::vector<FakeAnswer> answers_ = {Ok()};
  std::size_t answered_ = 0;
  std::size_t first_ = 0;
  testing::FakeHttpClient inner_{
      [this](const Request&) { return answers_[std::min(answered_++, answers_.size() - 1)]; }};
  const OriginRules origins_;
  const Netrc netrc_;
  const CredentialRules rules_{origins_, netrc_};
  AuthenticatingClient client_{inner_, rules_, [] { return std::string("c"); }};
  const Credentials digest_ = DigestCredentials{"u", Secret("p")};
};

constexpr char kUrl[] = "https://example.org/a?b";

TEST_F(AuthenticatingClientTest, NothingIsAddedWithoutCredentials) {
  EXPECT_EQ(*Get(kUrl, {}), 200);
  EXPECT_THAT(Sent(), ElementsAre(""));
}

TEST_F(AuthenticatingClientTest, BasicAndBearerGoWithTheRequest) {
  EXPECT_EQ(*Get(kUrl, BasicCredentials{"Aladdin", Secret("open sesame")}), 200);
  EXPECT_EQ(*Get(kUrl, BearerCredentials{Secret("mF_9.B5f-4.1JqM")}), 200);

  EXPECT_THAT(Sent(), ElementsAre("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer mF_9.B5f-4.1JqM"));
}

TEST_F(AuthenticatingClientTest, RefusedBasicIsAnAnswer) {
  Script({Unauthorized({"Basic realm=r", Challenge("n")})});

  EXPECT_EQ(*Get(kUrl, BasicCredentials{"u", Secret("p")}), 401);
  EXPECT_THAT(Sent(), ::testing::SizeIs(1));
}

TEST_F(AuthenticatingClientTest, DigestAnswersTheChallengeAndThenSavesTheQuestion) {
  Script({Unauthorized({"Basic realm=r", Challenge("n")}), Ok()});

  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_EQ(*Get(kUrl, digest_), 200);

  EXPECT_THAT(Sent(), ElementsAre("", HasSubstr("nc=00000001"), HasSubstr("nc=00000002")));
  EXPECT_THAT(Sent()[1], HasSubstr("uri=\"/a?b\""));
}

TEST_F(AuthenticatingClientTest, AStaleNonceIsReplacedWithoutAFuss) {
  Script(
      {Unauthorized({Challenge("n")}), Ok(), Unauthorized({Challenge("m", ", stale=true")}), Ok()});

  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_EQ(*Get(kUrl, digest_), 200);

  EXPECT_THAT(Sent(), ElementsAre("", HasSubstr("\"n\""), HasSubstr("\"n\""), HasSubstr("\"m\"")));
}

TEST_F(AuthenticatingClientTest, AForgottenNonceIsReplacedAlsoWhenItIsNotCalledStale) {
  Script({Unauthorized({Challenge("n")}), Ok(), Unauthorized({Challenge("m")}), Ok()});

  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_EQ(*Get(kUrl, digest_), 200);
}

TEST_F(AuthenticatingClientTest, RefusedDigestIsAnAnswerAndForgotten) {
  Script({Unauthorized({Challenge("n")}), Unauthorized({Challenge("m")})});

  EXPECT_EQ(*Get(kUrl, digest_), 401);
  EXPECT_THAT(Sent(), ElementsAre("", HasSubstr("\"n\"")));

  Script({Ok()});
  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_THAT(Sent(), ElementsAre(""));
}

TEST_F(AuthenticatingClientTest, AServerThatFindsEveryNonceStaleIsGivenUp) {
  Script({Unauthorized({Challenge("n", ", stale=true")})});

  EXPECT_EQ(*Get(kUrl, digest_), 401);
  EXPECT_THAT(Sent(), ::testing::SizeIs(4));
}

TEST_F(AuthenticatingClientTest, TheNextNonceIsUsed) {
  FakeAnswer next = Ok();
  next.headers = {{"Authentication-Info", "nextnonce=\"m\", qop=auth"}};
  Script({Unauthorized({Challenge("n")}), next, Ok()});

  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_EQ(*Get(kUrl, digest_), 200);

  EXPECT_THAT(Sent()[2], HasSubstr("nonce=\"m\""));
  EXPECT_THAT(Sent()[2], HasSubstr("nc=00000001"));
}

TEST_F(AuthenticatingClientTest, DigestIsNeverSentAsBasic) {
  Script({Unauthorized({"Basic realm=r"})});

  const absl::StatusOr<int> outcome = Get(kUrl, digest_);

  EXPECT_TRUE(absl::IsFailedPrecondition(outcome.status()));
  EXPECT_EQ(GetReason(outcome.status())->reason, "AUTH_NOT_SUPPORTED");
  EXPECT_EQ(MessageOf(outcome.status()), "https://example.org asks for: basic instead of Digest");
  EXPECT_THAT(Sent(), ElementsAre(""));
}

TEST_F(AuthenticatingClientTest, ChallengedUrlsAreAnsweredWhateverTheirDomain) {
  Script({Unauthorized({Challenge("n", ", domain=\"/elsewhere\"")}), Ok()});

  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_EQ(*Get("https://example.org/elsewhere/x", digest_), 200);
  EXPECT_EQ(*Get(kUrl, digest_), 200);

  EXPECT_THAT(Sent(), ElementsAre("", HasSubstr("\"n\""), HasSubstr("\"n\""), ""));
}

TEST_F(AuthenticatingClientTest, ASessionOfOneOriginIsNotForAnother) {
  Script({Unauthorized({Challenge("n")}), Ok()});

  EXPECT_EQ(*Get(kUrl, digest_), 200);
  EXPECT_EQ(*Get("https://other.org/", digest_), 200);
  EXPECT_EQ(*Get("http://example.org/", digest_), 200);

  EXPECT_THAT(Sent(), ElementsAre("", HasSubstr("\"n\""), "", ""));
}

TEST_F(AuthenticatingClientTest, AFailureOnTheWayIsAFailure) {
  FakeAnswer lost;
  lost.error = absl::UnavailableError("lost");
  Script({Unauthorized({Challenge("n")}), lost});

  EXPECT_TRUE(absl::IsUnavailable(Get(kUrl, digest_).status()));
}

}  // namespace
}  // namespace fetchd::http
