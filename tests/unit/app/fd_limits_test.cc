#include "app/fd_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/status.h"

namespace fetchd::app {
namespace {

using ::testing::HasSubstr;

TEST(FileLimitTest, IsRaisedToTheHardOne) {
  const std::uint64_t raised = RaiseFileLimit().value();

  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
  EXPECT_EQ(raised, limit.rlim_cur);
}

TEST(FileLimitTest, CapsThatFitAreAccepted) {
  EXPECT_TRUE(CheckFileLimit(1024, {256}, 256).ok());
  EXPECT_TRUE(CheckFileLimit(1'000'000, {10'000, 16}, 10'000).ok());
}

TEST(FileLimitTest, CapsThatDoNotFitAreRefusedWithTheNumbers) {
  const absl::Status status = CheckFileLimit(1024, {600}, 256);

  ASSERT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("600 is more than 256"));
  EXPECT_THAT(MessageOf(status), HasSubstr("limit of 1024"));
  EXPECT_THAT(MessageOf(status), HasSubstr("128 of the process"));
  EXPECT_THAT(MessageOf(status), HasSubstr("64 for connects"));
  EXPECT_THAT(MessageOf(status), HasSubstr("512 for the files of 256 transfers"));
  EXPECT_FALSE(CheckFileLimit(100, {1}, 1).ok());
}

TEST(FileLimitTest, ConnectionsToStoresCountToo) {
  EXPECT_TRUE(CheckFileLimit(1024, {252, 4}, 256).ok());

  EXPECT_THAT(MessageOf(CheckFileLimit(1024, {253, 4}, 256)),
              HasSubstr("limits.connections: 253 and 4 for stores (their parts_in_flight) are more "
                        "than 256"));
}

TEST(CallerConnectionsTest, AreWhatTheOthersLeaveAndNeverNone) {
  // 1024 less 192 of the process, 512 for files of transfers and 256 connections, and a few more.
  EXPECT_EQ(CallerConnectionsFor(1000, 1024, {256, 0}, 256), 64U + 32U);
  EXPECT_EQ(CallerConnectionsFor(1000, 20'000, {256, 64}, 256), 1000U);
  EXPECT_EQ(CallerConnectionsFor(1000, 700, {256, 0}, 256), 32U);
}

}  // namespace
}  // namespace fetchd::app
