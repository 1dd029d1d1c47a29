#include "base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using namespace std::chrono_literals;

TEST(StatusTest, ReasonComesBackAsItWentIn) {
  const absl::Status status = WithReason(
      absl::PermissionDeniedError("no"),
      {"TARGET_NOT_ALLOWED", {{"host", "3:a:"}, {"empty", ""}, {"nul", std::string(1, '\0')}}});

  const auto reason = GetReason(status);

  ASSERT_TRUE(reason);
  EXPECT_EQ(reason->reason, "TARGET_NOT_ALLOWED");
  EXPECT_THAT(reason->metadata, ElementsAre(Pair("host", "3:a:"), Pair("empty", ""),
                                            Pair("nul", std::string(1, '\0'))));
}

TEST(StatusTest, DetailsAreIndependent) {
  absl::Status status = absl::InvalidArgumentError("bad");
  EXPECT_FALSE(GetReason(status));
  EXPECT_FALSE(GetField(status));
  EXPECT_FALSE(GetQuota(status));
  EXPECT_FALSE(GetRetryAfter(status));

  status = WithRetryAfter(WithField(WithReason(status, {"R", {}}), {"spec.urls[0]", "bad port"}),
                          1500ms);
  status = WithQuota(status, {"tenant:a", "100 jobs"});

  EXPECT_EQ(GetReason(status)->reason, "R");
  EXPECT_EQ(GetField(status)->field, "spec.urls[0]");
  EXPECT_EQ(GetField(status)->description, "bad port");
  EXPECT_EQ(GetQuota(status)->subject, "tenant:a");
  EXPECT_EQ(GetQuota(status)->description, "100 jobs");
  EXPECT_EQ(GetRetryAfter(status), 1500ms);
}

TEST(StatusTest, LaterDetailReplacesEarlier) {
  const absl::Status status =
      WithReason(WithReason(absl::UnavailableError("x"), {"FIRST", {}}), {"SECOND", {}});
  EXPECT_EQ(GetReason(status)->reason, "SECOND");
}

TEST(StatusTest, PrefixKeepsCodeAndDetails) {
  const absl::Status status =
      WithPrefix(WithReason(absl::UnavailableError("refused"), {"R", {{"a", "b"}}}), "connect");

  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(MessageOf(status), "connect: refused");
  EXPECT_THAT(GetReason(status)->metadata, ElementsAre(Pair("a", "b")));
}

TEST(StatusTest, OkStaysOk) {
  EXPECT_EQ(WithReason(absl::OkStatus(), {"R", {}}), absl::OkStatus());
  EXPECT_EQ(WithField(absl::OkStatus(), {"f", "d"}), absl::OkStatus());
  EXPECT_EQ(WithRetryAfter(absl::OkStatus(), 1s), absl::OkStatus());
  EXPECT_EQ(WithPrefix(absl::OkStatus(), "p"), absl::OkStatus());
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  RETURN_IF_ERROR(absl::OkStatus());
  return quarter;
}

TEST(StatusTest, MacrosReturnTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(MessageOf(Quarter(6).status()), "odd");
}

}  // namespace
}  // namespace fetchd
