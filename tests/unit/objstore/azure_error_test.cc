#include "objstore/azure_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

using std::chrono_literals::operator""s;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = absl::StatusCode;

constexpr WallTime kAzureNow =
    WallTime(std::chrono::sys_days(std::chrono::year{2015} / 8 / 30)) + std::chrono::hours(12);
const StoreContext kPutBlob{"backup", "Put Blob", "con/k"};

Answer MakeAzure(int status, std::string_view code,
                 std::vector<std::pair<std::string, std::string>> headers = {}) {
  Answer answer;
  answer.status = status;
  for (const auto& [name, value] : headers) answer.headers.Add(name, value);
  if (!code.empty()) {
    answer.body =
        Concat("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>", code,
               "</Code><Message>Words.\nRequestId:R1\nTime:2015</Message>"
               "<AuthenticationErrorDetail>sig hunter2</AuthenticationErrorDetail>"
               "</Error>");
  }
  return answer;
}

StoreFailure JudgeAsKey(const Answer& answer) {
  return JudgeAzureFailure(kPutBlob, answer, kAzureNow, true);
}

struct AzureVerdict {
  int http_status;
  const char* code;  ///< "" = no body.
  Code expected;
  bool retryable;
};

class AzureVerdictTest : public ::testing::TestWithParam<AzureVerdict> {};

TEST_P(AzureVerdictTest, IsWhatObjectStoreSays) {
  const StoreFailure failure = JudgeAsKey(MakeAzure(GetParam().http_status, GetParam().code));

  EXPECT_EQ(failure.status.code(), GetParam().expected) << failure.status;
  EXPECT_EQ(failure.retryable, GetParam().retryable);
  EXPECT_EQ(failure.code, GetParam().code);
  EXPECT_EQ(failure.http_status, GetParam().http_status);
}

INSTANTIATE_TEST_SUITE_P(
    All, AzureVerdictTest,
    ::testing::Values(
        AzureVerdict{404, "BlobNotFound", Code::kNotFound, false},
        AzureVerdict{404, "ContainerNotFound", Code::kNotFound, false},
        AzureVerdict{404, "", Code::kNotFound, false},
        AzureVerdict{400, "InvalidBlockList", Code::kNotFound, false},
        AzureVerdict{403, "AuthenticationFailed", Code::kPermissionDenied, false},
        AzureVerdict{403, "AuthorizationFailure", Code::kPermissionDenied, false},
        AzureVerdict{403, "AuthorizationPermissionMismatch", Code::kPermissionDenied, false},
        AzureVerdict{403, "AccountIsDisabled", Code::kPermissionDenied, false},
        AzureVerdict{403, "UnauthorizedBlobOverwrite", Code::kPermissionDenied, false},
        AzureVerdict{409, "PublicAccessNotPermitted", Code::kPermissionDenied, false},
        AzureVerdict{400, "InvalidAuthenticationInfo", Code::kPermissionDenied, false},
        AzureVerdict{401, "NoAuthenticationInformation", Code::kPermissionDenied, false},
        AzureVerdict{409, "ContainerDisabled", Code::kPermissionDenied, false},
        AzureVerdict{409, "BlobAlreadyExists", Code::kAlreadyExists, false},
        AzureVerdict{412, "ConditionNotMet", Code::kAlreadyExists, false},
        AzureVerdict{412, "LeaseIdMissing", Code::kFailedPrecondition, false},
        AzureVerdict{409, "InvalidBlobType", Code::kFailedPrecondition, false},
        AzureVerdict{409, "BlobImmutableDueToPolicy", Code::kFailedPrecondition, false},
        AzureVerdict{409, "BlobArchived", Code::kFailedPrecondition, false},
        AzureVerdict{409, "SnapshotsPresent", Code::kFailedPrecondition, false},
        AzureVerdict{400, "InvalidBlobOrBlock", Code::kFailedPrecondition, false},
        AzureVerdict{409, "BlockCountExceedsLimit", Code::kResourceExhausted, false},
        AzureVerdict{400, "Md5Mismatch", Code::kDataLoss, true},
        AzureVerdict{503, "ServerBusy", Code::kUnavailable, true},
        AzureVerdict{500, "OperationTimedOut", Code::kUnavailable, true},
        AzureVerdict{500, "InternalError", Code::kUnavailable, true},
        AzureVerdict{409, "ContainerBeingDeleted", Code::kUnavailable, true},
        AzureVerdict{502, "", Code::kUnavailable, true},
        AzureVerdict{416, "InvalidRange", Code::kOutOfRange, false},
        AzureVerdict{413, "RequestBodyTooLarge", Code::kInvalidArgument, false},
        AzureVerdict{400, "InvalidHeaderValue", Code::kInvalidArgument, false}));

TEST(AzureErrorTest, CarriesTheServicesCodeMessageAndId) {
  const StoreFailure failure =
      JudgeAsKey(MakeAzure(404, "ContainerNotFound", {{"x-ms-request-id", "R1"}}));

  EXPECT_EQ(MessageOf(failure.status),
            "store \"backup\": Put Blob of con/k: ContainerNotFound: Words. (HTTP 404, request id "
            "R1)");
  const auto reason = GetReason(failure.status);
  ASSERT_TRUE(reason);
  EXPECT_EQ(reason->reason, "OBJECT_STORE");
  EXPECT_EQ(reason->metadata,
            (std::vector<std::pair<std::string, std::string>>{{"code", "ContainerNotFound"},
                                                              {"http_status", "404"},
                                                              {"request_id", "R1"},
                                                              {"store", "backup"}}));
}

TEST(AzureErrorTest, WithoutABodyTheHeadHasTheCode) {
  const StoreFailure failure = JudgeAsKey(
      MakeAzure(404, "", {{"x-ms-error-code", "BlobNotFound"}, {"x-ms-request-id", "R1"}}));

  EXPECT_EQ(failure.code, "BlobNotFound");
  EXPECT_EQ(MessageOf(failure.status),
            "store \"backup\": Put Blob of con/k: BlobNotFound (HTTP 404, request id R1)");
}

TEST(AzureErrorTest, ASignatureInTheDetailIsNotRepeated) {
  EXPECT_THAT(MessageOf(JudgeAsKey(MakeAzure(403, "AuthenticationFailed")).status),
              Not(HasSubstr("hunter2")));
}

TEST(AzureErrorTest, OurClockIsNamedByItsDifference) {
  const auto judge = [](const char* date, bool by_key) {
    return JudgeAzureFailure(kPutBlob, MakeAzure(403, "AuthenticationFailed", {{"Date", date}}),
                             kAzureNow, by_key)
        .status;
  };
  const absl::Status behind = judge("Sun, 30 Aug 2015 12:16:00 GMT", true);
  const absl::Status near = judge("Sun, 30 Aug 2015 11:46:00 GMT", true);
  const absl::Status by_token = judge("Sun, 30 Aug 2015 12:16:00 GMT", false);

  EXPECT_TRUE(absl::IsFailedPrecondition(behind)) << behind;
  EXPECT_THAT(MessageOf(behind), HasSubstr("our clock is 16 min 0 s behind that of the store: set "
                                           "this machine's clock right (NTP)"));
  EXPECT_TRUE(absl::IsPermissionDenied(near)) << near;
  EXPECT_THAT(MessageOf(near), HasSubstr("is the account's key the right one?"));
  EXPECT_TRUE(absl::IsPermissionDenied(by_token)) << by_token;
  EXPECT_THAT(MessageOf(by_token), HasSubstr("has it not expired?"));
}

TEST(AzureErrorTest, WhatCanBeDoneIsSaid) {
  const Answer lacking = MakeAzure(403, "AuthorizationPermissionMismatch");

  EXPECT_THAT(MessageOf(JudgeAzureFailure(kPutBlob, lacking, kAzureNow, false).status),
              HasSubstr("the permissions r, c and w"));
  EXPECT_THAT(MessageOf(JudgeAsKey(MakeAzure(400, "InvalidBlobOrBlock")).status),
              HasSubstr("ids of another length"));
}

TEST(AzureErrorTest, AServiceThatIsBusyCoolsDown) {
  const auto cool_down = [](const Answer& answer) { return JudgeAsKey(answer).cool_down; };

  EXPECT_EQ(cool_down(MakeAzure(503, "ServerBusy", {{"Retry-After", "7"}})), 7s);
  EXPECT_EQ(cool_down(MakeAzure(503, "ServerBusy")), 1s);
  EXPECT_EQ(cool_down(MakeAzure(429, "", {{"Retry-After", "3"}})), 3s);
  EXPECT_EQ(cool_down(MakeAzure(500, "OperationTimedOut", {{"Retry-After", "3"}})), std::nullopt);
}

}  // namespace
}  // namespace fetchd::objstore
