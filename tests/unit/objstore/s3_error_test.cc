#include "objstore/s3_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

using std::chrono_literals::operator""s;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = absl::StatusCode;

constexpr WallTime kErrorTime =
    WallTime(std::chrono::sys_days(std::chrono::year{2015} / 8 / 30)) + std::chrono::hours(12);
const StoreContext kPut{"backup", "PutObject", "b/k"};

Answer Make(int status, std::string_view code,
            std::vector<std::pair<std::string, std::string>> headers = {},
            std::string_view more = "") {
  Answer answer;
  answer.status = status;
  for (const auto& [name, value] : headers) answer.headers.Add(name, value);
  if (!code.empty()) {
    answer.body =
        Concat("<Error><Code>", code, "</Code><Message>Words.</Message>", more, "</Error>");
  }
  return answer;
}

struct Verdict {
  int http_status;
  const char* code;  ///< "" = no body, as for HEAD.
  Code expected;
  bool retryable;
};

class S3VerdictTest : public ::testing::TestWithParam<Verdict> {};

TEST_P(S3VerdictTest, IsWhatObjectStoreSays) {
  const StoreFailure failure =
      JudgeFailure(kPut, Make(GetParam().http_status, GetParam().code), kErrorTime);

  EXPECT_EQ(failure.status.code(), GetParam().expected) << failure.status;
  EXPECT_EQ(failure.retryable, GetParam().retryable);
  EXPECT_EQ(failure.code, GetParam().code);
  EXPECT_EQ(failure.http_status, GetParam().http_status);
}

INSTANTIATE_TEST_SUITE_P(
    All, S3VerdictTest,
    ::testing::Values(Verdict{404, "NoSuchBucket", Code::kNotFound, false},
                      Verdict{404, "NoSuchKey", Code::kNotFound, false},
                      Verdict{404, "NoSuchUpload", Code::kNotFound, false},
                      Verdict{404, "", Code::kNotFound, false},
                      Verdict{403, "AccessDenied", Code::kPermissionDenied, false},
                      Verdict{403, "SignatureDoesNotMatch", Code::kPermissionDenied, false},
                      Verdict{403, "InvalidAccessKeyId", Code::kPermissionDenied, false},
                      Verdict{400, "ExpiredToken", Code::kPermissionDenied, false},
                      Verdict{403, "", Code::kPermissionDenied, false},
                      Verdict{401, "", Code::kPermissionDenied, false},
                      Verdict{412, "PreconditionFailed", Code::kAlreadyExists, false},
                      Verdict{412, "", Code::kAlreadyExists, false},
                      Verdict{412, "InvalidRequest", Code::kAlreadyExists, false},
                      Verdict{409, "ConditionalRequestConflict", Code::kUnavailable, true},
                      Verdict{409, "OperationAborted", Code::kUnavailable, true},
                      Verdict{409, "", Code::kUnavailable, true},
                      Verdict{403, "RequestTimeTooSkewed", Code::kFailedPrecondition, false},
                      Verdict{301, "PermanentRedirect", Code::kFailedPrecondition, false},
                      Verdict{307, "", Code::kFailedPrecondition, false},
                      Verdict{403, "QuotaExceeded", Code::kResourceExhausted, false},
                      Verdict{507, "", Code::kResourceExhausted, false},
                      Verdict{400, "BadDigest", Code::kDataLoss, true},
                      Verdict{400, "XAmzContentSHA256Mismatch", Code::kDataLoss, true},
                      Verdict{400, "RequestTimeout", Code::kUnavailable, true},
                      Verdict{400, "IncompleteBody", Code::kUnavailable, true},
                      Verdict{503, "SlowDown", Code::kUnavailable, true},
                      Verdict{500, "InternalError", Code::kUnavailable, true},
                      Verdict{200, "InternalError", Code::kUnavailable, true},
                      Verdict{429, "", Code::kUnavailable, true},
                      Verdict{505, "", Code::kUnavailable, true},
                      Verdict{501, "NotImplemented", Code::kUnimplemented, false},
                      Verdict{416, "InvalidRange", Code::kOutOfRange, false},
                      Verdict{413, "", Code::kInvalidArgument, false},
                      Verdict{400, "InvalidPart", Code::kUnavailable, false},
                      Verdict{400, "EntityTooSmall", Code::kInvalidArgument, false}));

TEST(S3ErrorTest, CarriesTheStoresCodeMessageAndIds) {
  const StoreFailure failure = JudgeFailure(
      kPut, Make(403, "AccessDenied", {{"x-amz-request-id", "R1"}, {"x-amz-id-2", "H/2="}}),
      kErrorTime);

  EXPECT_EQ(MessageOf(failure.status),
            "store \"backup\": PutObject of b/k: AccessDenied: Words. (HTTP 403, request id R1, "
            "host id H/2=)");
  const auto reason = GetReason(failure.status);
  ASSERT_TRUE(reason);
  EXPECT_EQ(reason->reason, "OBJECT_STORE");
  EXPECT_EQ(reason->metadata,
            (std::vector<std::pair<std::string, std::string>>{{"code", "AccessDenied"},
                                                              {"http_status", "403"},
                                                              {"request_id", "R1"},
                                                              {"store", "backup"}}));
}

TEST(S3ErrorTest, AStoreThatOnlyHasCodesIsQuotedSo) {
  Answer answer = Make(403, "");
  answer.body = "<Error><Code>AccessDenied</Code><Message></Message></Error>";

  EXPECT_EQ(MessageOf(JudgeFailure(kPut, answer, kErrorTime).status),
            "store \"backup\": PutObject of b/k: AccessDenied (HTTP 403)");
}

TEST(S3ErrorTest, WithoutABodyTheHeadSaysAll) {
  const StoreFailure failure =
      JudgeFailure(kPut, Make(404, "", {{"x-amz-request-id", "R1"}}), kErrorTime);

  EXPECT_EQ(MessageOf(failure.status),
            "store \"backup\": PutObject of b/k: HTTP 404, request id R1");
}

TEST(S3ErrorTest, WhatAStoreSaysStaysInItsLine) {
  Answer answer = Make(400, "");
  answer.body = Concat("<Error><Code>Bad Code</Code><Message>a&#10;b", std::string(1000, 'x'),
                       "</Message></Error>");

  const StoreFailure failure = JudgeFailure(kPut, answer, kErrorTime);

  EXPECT_EQ(failure.code, "");
  EXPECT_THAT(MessageOf(failure.status), Not(HasSubstr("\n")));
  EXPECT_LT(MessageOf(failure.status).size(), 500U);
}

TEST(S3ErrorTest, OurClockIsNamedByItsDifference) {
  const Answer by_body =
      Make(403, "RequestTimeTooSkewed", {}, "<ServerTime>2015-08-30T13:02:03Z</ServerTime>");
  const Answer by_head =
      Make(403, "RequestTimeTooSkewed", {{"Date", "Sun, 30 Aug 2015 11:59:00 GMT"}});

  EXPECT_THAT(MessageOf(JudgeFailure(kPut, by_body, kErrorTime).status),
              HasSubstr("our clock is 1 h 2 min 3 s behind that of the store: set this machine's "
                        "clock right (NTP)"));
  EXPECT_THAT(MessageOf(JudgeFailure(kPut, by_head, kErrorTime).status),
              HasSubstr("our clock is 1 min 0 s ahead of that of the store"));
  EXPECT_THAT(MessageOf(JudgeFailure(kPut, Make(403, "RequestTimeTooSkewed"), kErrorTime).status),
              HasSubstr("clock right"));
}

TEST(S3ErrorTest, TheRightRegionIsTakenFromWhereItIsSaid) {
  const auto region = [](const Answer& answer) {
    return JudgeFailure(kPut, answer, kErrorTime).region;
  };
  EXPECT_EQ(region(Make(301, "", {{"x-amz-bucket-region", "eu-west-1"}})), "eu-west-1");
  EXPECT_EQ(region(Make(400, "AuthorizationHeaderMalformed", {}, "<Region>ap-1</Region>")), "ap-1");
  EXPECT_EQ(region(Make(301, "PermanentRedirect", {},
                        "<Endpoint>b.c.s3.eu-west-1.amazonaws.com</Endpoint>")),
            "eu-west-1");
  EXPECT_EQ(region(Make(307, "TemporaryRedirect", {},
                        "<Endpoint>b.s3-us-west-2.amazonaws.com</Endpoint>")),
            "us-west-2");
  EXPECT_EQ(region(Make(301, "", {{"x-amz-bucket-region", "evil.example/x"}})), "");
  EXPECT_EQ(region(Make(301, "PermanentRedirect", {}, "<Endpoint>evil.example</Endpoint>")), "");
  EXPECT_EQ(region(Make(403, "AccessDenied", {{"x-amz-bucket-region", "eu-west-1"}})), "");
}

TEST(S3ErrorTest, RedirectsNameWhereTheBucketIs) {
  EXPECT_THAT(MessageOf(JudgeFailure(kPut, Make(301, "", {{"x-amz-bucket-region", "eu-west-1"}}),
                                     kErrorTime)
                            .status),
              HasSubstr("the bucket is in region eu-west-1"));
  EXPECT_THAT(
      MessageOf(JudgeFailure(
                    kPut, Make(301, "PermanentRedirect", {}, "<Endpoint>other.example</Endpoint>"),
                    kErrorTime)
                    .status),
      HasSubstr("its endpoint is other.example"));
}

TEST(S3ErrorTest, AStoreThatIsBusyCoolsDown) {
  const auto cool_down = [](const Answer& answer) {
    return JudgeFailure(kPut, answer, kErrorTime).cool_down;
  };
  EXPECT_EQ(cool_down(Make(503, "SlowDown", {{"Retry-After", "7"}})), 7s);
  EXPECT_EQ(cool_down(Make(503, "SlowDown")), 1s);
  EXPECT_EQ(cool_down(Make(503, "", {{"Retry-After", "Sun, 30 Aug 2015 12:00:05 GMT"}})), 5s);
  EXPECT_EQ(cool_down(Make(429, "", {{"Retry-After", "3"}})), 3s);
  EXPECT_EQ(cool_down(Make(200, "SlowDown")), 1s);
  EXPECT_EQ(cool_down(Make(503, "ServiceUnavailable")), std::nullopt);
  EXPECT_EQ(cool_down(Make(500, "InternalError", {{"Retry-After", "3"}})), std::nullopt);
}

TEST(S3ErrorTest, ExpiredCredentialsAreMarked) {
  EXPECT_TRUE(JudgeFailure(kPut, Make(400, "ExpiredToken"), kErrorTime).credentials_expired);
  EXPECT_FALSE(JudgeFailure(kPut, Make(403, "AccessDenied"), kErrorTime).credentials_expired);
}

}  // namespace
}  // namespace fetchd::objstore
