// How often each caller may call.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/status.h"
#include "base/time.h"
#include "rpc/auth.h"

namespace fetchd::rpc {

/// Each principal has so many calls a second that begin work, as many others, and those of a second
/// at once: whoever submits too much still watches and cancels. Whoever has another
/// tenant or another kind of credential is another one, whatever his name. A call that is refused
/// costs nothing. Thread-safe; does not block. Memory is that of the principals of the last second.
class CallRates {
 public:
  /// 0 = no limit. The clock outlives it.
  CallRates(std::uint64_t calls_per_sec, const Clock& clock);

  /// RESOURCE_EXHAUSTED, reason CALL_RATE, with QuotaFailure and RetryInfo.
  absl::Status Take(const Principal& caller, bool begins_work);
  std::size_t size() const;  ///< Allowances of principals that are remembered.

 private:
  void ForgetIdle(SteadyTime now);

  const Duration interval_;  ///< Between two calls, evenly spread; zero = no limit.
  const Clock& clock_;
  mutable std::mutex mutex_;
  /// By allowance, credential, tenant and name: when all calls that were let in would have come,
  /// had they been spread. Of those before now nothing has to be remembered.
  std::unordered_map<std::string, SteadyTime> paid_until_;
  std::size_t forget_at_;  ///< Entries at which the idle ones go.
};

}  // namespace fetchd::rpc
