#include "sink/part_plan.h"

namespace fetchd::sink {
namespace {

constexpr std::uint64_t kGrowEvery = 384;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::uint64_t DivideUp(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

}  // namespace

PartPlan PartPlan::For(std::uint64_t first_bytes, std::optional<std::uint64_t> total_bytes) {
  if (!total_bytes) return {first_bytes, true};
  const std::uint64_t needed = DivideUp(*total_bytes, kMaxParts);
  if (needed <= first_bytes) return {first_bytes, false};
  return {DivideUp(needed, kMiB) * kMiB, false};
}

std::uint64_t PartPlan::SizeOf(int number) const { return EndOf(number) - EndOf(number - 1); }

std::uint64_t PartPlan::EndOf(int number) const {
  const auto parts = static_cast<std::uint64_t>(number);
  if (!grows_) return parts * first_bytes_;
  const std::uint64_t steps = parts / kGrowEvery;
  const std::uint64_t whole_steps = kGrowEvery * (steps * (steps + 1) / 2);
  return first_bytes_ * (whole_steps + parts % kGrowEvery * (steps + 1));
}

int PartPlan::PartAt(std::uint64_t offset) const {
  if (!grows_) return static_cast<int>(offset / first_bytes_) + 1;
  int low = 1;
  int high = 1;
  while (EndOf(high) <= offset) high *= 2;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    (EndOf(middle) > offset ? high : low) = EndOf(middle) > offset ? middle : middle + 1;
  }
  return low;
}

}  // namespace fetchd::sink
