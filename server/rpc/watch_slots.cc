#include "rpc/watch_slots.h"

#include <chrono>

#include "base/strings.h"

namespace fetchd::rpc {
namespace {

constexpr auto kComeBack = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<Permit> WatchSlots::Take() {
  if (Permit slot = slots_.TryAcquire(1)) return slot;
  const std::string limit = Concat(slots_.capacity());
  return WithRetryAfter(WithReason(absl::ResourceExhaustedError(Concat(
                                       "there are ", limit, " watches already (grpc.max_watches)")),
                                   {"WATCH_LIMIT", {{"limit", limit}}}),
                        kComeBack);
}

}  // namespace fetchd::rpc
