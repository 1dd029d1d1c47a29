#include "rpc/convert_time.h"

#include <gtest/gtest.h>

#include <chrono>

namespace fetchd::rpc {
namespace {

using namespace std::chrono_literals;

google::protobuf::Duration ProtoDuration(std::int64_t seconds, std::int32_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  return duration;
}

google::protobuf::Timestamp ProtoTimestamp(std::int64_t seconds, std::int32_t nanos) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(nanos);
  return timestamp;
}

TEST(ConvertTimeTest, DurationsComeBackAsTheyWere) {
  for (const Duration duration : {Duration(0ns), Duration(1ns), Duration(1'500ms), Duration(24h)}) {
    EXPECT_EQ(FromProto(ToProto(duration), "f").value(), duration);
  }
}

TEST(ConvertTimeTest, TimestampsComeBackAsTheyWere) {
  const WallTime time{Duration(1'700'000'000'123'456'789)};

  EXPECT_EQ(ToProto(time).seconds(), 1'700'000'000);
  EXPECT_EQ(ToProto(time).nanos(), 123'456'789);
  EXPECT_EQ(FromProto(ToProto(time), "f").value(), time);
}

TEST(ConvertTimeTest, RefusesMalformedDurationsByField) {
  for (const auto& bad :
       {ProtoDuration(-1, 0), ProtoDuration(0, -1), ProtoDuration(0, 1'000'000'000),
        ProtoDuration(9'223'372'037, 0), ProtoDuration(INT64_MAX, 0)}) {
    const auto result = FromProto(bad, "spec.timeouts.dns");
    ASSERT_TRUE(absl::IsInvalidArgument(result.status())) << bad.DebugString();
    EXPECT_EQ(GetField(result.status())->field, "spec.timeouts.dns");
  }
}

TEST(ConvertTimeTest, RefusesTimestampsThatDoNotFit) {
  for (const auto& bad : {ProtoTimestamp(-1, 0), ProtoTimestamp(0, -1),
                          ProtoTimestamp(0, 1'000'000'000), ProtoTimestamp(253'402'300'799, 0)}) {
    EXPECT_TRUE(absl::IsInvalidArgument(FromProto(bad, "deadline").status())) << bad.DebugString();
  }
}

}  // namespace
}  // namespace fetchd::rpc
