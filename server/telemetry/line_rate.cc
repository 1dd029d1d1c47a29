#include "telemetry/line_rate.h"

#include <chrono>
#include <utility>

namespace fetchd::telemetry {

std::optional<std::uint64_t> LineRate::Take(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (now >= second_ + std::chrono::seconds(1)) {
    second_ = now;
    written_ = 0;
  }
  if (written_ >= most_a_second_) {
    ++left_out_;
    return std::nullopt;
  }
  ++written_;
  return std::exchange(left_out_, 0);
}

}  // namespace fetchd::telemetry
