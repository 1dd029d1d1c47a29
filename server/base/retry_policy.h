// What to do after a failed attempt. Decides, never sleeps.
#pragma once

#include <absl/functional/function_ref.h>

#include <chrono>
#include <optional>

#include "base/status.h"
#include "base/time.h"

namespace fetchd {

/// Where in an attempt it went wrong; also the phase that a timeout message names.
enum class Phase {
  kPoolWait,
  kResolve,
  kConnect,
  kProxy,  ///< Until a proxy has opened the way: reaching it, and its answer.
  kTls,
  kSend,
  kFirstByte,
  kBody,
  kSink,
  kVerify
};
const char* PhaseName(
    Phase phase);  ///< "pool wait", "DNS", "connect", "proxy", "TLS", "send", "first byte", ...

/// Filled in where the failure is seen: only that place knows these facts. Message text is never
/// parsed.
struct Failure {
  absl::Status status;
  Phase phase = Phase::kConnect;
  int http_status = 0;                  ///< 0 = no response head.
  std::optional<Duration> retry_after;  ///< The server's wish (RFC 9110 10.2.3), parsed.
  bool retryable = false;  ///< As judged where it happened; RetryPolicy adds count and time.
};

struct RetryConfig {
  int max_attempts = 4;                                  ///< All attempts, the first included.
  Duration base_delay = std::chrono::milliseconds(250);  ///< Doubles with each attempt.
  Duration max_delay = std::chrono::seconds(30);
  Duration max_retry_after = std::chrono::minutes(5);  ///< A longer Retry-After is cut to this.
};

/// True for 408, 425, 429, 500, 502, 503 and 504.
bool IsRetryableHttpStatus(int status);

class RetryPolicy {
 public:
  explicit RetryPolicy(RetryConfig config) : config_(config) {}
  /// Delay before the next attempt, or nullopt to give up: attempts spent, not retryable, or the
  /// delay would pass the deadline. Full jitter: uniform() in [0,1) times min(max_delay, base *
  /// 2^(attempt-1)); a Retry-After is a lower bound. `attempt` counts from 1.
  std::optional<Duration> Next(const Failure& failure, int attempt, SteadyTime now,
                               Deadline deadline, absl::FunctionRef<double()> uniform) const;

 private:
  RetryConfig config_;
};

}  // namespace fetchd
