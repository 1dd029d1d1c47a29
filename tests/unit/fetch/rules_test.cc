// The pure rules: validators, specs, progress.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fetch/progress_meter.h"
#include "fetch/resume.h"
#include "fetch/shown.h"
#include "fetch/validate.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNov1994 =
    WallTime(std::chrono::sys_days(std::chrono::year{1994} / 11 / 6)) + 8h + 49min + 37s;

http::Headers Make(std::vector<std::pair<std::string, std::string>> fields) {
  http::Headers headers;
  for (const auto& [name, value] : fields) headers.Add(name, value);
  return headers;
}

TEST(ValidatorTest, OnlyStrongOnesCount) {
  EXPECT_EQ(ValidatorOf(Make({{"ETag", "\"a\""}})).etag, "\"a\"");
  EXPECT_TRUE(ValidatorOf(Make({{"ETag", "W/\"a\""}})).empty());
  EXPECT_TRUE(ValidatorOf(Make({{"ETag", "a"}})).empty());
  const std::string modified = "Sun, 06 Nov 1994 08:49:37 GMT";
  EXPECT_TRUE(ValidatorOf(Make({{"Last-Modified", modified}})).empty());
  EXPECT_TRUE(ValidatorOf(Make({{"Last-Modified", modified}, {"Date", modified}})).empty());
  EXPECT_EQ(
      ValidatorOf(Make({{"Last-Modified", modified}, {"Date", "Sun, 06 Nov 1994 08:50:37 GMT"}}))
          .if_range(),
      modified);
  EXPECT_TRUE(
      ValidatorOf(Make({{"Last-Modified", modified}, {"Date", "Sun, 06 Nov 1994 08:50:36 GMT"}}))
          .empty());
}

TEST(SourceTest, SamePlaceContinuesAndAnotherQueryOnlyWithAStrongEtag) {
  const auto url = [](const char* text) { return *Url::Parse(text); };
  const Source source = SourceOf(url("https://cdn.test/file?signature=1"));
  const Validator etag{"\"v1\"", ""};
  const Validator date{"", "Sun, 06 Nov 1994 08:49:37 GMT"};

  for (const Validator& validator : {etag, date}) {
    EXPECT_TRUE(Continues(url("https://cdn.test/file?signature=1"), source, validator));
    EXPECT_TRUE(Continues(url("https://elsewhere.test/"), Source(), validator));
    for (const char* other :
         {"http://cdn.test/file?signature=1", "https://cdn2.test/file?signature=1",
          "https://cdn.test:8443/file?signature=1", "https://cdn.test/other?signature=1"}) {
      EXPECT_FALSE(Continues(url(other), source, validator)) << other;
    }
  }
  EXPECT_TRUE(Continues(url("https://cdn.test/file?signature=2"), source, etag));
  EXPECT_FALSE(Continues(url("https://cdn.test/file?signature=2"), source, date));
  EXPECT_FALSE(Continues(url("https://cdn.test/file"), source, date));
  EXPECT_EQ(source.query.find("signature"), std::string::npos);
}

TEST(ShownTest, QueryThatARedirectAddedIsLeftOut) {
  const Url asked = *Url::Parse("https://a.test/file?version=2");
  EXPECT_EQ(ShownUrl(asked, asked), "https://a.test/file?version=2");
  EXPECT_EQ(ShownUrl(*Url::Parse("https://cdn.test/file?Signature=s3cret"), asked),
            "https://cdn.test/file?[redacted]");
  EXPECT_EQ(ShownUrl(*Url::Parse("https://a.test/file?token=s3cret"), asked),
            "https://a.test/file?[redacted]");
  EXPECT_EQ(ShownUrl(*Url::Parse("https://cdn.test/file"), asked), "https://cdn.test/file");
}

TEST(ShownTest, TheSignatureThatWasAskedWithIsLeftOut) {
  const Url asked = *Url::Parse("https://a.test/file?version=2&sig=s3cret");
  EXPECT_EQ(ShownUrl(asked, asked), "https://a.test/file?version=2&sig=[redacted]");
}

TEST(ShownTest, HeadersThatCarryCredentialsAreLeftOut) {
  const http::Headers headers = Make({{"ETag", "\"a\""},
                                      {"set-cookie", "s"},
                                      {"SET-COOKIE2", "s"},
                                      {"Authorization", "s"},
                                      {"Authentication-Info", "s"},
                                      {"Proxy-Authentication-Info", "s"},
                                      {"Proxy-Authenticate", "s"},
                                      {"X-Auth-Token", "s"},
                                      {"X-Subject-Token", "s"},
                                      {"X-Access-Token", "s"},
                                      {"X-Refresh-Token", "s"},
                                      {"X-CSRF-Token", "s"},
                                      {"X-XSRF-Token", "s"},
                                      {"X-Api-Key", "s"},
                                      {"x-amz-security-token", "s"},
                                      {"X-Amz-Id-2", "kept"}});

  EXPECT_THAT(ShownHeaders(headers), ::testing::ElementsAre(::testing::Pair("ETag", "\"a\""),
                                                            ::testing::Pair("X-Amz-Id-2", "kept")));
}

jobs::FetchSpec GoodSpec() {
  jobs::FetchSpec spec;
  spec.urls = {"https://example.org/"};
  return spec;
}

struct SpecCase {
  const char* name;
  std::function<void(jobs::FetchSpec&)> spoil;
  const char* field;
};
void PrintTo(const SpecCase& c, std::ostream* out) { *out << c.name; }

class ValidateSpecTest : public ::testing::TestWithParam<SpecCase> {};

TEST_P(ValidateSpecTest, NamesTheField) {
  jobs::FetchSpec spec = GoodSpec();
  ASSERT_TRUE(ValidateSpec(spec, {}).ok());
  GetParam().spoil(spec);

  const absl::Status status = ValidateSpec(spec, {});

  ASSERT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(GetField(status)->field, GetParam().field);
}

using jobs::FetchSpec;
INSTANTIATE_TEST_SUITE_P(
    All, ValidateSpecTest,
    ::testing::Values(
        SpecCase{"NoUrl", [](FetchSpec& s) { s.urls.clear(); }, "spec.urls"},
        SpecCase{"BadMirror", [](FetchSpec& s) { s.urls.push_back("ftp://x"); }, "spec.urls[1]"},
        SpecCase{"RedactedSignature",
                 [](FetchSpec& s) { s.urls.push_back("https://x/?sig=[redacted]"); },
                 "spec.urls[1]"},
        SpecCase{"NamedAndAuthorization",
                 [](FetchSpec& s) {
                   s.headers = {{"Authorization", Secret(), "name"}};
                   s.credentials = jobs::BearerCredentials();
                   s.credentials_secret = "name";
                 },
                 "spec.headers[0]"},
        SpecCase{"OwnedNamedHeader", [](FetchSpec& s) { s.headers = {{"Host", Secret(), "name"}}; },
                 "spec.headers[0]"},
        SpecCase{"OwnedHeader", [](FetchSpec& s) { s.headers = {{"Host", Secret("x")}}; },
                 "spec.headers[0]"},
        SpecCase{"InjectedHeader", [](FetchSpec& s) { s.headers = {{"X-A", Secret("x\r\nY: z")}}; },
                 "spec.headers[0]"},
        SpecCase{"TwoAuthorizations",
                 [](FetchSpec& s) {
                   s.headers = {{"authorization", Secret("x")}};
                   s.credentials = jobs::BearerCredentials{Secret("t")};
                 },
                 "spec.headers[0]"},
        SpecCase{"ColonInUser",
                 [](FetchSpec& s) { s.credentials = jobs::BasicCredentials{"a:b", Secret("p")}; },
                 "spec.credentials.basic.username"},
        SpecCase{"ColonInDigestUser",
                 [](FetchSpec& s) { s.credentials = jobs::DigestCredentials{"a:b", Secret("p")}; },
                 "spec.credentials.digest.username"},
        SpecCase{"ControlInDigestPassword",
                 [](FetchSpec& s) { s.credentials = jobs::DigestCredentials{"a", Secret("p\n")}; },
                 "spec.credentials.digest"},
        SpecCase{"DigestAndAuthorization",
                 [](FetchSpec& s) {
                   s.headers = {{"Authorization", Secret("x")}};
                   s.credentials = jobs::DigestCredentials{"a", Secret("p")};
                 },
                 "spec.headers[0]"},
        SpecCase{"EntityTagWithoutQuotes", [](FetchSpec& s) { s.if_none_match = {"\"a\"", "v1"}; },
                 "spec.if_none_match[1]"},
        SpecCase{"AnyEntityTag", [](FetchSpec& s) { s.if_none_match = {"*"}; },
                 "spec.if_none_match[0]"},
        SpecCase{"EntityTagsInOne", [](FetchSpec& s) { s.if_none_match = {"\"a\", \"b\""}; },
                 "spec.if_none_match[0]"},
        SpecCase{"InjectedEntityTag", [](FetchSpec& s) { s.if_none_match = {"\"a\r\nB: c\""}; },
                 "spec.if_none_match[0]"},
        SpecCase{"ManyEntityTags", [](FetchSpec& s) { s.if_none_match.assign(17, "\"a\""); },
                 "spec.if_none_match"},
        SpecCase{"RangeThatEndsBeforeItBegins", [](FetchSpec& s) { s.range = ByteRange{5, 4}; },
                 "spec.range.last"},
        SpecCase{"RangeBeyondAllBodies",
                 [](FetchSpec& s) { s.range = ByteRange{0, std::uint64_t{1} << 63}; },
                 "spec.range"},
        SpecCase{"RangeOfAHead",
                 [](FetchSpec& s) {
                   s.range = ByteRange{0, 4};
                   s.method = jobs::Method::kHead;
                 },
                 "spec.range"},
        SpecCase{"RangeOfADecodedBody",
                 [](FetchSpec& s) {
                   s.range = ByteRange{0, 4};
                   s.decode = true;
                 },
                 "spec.range"},
        SpecCase{"TwoDigests",
                 [](FetchSpec& s) { s.digests.assign(2, {DigestAlgorithm::kMd5, ""}); },
                 "spec.digests[0]"},
        SpecCase{"HeadWithSize",
                 [](FetchSpec& s) {
                   s.method = jobs::Method::kHead;
                   s.expected_size = 1;
                 },
                 "spec.method"},
        SpecCase{"TooSlow", [](FetchSpec& s) { s.max_bytes_per_sec = 1023; },
                 "spec.max_bytes_per_sec"},
        SpecCase{"NoBytes", [](FetchSpec& s) { s.max_bytes = 0; }, "spec.max_bytes"},
        SpecCase{"SizeOverLimit",
                 [](FetchSpec& s) {
                   s.max_bytes = 1;
                   s.expected_size = 2;
                 },
                 "spec.expected_size"},
        SpecCase{"ZeroProxyTimeout", [](FetchSpec& s) { s.timeouts.proxy = 0s; },
                 "spec.timeouts.proxy"},
        SpecCase{"NegativeTimeout", [](FetchSpec& s) { s.timeouts.connect = -1s; },
                 "spec.timeouts.connect"},
        SpecCase{"NoAttempts", [](FetchSpec& s) { s.retry.max_attempts = 0; },
                 "spec.retry_policy.max_attempts"},
        SpecCase{"NegativeRedirects", [](FetchSpec& s) { s.max_redirects = -1; },
                 "spec.max_redirects"}),
    [](const auto& info) { return info.param.name; });

TEST(ValidateSpecTest, EntityTagsMayBeWeakAndEmpty) {
  jobs::FetchSpec spec = GoodSpec();
  spec.if_none_match = {"\"\"", "W/\"a!\xc3\xa4\"", "\"v1\""};

  EXPECT_EQ(ValidateSpec(spec, {}), absl::OkStatus());
}

TEST(ValidateOffsetTest, ItLiesInWhatIsFetchedAsItIsSent) {
  jobs::FetchSpec spec = GoodSpec();
  EXPECT_EQ(ValidateOffset(spec, 1'000'000), absl::OkStatus());
  EXPECT_EQ(GetField(ValidateOffset(spec, ~std::uint64_t{0}))->field, "offset");
  spec.range = ByteRange{100, 199};
  EXPECT_EQ(ValidateOffset(spec, 99), absl::OkStatus());
  EXPECT_EQ(GetField(ValidateOffset(spec, 100))->field, "offset");
  spec.range.reset();
  spec.decode = true;
  EXPECT_EQ(ValidateOffset(spec, 0), absl::OkStatus());
  EXPECT_EQ(GetField(ValidateOffset(spec, 1))->field, "offset");
}

TEST(ValidateJobTest, LabelsPriorityAndDeadline) {
  jobs::Job job;
  job.spec = GoodSpec();
  job.deadline_at = kNov1994 + 1h;
  job.labels = {{"team/a.b_c-1", "Any text"}};
  EXPECT_TRUE(ValidateJob(job, {}, kNov1994).ok());

  EXPECT_EQ(GetField(ValidateJob(job, {}, kNov1994 + 1h))->field, "deadline");
  job.priority = 101;
  EXPECT_EQ(GetField(ValidateJob(job, {}, kNov1994))->field, "priority");
  job.labels = {{"Upper", ""}};
  EXPECT_EQ(GetField(ValidateJob(job, {}, kNov1994))->field, "labels");
}

TEST(ValidateJobTest, WhatIsKeptWithAnObject) {
  jobs::Job job;
  job.spec = GoodSpec();
  job.deadline_at = kNov1994 + 1h;
  const auto wrong_field = [&job](const jobs::ObjectSettings& object) {
    job.object = object;
    const absl::Status status = ValidateJob(job, {}, kNov1994);
    return status.ok() ? "" : GetField(status)->field;
  };
  std::map<std::string, std::string> eleven;
  for (int i = 0; i < 11; ++i) eleven[std::string(1, static_cast<char>('a' + i))] = "";

  EXPECT_EQ(
      wrong_field({.content_type = "text/plain", .metadata = {{"a", "b c"}}, .tags = {{"k", ""}}}),
      "");
  EXPECT_EQ(wrong_field({.content_type = "a\nb"}), "object.content_type");
  EXPECT_EQ(wrong_field({.content_disposition = std::string(1025, 'x')}),
            "object.content_disposition");
  EXPECT_EQ(wrong_field({.cache_control = "\x7f"}), "object.cache_control");
  EXPECT_EQ(wrong_field({.storage_class = std::string("a\0b", 3)}), "object.storage_class");
  EXPECT_EQ(wrong_field({.content_type = "caf\xc3\xa9"}), "object.content_type");
  EXPECT_EQ(wrong_field({.content_type = " text/plain"}), "object.content_type");
  EXPECT_EQ(wrong_field({.metadata = {{"a b", ""}}}), "object.metadata[a b]");
  EXPECT_EQ(wrong_field({.metadata = {{"", ""}}}), "object.metadata[]");
  EXPECT_EQ(wrong_field({.metadata = {{"A", ""}, {"a", ""}}}), "object.metadata[a]");
  EXPECT_EQ(wrong_field({.metadata = {{"a", "x\r\ny"}}}), "object.metadata[a]");
  EXPECT_EQ(
      wrong_field({.metadata = {{"a", std::string(1024, 'x')}, {"b", std::string(1023, 'x')}}}),
      "object.metadata");
  EXPECT_EQ(wrong_field({.tags = eleven}), "object.tags");
  EXPECT_EQ(wrong_field({.tags = {{"", "x"}}}), "object.tags[]");
  EXPECT_EQ(wrong_field({.tags = {{"k", std::string(257, 'x')}}}), "object.tags[k]");
}

TEST(ProgressMeterTest, RateIsSmoothedAndFades) {
  SteadyTime now(1h);
  ProgressMeter meter(now);
  meter.Begin(500, 10'500, now);
  for (int i = 0; i < 50; ++i) {
    now += 100ms;
    meter.Add(100, now);
  }

  const Progress progress = meter.Read(now);

  EXPECT_EQ(progress.received_bytes, 5'500u);
  EXPECT_NEAR(progress.rate_bytes_per_sec, 1000, 1);
  ASSERT_TRUE(progress.eta.has_value());
  EXPECT_NEAR(std::chrono::duration<double>(*progress.eta).count(), 5, 0.1);
  EXPECT_LT(meter.Read(now + 10s).rate_bytes_per_sec, 50);
}

}  // namespace
}  // namespace fetchd::fetch
