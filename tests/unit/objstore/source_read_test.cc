// Objects as origins serve them.
#include "azure_fixture.h"
#include "s3_fixture.h"

namespace fetchd::objstore {
namespace {

using ::testing::HasSubstr;

const ObjectName kSource{"b", "k"};

http::Request Wanted(std::vector<http::Header> headers = {}, const char* method = "GET") {
  http::Request wanted(*Url::ParseSource("s3://b-1/k"));
  wanted.method = method;
  wanted.headers = std::move(headers);
  return wanted;
}

using S3SourceTest = S3StoreTest;
using AzureSourceTest = AzureStoreTest;

TEST_F(S3SourceTest, RangeAndConditionsAreAskedForAndNothingElse) {
  answers_ = {Say(206, "lo", {{"ETag", "\"e\""}, {"Content-Range", "bytes 3-4/5"}})};
  http::Request wanted = Wanted({{"Range", "bytes=3-"},
                                 {"If-None-Match", "\"x\""},
                                 {"If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"},
                                 {"Accept", "text/plain"},
                                 {"X-Api-Key", "hunter3"}});
  wanted.credentials = BearerCredentials{Secret("hunter4")};

  const auto response = Run(store().Fetch(kSource, std::move(wanted), {}));

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->head.status, 206);
  EXPECT_EQ(response->url.ToString(), "s3://b-1/k");
  EXPECT_FALSE(response->failure);
  EXPECT_EQ(Asked(0), "GET /b/k");
  EXPECT_EQ(client_.Header(0, "Range"), "bytes=3-");
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "\"x\"");
  EXPECT_EQ(client_.Header(0, "If-Modified-Since"), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(client_.Header(0, "Accept"), "");
  EXPECT_EQ(client_.Header(0, "X-Api-Key"), "");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(client_.requests()[0].credentials));
  EXPECT_THAT(client_.Header(0, "Authorization"), HasSubstr("Credential=AKID/"));
}

TEST_F(S3SourceTest, IfRangeIsAConditionAndWithoutItsTruthAllIsAskedFor) {
  answers_ = {SayError(412, "PreconditionFailed"), Say(200, "new", {{"ETag", "\"f\""}})};

  const auto response =
      Run(store().Fetch(kSource, Wanted({{"Range", "bytes=3-"}, {"If-Range", "\"e\""}}), {}));

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->head.status, 200);
  EXPECT_EQ(client_.Header(0, "If-Match"), "\"e\"");
  EXPECT_EQ(client_.Header(0, "If-Range"), "");
  EXPECT_EQ(client_.Header(1, "Range"), "");
  EXPECT_EQ(client_.Header(1, "If-Match"), "");
}

TEST_F(S3SourceTest, IfRangeOfADateIsOneToo) {
  answers_ = {Say(206, "lo")};
  const std::string date = "Thu, 01 Jan 1970 00:00:00 GMT";

  ASSERT_TRUE(
      Run(store().Fetch(kSource, Wanted({{"Range", "bytes=3-"}, {"If-Range", date}}), {})).ok());

  EXPECT_EQ(client_.Header(0, "If-Unmodified-Since"), date);
}

TEST_F(S3SourceTest, ARefusalHasTheStoresOwnWordsAndIsNotTriedAgain) {
  answers_ = {SayError(404, "NoSuchKey", "<RequestId>r-1</RequestId>")};

  const auto response = Run(store().Fetch(kSource, Wanted(), {}));

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->head.status, 404);
  ASSERT_TRUE(response->failure);
  EXPECT_TRUE(absl::IsNotFound(*response->failure));
  EXPECT_EQ(CodeOf(*response->failure), "NoSuchKey");
  EXPECT_THAT(MessageOf(*response->failure), HasSubstr("r-1"));
  EXPECT_EQ(response->content_length, 0U);
}

TEST_F(S3SourceTest, AStoreThatIsBusySaysForHowLong) {
  answers_ = {SayError(503, "SlowDown")};

  const auto response = Run(store().Fetch(kSource, Wanted(), {}));

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(absl::IsUnavailable(*response->failure));
  EXPECT_EQ(response->head.headers.Get("Retry-After"), "1");
  EXPECT_TRUE(cooldown_.Until(loop_.clock().Now()));
}

TEST_F(S3SourceTest, TheBucketsOwnRegionIsAskedAndNothingElseIsFollowed) {
  answers_ = {Say(307, "<Error><Code>TemporaryRedirect</Code></Error>",
                  {{"Location", "http://169.254.169.254/"}}),
              SayError(301, "PermanentRedirect"), Say(200, "here")};
  answers_[1].headers.emplace_back("x-amz-bucket-region", "eu-central-1");

  const auto redirected = Run(store().Fetch(kSource, Wanted(), {}));
  const auto moved = Run(store().Fetch(kSource, Wanted(), {}));

  ASSERT_TRUE(redirected.ok() && moved.ok());
  EXPECT_TRUE(redirected->failure);
  EXPECT_FALSE(redirected->head.headers.Has("Location"));
  EXPECT_EQ(moved->head.status, 200);
  EXPECT_THAT(client_.Header(2, "Authorization"), HasSubstr("/eu-central-1/s3/"));
}

TEST_F(S3SourceTest, HeadAsksForTheHeadAlone) {
  answers_ = {Say(200)};

  ASSERT_TRUE(Run(store().Fetch(kSource, Wanted({}, "HEAD"), {})).ok());

  EXPECT_EQ(Asked(0), "HEAD /b/k");
}

TEST_F(S3SourceTest, WithoutAnAnswerItIsSaidWhoWasAsked) {
  answers_ = {SayNothing(absl::DeadlineExceededError("first byte timeout")),
              SayNothing(absl::NotFoundError("no such host"))};

  const absl::Status late = Run(store().Fetch(kSource, Wanted(), {})).status();
  const absl::Status nameless = Run(store().Fetch(kSource, Wanted(), {})).status();

  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  // It is the host that was not found, and no object.
  EXPECT_TRUE(absl::IsUnavailable(nameless)) << nameless;
  for (const absl::Status& status : {late, nameless}) {
    EXPECT_THAT(MessageOf(status), HasSubstr("store \"backup\": GetObject of b/k"));
  }
}

TEST_F(AzureSourceTest, ABlobIsReadAlike) {
  answers_ = {Say(412), Say(200, "blob"), SayCode(404, "BlobNotFound")};

  const auto whole =
      Run(store().Fetch(blob_, Wanted({{"Range", "bytes=3-"}, {"If-Range", "\"e\""}}), {}));
  const auto missing = Run(store().Fetch(blob_, Wanted(), {}));

  ASSERT_TRUE(whole.ok() && missing.ok());
  EXPECT_EQ(whole->head.status, 200);
  EXPECT_EQ(client_.Header(0, "If-Match"), "\"e\"");
  EXPECT_THAT(client_.Header(1, "Authorization"), HasSubstr("SharedKey acct1:"));
  ASSERT_TRUE(missing->failure);
  EXPECT_EQ(CodeOf(*missing->failure), "BlobNotFound");
}

}  // namespace
}  // namespace fetchd::objstore
