#include "fetch/store_health.h"

#include <utility>

namespace fetchd::fetch {

bool IsLostClaim(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsNotFound(status) || absl::IsFailedPrecondition(status);
}

bool IsWorthRepeating(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsPermissionDenied(status);
}

void StoreHealth::Note(std::string_view doing, const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  if (status.ok() || IsLostClaim(status)) {
    if (!failing_since_) return;
    const Duration failed_for = clock_.Now() - *std::exchange(failing_since_, std::nullopt);
    log_.Info("the job store works again",
              {{"failed_calls", std::exchange(failures_, 0)}, {"failed_for_ms", failed_for}});
    return;
  }
  ++failures_;
  if (failing_since_) return;
  failing_since_ = clock_.Now();
  log_.Warning("the job store fails", {{"doing", doing},
                                       {"code", absl::StatusCodeToString(status.code())},
                                       {"error", MessageOf(status)}});
}

}  // namespace fetchd::fetch
