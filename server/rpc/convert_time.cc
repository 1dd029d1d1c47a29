#include "rpc/convert_time.h"

#include <chrono>
#include <cstdint>
#include <limits>

#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
/// Whole seconds that fit 63 bits of nanoseconds.
constexpr std::int64_t kMaxSeconds = std::numeric_limits<std::int64_t>::max() / kNanosPerSecond - 1;

bool AreNanos(std::int32_t nanos) { return nanos >= 0 && nanos < kNanosPerSecond; }

}  // namespace

absl::StatusOr<Duration> FromProto(const google::protobuf::Duration& duration,
                                   const std::string& field) {
  if (duration.seconds() < 0 || duration.nanos() < 0) {
    return InvalidField(field, "a duration must not be negative");
  }
  if (!AreNanos(duration.nanos()) || duration.seconds() > kMaxSeconds) {
    return InvalidField(field, "not a valid duration: nanos below 10^9, at most 292 years");
  }
  return Duration(duration.seconds() * kNanosPerSecond + duration.nanos());
}

absl::StatusOr<WallTime> FromProto(const google::protobuf::Timestamp& timestamp,
                                   const std::string& field) {
  if (!AreNanos(timestamp.nanos()) || timestamp.seconds() < 0 ||
      timestamp.seconds() > kMaxSeconds) {
    return InvalidField(field, "not a valid timestamp: between 1970 and 2262, nanos below 10^9");
  }
  return WallTime(Duration(timestamp.seconds() * kNanosPerSecond + timestamp.nanos()));
}

google::protobuf::Duration ToProto(Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(duration.count() / kNanosPerSecond);
  out.set_nanos(static_cast<std::int32_t>(duration.count() % kNanosPerSecond));
  return out;
}

google::protobuf::Timestamp ToProto(WallTime time) {
  const Duration since_epoch = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  google::protobuf::Timestamp out;
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<std::int32_t>((since_epoch - seconds).count()));
  return out;
}

}  // namespace fetchd::rpc
