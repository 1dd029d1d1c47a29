#include "cli/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace fetchd::cli {
namespace {

grpc::Status WithReason(grpc::StatusCode code, const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("fetchd");
  google::rpc::Status status;
  status.set_code(code);
  status.set_message("no");
  status.add_details()->PackFrom(info);
  return ToGrpc(status);
}

struct CodeCase {
  grpc::StatusCode code;
  ExitCode exit_code;
};

class ExitCodeTest : public ::testing::TestWithParam<CodeCase> {};

TEST_P(ExitCodeTest, FollowsTheTable) {
  EXPECT_EQ(ExitCodeOf(grpc::Status(GetParam().code, "")), GetParam().exit_code);
}

INSTANTIATE_TEST_SUITE_P(
    All, ExitCodeTest,
    ::testing::Values(CodeCase{grpc::StatusCode::OK, ExitCode::kDone},
                      CodeCase{grpc::StatusCode::INVALID_ARGUMENT, ExitCode::kUsage},
                      CodeCase{grpc::StatusCode::UNAVAILABLE, ExitCode::kUnreachable},
                      CodeCase{grpc::StatusCode::CANCELLED, ExitCode::kUnreachable},
                      CodeCase{grpc::StatusCode::NOT_FOUND, ExitCode::kNotFound},
                      CodeCase{grpc::StatusCode::PERMISSION_DENIED, ExitCode::kRefused},
                      CodeCase{grpc::StatusCode::UNAUTHENTICATED, ExitCode::kRefused},
                      CodeCase{grpc::StatusCode::DEADLINE_EXCEEDED, ExitCode::kTimeout},
                      CodeCase{grpc::StatusCode::DATA_LOSS, ExitCode::kFetchFailed},
                      CodeCase{grpc::StatusCode::FAILED_PRECONDITION, ExitCode::kFetchFailed},
                      CodeCase{grpc::StatusCode::RESOURCE_EXHAUSTED, ExitCode::kFetchFailed},
                      CodeCase{grpc::StatusCode::INTERNAL, ExitCode::kFetchFailed}));

TEST(ExitCodeTest, UnavailableOriginIsAFailedFetch) {
  const auto code = grpc::StatusCode::UNAVAILABLE;

  EXPECT_EQ(ExitCodeOf(WithReason(code, "CONNECT_FAILED")), ExitCode::kFetchFailed);
  EXPECT_EQ(ExitCodeOf(WithReason(code, "INTERRUPTED")), ExitCode::kUnreachable);
}

TEST(ExitCodesTest, ManyProblemsOfOneKindKeepTheirCode) {
  ExitCodes codes;
  EXPECT_EQ(codes.Combined(), ExitCode::kDone);

  codes.Add(ExitCode::kRefused);
  codes.Add(ExitCode::kDone);
  codes.Add(ExitCode::kRefused);
  EXPECT_EQ(codes.Combined(), ExitCode::kRefused);

  codes.Add(ExitCode::kNotFound);
  codes.Add(ExitCode::kRefused);
  EXPECT_EQ(codes.Combined(), ExitCode::kFetchFailed);
}

TEST(ExplainTest, ShowsFieldsReasonAndWhenToComeBack) {
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("spec.urls[0]");
  violation->set_description("not absolute");
  google::rpc::ErrorInfo info;
  info.set_reason("INVALID_URL");
  (*info.mutable_metadata())["rule"] = "url";
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  status.set_message("bad\x1bjob");
  status.add_details()->PackFrom(bad);
  status.add_details()->PackFrom(info);
  status.add_details()->PackFrom(retry);

  EXPECT_EQ(Explain(ToGrpc(status)),
            "bad?job\n  spec.urls[0]: not absolute\n  reason: INVALID_URL rule=url\n"
            "  retry after 2.0s");
}

}  // namespace
}  // namespace fetchd::cli
