#include "rpc/call_rates.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"

namespace fetchd::rpc {
namespace {

constexpr Duration kBurst = std::chrono::seconds(1);
constexpr std::size_t kFewPrincipals = 1024;

Duration IntervalOf(std::uint64_t calls_per_sec) {
  return calls_per_sec == 0
             ? Duration::zero()
             : Duration(std::chrono::seconds(1)) / static_cast<Duration::rep>(calls_per_sec);
}

/// No tenant's name has a slash.
std::string KeyOf(const Principal& caller, bool begins_work) {
  return Concat(begins_work ? "+" : "", CredentialName(caller.by), '/', caller.tenant, '/',
                caller.name);
}

}  // namespace

CallRates::CallRates(std::uint64_t calls_per_sec, const Clock& clock)
    : interval_(IntervalOf(calls_per_sec)), clock_(clock), forget_at_(kFewPrincipals) {}

absl::Status CallRates::Take(const Principal& caller, bool begins_work) {
  if (interval_ == Duration::zero()) return absl::OkStatus();
  const SteadyTime now = clock_.Now();
  Duration early{};
  {
    const std::lock_guard lock(mutex_);
    if (paid_until_.size() >= forget_at_) ForgetIdle(now);
    SteadyTime& paid_until = paid_until_[KeyOf(caller, begins_work)];
    const SteadyTime next = std::max(paid_until, now) + interval_;
    early = next - now - kBurst;
    if (early <= Duration::zero()) paid_until = next;
  }
  if (early <= Duration::zero()) return absl::OkStatus();
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(early);
  const absl::Status refused =
      WithReason(absl::ResourceExhaustedError("too many calls a second (callers.calls_per_sec)"),
                 {"CALL_RATE", {{"principal", caller.name}}});
  const QuotaViolation quota{Concat("principal:", caller.name),
                             Concat(std::chrono::seconds(1) / interval_, " calls a second")};
  return WithRetryAfter(WithQuota(refused, quota), delay);
}

std::size_t CallRates::size() const {
  const std::lock_guard lock(mutex_);
  return paid_until_.size();
}

void CallRates::ForgetIdle(SteadyTime now) {
  std::erase_if(paid_until_, [now](const auto& entry) { return entry.second <= now; });
  forget_at_ = std::max(kFewPrincipals, 2 * paid_until_.size());
}

}  // namespace fetchd::rpc
