#include "rpc/watch_slots.h"

#include <chrono>
#include <utility>

#include "base/strings.h"

namespace fetchd::rpc {
namespace {

constexpr auto kComeBack = std::chrono::seconds(1);

absl::Status TooMany(std::string_view who, std::uint64_t most) {
  const std::string limit = Concat(most);
  return WithRetryAfter(
      WithReason(absl::ResourceExhaustedError(
                     Concat("there are ", limit, " watches", who, " already (grpc.max_watches)")),
                 {"WATCH_LIMIT", {{"limit", limit}}}),
      kComeBack);
}

}  // namespace

absl::StatusOr<WatchSlot> WatchSlots::Take(const Principal& caller) {
  WatchSlot slot;
  if (caller.by != Credential::kNone) {
    slot.tenants = Of(caller.tenant);
    slot.of_tenant = slot.tenants->TryAcquire(1);
    if (!slot.of_tenant) return TooMany(" of your tenant", most_of_tenant_);
  }
  slot.of_all = slots_.TryAcquire(1);
  if (!slot.of_all) return TooMany("", slots_.capacity());
  return slot;
}

std::shared_ptr<Semaphore> WatchSlots::Of(const std::string& tenant) {
  const std::lock_guard lock(mutex_);
  std::erase_if(tenants_, [&](const auto& one) {
    return one.first != tenant && one.second.use_count() == 1;  // Nobody of it watches.
  });
  std::shared_ptr<Semaphore>& places = tenants_[tenant];
  if (places == nullptr) places = std::make_shared<Semaphore>(most_of_tenant_);
  return places;
}

}  // namespace fetchd::rpc
