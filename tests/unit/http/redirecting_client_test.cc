#include "http/redirecting_client.h"

#include <gmock/gmock.h>

#include <deque>
#include <map>

#include "base/strings.h"
#include "fake_net.h"

namespace fetchd::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TextBody final : public Body {
 public:
  TextBody(std::string text, std::string& fate) : text_(std::move(text)), fate_(fate) {}
  ~TextBody() override {
    if (fate_.empty()) fate_ = "dropped";
  }
  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
    const std::size_t bytes = std::min(out.size(), text_.size());
    std::memcpy(out.data(), text_.data(), bytes);
    text_.erase(0, bytes);
    co_return bytes;
  }
  std::size_t Buffered() const override { return text_.size(); }
  Task<void> Discard() override {
    fate_ = "discarded";
    co_return;
  }

 private:
  std::string text_;
  std::string& fate_;
};

/// Answers by URL.
class FakeClient final : public Client {
 public:
  struct Page {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
  };
  Task<absl::StatusOr<Response>> Send(Request request, Call) override {
    const Page page = pages[request.url.ToString()];
    Response response{.url = request.url};
    response.head.status = page.status;
    for (const auto& [name, value] : page.headers) response.head.headers.Add(name, value);
    response.content_length = page.body.size();
    fates.emplace_back();
    response.body = std::make_unique<TextBody>(page.body, fates.back());
    requests.push_back(std::move(request));
    co_return response;
  }

  void Redirect(const std::string& from, const std::string& to, int status = 302) {
    pages[from] = {status, {{"Location", to}}, "moved"};
  }

  std::map<std::string, Page> pages;
  std::vector<Request> requests;
  std::deque<std::string> fates;
};

class RedirectingClientTest : public ShardTest {
 protected:
  absl::Status Get(const std::string& url, RedirectConfig config = {},
                   const std::string& method = "GET") {
    Request request(*Url::Parse(url));
    request.method = method;
    request.headers = {{"Authorization", "s"}, {"Cookie", "s"}, {"X-Key", "s"}, {"X-Open", "o"}};
    request.secret_headers = {"x-key"};
    request.tls_profile = "profile";
    request.credentials = BearerCredentials{Secret("t")};
    absl::Status status = absl::UnknownError("not finished");
    tasks_.Spawn("get", Send(std::move(request), config, status));
    Poll();
    return status;
  }
  std::vector<std::string> Visited() const {
    std::vector<std::string> urls;
    for (const Request& request : inner_.requests) urls.push_back(request.url.ToString());
    return urls;
  }
  std::vector<std::string> Profiles() const {
    std::vector<std::string> profiles;
    for (const Request& request : inner_.requests) profiles.push_back(request.tls_profile);
    return profiles;
  }
  static bool HasCredentials(const Request& request) {
    return !std::holds_alternative<std::monostate>(request.credentials);
  }
  static std::string ReasonOf(const absl::Status& status) {
    return GetReason(status).value_or(Reason{}).reason;
  }

  FakeClient inner_;
  int status_ = 0;

 private:
  Task<absl::Status> Send(Request request, RedirectConfig config, absl::Status& status) {
    absl::StatusOr<Response> response = co_await client_.Send(std::move(request), Call{}, config);
    status = response.status();
    if (response.ok()) status_ = response->head.status;
    co_return absl::OkStatus();
  }
  RedirectingClient client_{inner_, std::make_shared<egress::Subject>(*egress::Policy::Create({}))};
};

TEST_F(RedirectingClientTest, FollowsRelativeAndAbsoluteLocations) {
  inner_.Redirect("http://a.example.org/x/y", "../z?q", 301);
  inner_.Redirect("http://a.example.org/z?q", "//b.example.org/", 307);
  inner_.Redirect("http://b.example.org/", "https://c.example.org/#part", 303);

  EXPECT_EQ(Get("http://a.example.org/x/y"), absl::OkStatus());
  EXPECT_EQ(status_, 200);
  EXPECT_THAT(Visited(), ElementsAre("http://a.example.org/x/y", "http://a.example.org/z?q",
                                     "http://b.example.org/", "https://c.example.org/"));
}

TEST_F(RedirectingClientTest, MethodStaysWhateverTheStatus) {
  for (const std::string method : {"GET", "HEAD"}) {
    for (const int status : {301, 302, 303, 307, 308}) {
      inner_.Redirect("http://a.example.org/", "/next", status);
      inner_.requests.clear();

      EXPECT_EQ(Get("http://a.example.org/", {}, method), absl::OkStatus());
      ASSERT_EQ(inner_.requests.size(), 2U) << status;
      EXPECT_EQ(inner_.requests[1].method, method) << status;
    }
  }
}

TEST_F(RedirectingClientTest, SecretsAreDroppedForGoodWhenTheOriginChanges) {
  inner_.Redirect("http://a.example.org/", "/same");
  inner_.Redirect("http://a.example.org/same", "http://b.example.org/");
  inner_.Redirect("http://b.example.org/", "http://a.example.org/back");

  EXPECT_EQ(Get("http://a.example.org/"), absl::OkStatus());
  ASSERT_EQ(inner_.requests.size(), 4U);
  EXPECT_EQ(inner_.requests[1].headers.size(), 4U);
  EXPECT_TRUE(HasCredentials(inner_.requests[0]) && HasCredentials(inner_.requests[1]));
  for (const std::size_t hop : {2U, 3U}) {
    ASSERT_EQ(inner_.requests[hop].headers.size(), 1U);
    EXPECT_EQ(inner_.requests[hop].headers[0].name, "X-Open");
    EXPECT_FALSE(HasCredentials(inner_.requests[hop]));
  }
}

TEST_F(RedirectingClientTest, ClientCertificateIsShownToItsOwnOriginOnly) {
  inner_.Redirect("https://a.example.org/", "/same");
  inner_.Redirect("https://a.example.org/same", "https://b.example.org/");
  inner_.Redirect("https://b.example.org/", "https://a.example.org/back");

  EXPECT_EQ(Get("https://a.example.org/", {.identifying_profiles = {"other", "profile"}}),
            absl::OkStatus());
  EXPECT_THAT(Profiles(), ElementsAre("profile", "profile", "", ""));
}

TEST_F(RedirectingClientTest, TrustWithoutAClientCertificateFollowsTheRedirects) {
  inner_.Redirect("https://a.example.org/", "https://b.example.org/");

  EXPECT_EQ(Get("https://a.example.org/", {.identifying_profiles = {"other"}}), absl::OkStatus());
  EXPECT_THAT(Profiles(), ElementsAre("profile", "profile"));
}

TEST_F(RedirectingClientTest, ARequestSaysWhatLedToIt) {
  inner_.Redirect("https://example.org/", "https://b.example.org/");
  inner_.Redirect("https://b.example.org/", "http://c.example.org/");
  inner_.Redirect("http://c.example.org/", "https://d.example.org/");
  EXPECT_EQ(Get("https://example.org/", {.allow_downgrade = true}), absl::OkStatus());

  std::vector<std::pair<bool, bool>> seen;
  for (const Request& request : inner_.requests) {
    seen.emplace_back(request.redirected, request.downgraded);
  }
  EXPECT_THAT(seen, ElementsAre(std::pair(false, false), std::pair(true, false),
                                std::pair(true, true), std::pair(true, true)));
}

TEST_F(RedirectingClientTest, AnotherPortOrSubdomainIsAnotherOrigin) {
  inner_.Redirect("http://example.org/", "http://example.org:8080/");
  EXPECT_EQ(Get("http://example.org/"), absl::OkStatus());
  EXPECT_EQ(inner_.requests[1].headers.size(), 1U);
}

TEST_F(RedirectingClientTest, LoopAndLimitEnd) {
  inner_.Redirect("http://example.org/a", "/b");
  inner_.Redirect("http://example.org/b", "/a");
  EXPECT_EQ(ReasonOf(Get("http://example.org/a")), "REDIRECT_LOOP");

  for (int i = 0; i < 20; ++i) {
    inner_.Redirect(Concat("http://example.org/", i), Concat("/", i + 1));
  }
  inner_.requests.clear();
  EXPECT_EQ(ReasonOf(Get("http://example.org/0")), "REDIRECT_LIMIT");
  EXPECT_EQ(inner_.requests.size(), 11U);
}

TEST_F(RedirectingClientTest, DowngradeNeedsPermission) {
  inner_.Redirect("https://example.org/", "http://example.org/");
  EXPECT_EQ(ReasonOf(Get("https://example.org/")), "REDIRECT_DOWNGRADE");
  EXPECT_EQ(Get("https://example.org/", {.allow_downgrade = true}), absl::OkStatus());
}

TEST_F(RedirectingClientTest, ForbiddenTargetIsJudgedBeforeAnythingIsSent) {
  inner_.Redirect("http://example.org/", "http://169.254.169.254/latest");
  EXPECT_TRUE(absl::IsPermissionDenied(Get("http://example.org/")));
  EXPECT_EQ(inner_.requests.size(), 1U);

  inner_.requests.clear();
  EXPECT_TRUE(absl::IsPermissionDenied(Get("http://127.0.0.1/")));
  EXPECT_THAT(inner_.requests, IsEmpty());
}

TEST_F(RedirectingClientTest, LocationThatIsNoHttpUrlIsInvalid) {
  for (const char* location : {"ftp://example.org/", "http://a b/", "http://user@example.org/"}) {
    inner_.Redirect("http://example.org/", location);
    EXPECT_EQ(ReasonOf(Get("http://example.org/")), "REDIRECT_INVALID") << location;
  }
}

TEST_F(RedirectingClientTest, ReturnsWhatIsNotToBeFollowed) {
  for (const int status : {300, 304, 305}) {
    inner_.Redirect("http://example.org/", "/x", status);
    EXPECT_EQ(Get("http://example.org/"), absl::OkStatus());
    EXPECT_EQ(status_, status);
  }
  inner_.pages["http://example.org/"] = {302, {}, ""};
  EXPECT_EQ(Get("http://example.org/"), absl::OkStatus());
  EXPECT_EQ(status_, 302);
  inner_.Redirect("http://example.org/", "/x");
  EXPECT_EQ(Get("http://example.org/", {.max_redirects = 0}), absl::OkStatus());
  EXPECT_EQ(status_, 302);
}

TEST_F(RedirectingClientTest, BodiesOfRedirectsAreDiscarded) {
  inner_.Redirect("http://example.org/a", "/b");
  inner_.Redirect("http://example.org/b", "/c");
  EXPECT_EQ(Get("http://example.org/a"), absl::OkStatus());

  EXPECT_THAT(inner_.fates, ElementsAre("discarded", "discarded", "dropped"));
}

/// Keeps what it is told.
class ToldDecisions final : public egress::DecisionLog {
 public:
  void Note(const egress::Subject& subject, std::string_view url,
            const egress::Judgement& judgement) override {
    lines.push_back(subject.tenant + " " + std::string(url) + " " +
                    egress::VerdictName(judgement.verdict));
  }
  std::vector<std::string> lines;
};

Task<absl::Status> SendAs(Client& inner, egress::SubjectPtr subject, Request request,
                          absl::Status& status) {
  RedirectingClient client(inner, std::move(subject));
  status = (co_await client.Send(std::move(request), Call{}, {})).status();
  co_return absl::OkStatus();
}

TEST_F(RedirectingClientTest, EveryHopIsJudgedByThePolicyOfItsSubjectWhichIsToldOfIt) {
  egress::PolicyConfig config;
  config.own_deny = {"tenants.builds.egress.deny", {"b.example.org"}};
  auto subject = std::make_shared<egress::Subject>(*egress::Policy::Create(config));
  ToldDecisions told;
  subject->tenant = "builds";
  subject->decisions = &told;
  inner_.Redirect("http://a.example.org/?secret", "http://b.example.org/");
  absl::Status status;
  tasks_.Spawn(
      "get", SendAs(inner_, subject, Request(*Url::Parse("http://a.example.org/?secret")), status));
  Poll();

  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(told.lines, ElementsAre("builds http://a.example.org/?[redacted] ALLOWED",
                                      "builds http://b.example.org/ DENIED_BY_RULE"));
  ASSERT_EQ(inner_.requests.size(), 1U);
  EXPECT_EQ(inner_.requests[0].subject, subject);
}

}  // namespace
}  // namespace fetchd::http
