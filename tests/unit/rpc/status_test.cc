#include "rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "google/rpc/error_details.pb.h"

namespace fetchd::rpc {
namespace {

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename Detail>
Detail Unpack(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  ADD_FAILURE() << "no such detail";
  return detail;
}

class StatusCodeTest : public ::testing::TestWithParam<int> {};

TEST_P(StatusCodeTest, IsKept) {
  const absl::Status status(static_cast<absl::StatusCode>(GetParam()), "text");

  const grpc::Status mapped = ToGrpcStatus(status);

  EXPECT_EQ(static_cast<int>(mapped.error_code()), GetParam());
  EXPECT_EQ(mapped.error_message(), "text");
  EXPECT_EQ(ToProtoStatus(status).code(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All, StatusCodeTest, ::testing::Range(1, 17));

TEST(StatusTest, OkHasNoDetails) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).error_details().empty());
}

TEST(StatusTest, ReasonBecomesErrorInfo) {
  const absl::Status status = WithReason(absl::PermissionDeniedError("no"),
                                         Reason{"TARGET_NOT_ALLOWED", {{"rule", "127.0.0.0/8"}}});

  const auto info = Unpack<google::rpc::ErrorInfo>(DetailsOf(ToGrpcStatus(status)));

  EXPECT_EQ(info.reason(), "TARGET_NOT_ALLOWED");
  EXPECT_EQ(info.domain(), "fetchd");
  EXPECT_EQ(info.metadata().at("rule"), "127.0.0.0/8");
}

TEST(StatusTest, FieldBecomesBadRequest) {
  const google::rpc::Status details = DetailsOf(ToGrpcStatus(InvalidField("spec.urls[0]", "bad")));

  const auto request = Unpack<google::rpc::BadRequest>(details);
  ASSERT_EQ(request.field_violations_size(), 1);
  EXPECT_EQ(request.field_violations(0).field(), "spec.urls[0]");
  EXPECT_EQ(request.field_violations(0).description(), "bad");
}

TEST(StatusTest, QuotaBecomesQuotaFailure) {
  const absl::Status status =
      WithQuota(absl::ResourceExhaustedError("full"), {"tenant:a", "it has 7 jobs"});

  const auto failure = Unpack<google::rpc::QuotaFailure>(DetailsOf(ToGrpcStatus(status)));

  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).subject(), "tenant:a");
  EXPECT_EQ(failure.violations(0).description(), "it has 7 jobs");
}

TEST(StatusTest, RetryAfterBecomesRetryInfo) {
  const absl::Status status =
      WithRetryAfter(absl::UnavailableError("later"), std::chrono::milliseconds(2'500));

  const auto retry = Unpack<google::rpc::RetryInfo>(DetailsOf(ToGrpcStatus(status)));

  EXPECT_EQ(retry.retry_delay().seconds(), 2);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(StatusTest, DrainingSaysWhenToComeBack) {
  const google::rpc::Status details = DetailsOf(ToGrpcStatus(DrainingError()));

  EXPECT_EQ(details.code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_GT(Unpack<google::rpc::RetryInfo>(details).retry_delay().seconds(), 0);
}

TEST(StatusTest, UnderFieldPrefixesTheViolationOnly) {
  const absl::Status status = UnderField(InvalidField("spec.digests[0]", "bad"), "job");

  EXPECT_EQ(GetField(status)->field, "job.spec.digests[0]");
  EXPECT_FALSE(GetField(UnderField(absl::NotFoundError("x"), "job")).has_value());
}

}  // namespace
}  // namespace fetchd::rpc
