// The typed record of an attempt, as ExplainJob shows it.
#pragma once

#include "fetch/transfer.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// What the attempt's owner knows besides its facts.
struct AttemptFrame {
  int number = 0;
  WallTime started_at{};
  Duration took{};
  Duration permit_wait{};
};

jobs::AttemptRecord MakeRecord(const AttemptFrame& frame, const AttemptFacts& facts,
                               jobs::AttemptOutcome outcome, absl::Status status);

/// "retry in 1.3 s: 503 is retryable, attempt 2 of 4, Retry-After 1 s"
std::string RetrySentence(const Failure& failure, Duration delay, int attempt, int max_attempts);
/// "put off for 30.0 s: the origin answered 429 and asked for time: no attempt is consumed"
std::string PutOffSentence(const Failure& failure, Duration pause);
/// "gave up: 404 is final" and the like.
std::string GiveUpSentence(const Failure& failure, int attempt, int max_attempts);

}  // namespace fetchd::fetch
