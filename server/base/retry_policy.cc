#include "base/retry_policy.h"

#include <algorithm>

namespace fetchd {
namespace {

// min(max_delay, base * 2^(attempt - 1)) without overflow.
Duration Backoff(const RetryConfig& config, int attempt) {
  Duration delay = config.base_delay;
  for (int i = 1; i < attempt && delay < config.max_delay; ++i) {
    delay = delay > config.max_delay / 2 ? config.max_delay : delay * 2;
  }
  return std::min(delay, config.max_delay);
}

}  // namespace

const char* PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kPoolWait:
      return "pool wait";
    case Phase::kResolve:
      return "DNS";
    case Phase::kConnect:
      return "connect";
    case Phase::kProxy:
      return "proxy";
    case Phase::kTls:
      return "TLS";
    case Phase::kSend:
      return "send";
    case Phase::kFirstByte:
      return "first byte";
    case Phase::kBody:
      return "body";
    case Phase::kSink:
      return "sink";
    case Phase::kVerify:
      return "verify";
  }
  return "unknown";
}

bool IsRetryableHttpStatus(int status) {
  switch (status) {
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

std::optional<Duration> RetryPolicy::Next(const Failure& failure, int attempt, SteadyTime now,
                                          Deadline deadline,
                                          absl::FunctionRef<double()> uniform) const {
  if (!failure.retryable || attempt >= config_.max_attempts) return std::nullopt;
  const std::chrono::duration<double, Duration::period> jittered =
      Backoff(config_, attempt) * uniform();
  Duration delay = std::chrono::duration_cast<Duration>(jittered);
  if (failure.retry_after) {
    delay = std::max(delay, std::min(*failure.retry_after, config_.max_retry_after));
  }
  if (!deadline.IsNever() && deadline.at() - now <= delay) return std::nullopt;
  return delay;
}

}  // namespace fetchd
