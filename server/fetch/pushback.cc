#include "fetch/pushback.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/http_date.h"
#include "base/strings.h"
#include "fetch/job_wait.h"

namespace fetchd::fetch {
namespace {

constexpr std::int64_t kSurelyUnixTime = 1'000'000'000;  // A pause of 31 years, or the year 2001.

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  text = TrimWhitespace(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// Seconds, which no clock holds more of than a Duration does.
Duration Pause(std::int64_t seconds) {
  constexpr std::int64_t kLongest = std::int64_t{365} * 24 * 3600;
  return std::chrono::seconds(std::min(seconds, kLongest));
}

std::optional<Duration> Longer(std::optional<Duration> a, std::optional<Duration> b) {
  return !a || (b && *b > *a) ? b : a;
}

/// Of one item of RateLimit, its name left out: `;r=0;t=30`.
std::optional<Duration> PauseOfItem(std::string_view item) {
  std::optional<std::int64_t> remaining, reset;
  while (!item.empty()) {
    const std::size_t end = std::min(item.find(';'), item.size());
    const std::string_view parameter = TrimWhitespace(item.substr(0, end));
    if (parameter.starts_with("r=")) remaining = ParseNumber(parameter.substr(2));
    if (parameter.starts_with("t=")) reset = ParseNumber(parameter.substr(2));
    item.remove_prefix(std::min(end + 1, item.size()));
  }
  if (remaining != 0 || !reset) return std::nullopt;
  return Pause(*reset);
}

/// A list (RFC 8941 3.1) whose items may begin with a quoted name.
std::optional<Duration> PauseOfRateLimit(std::string_view value) {
  std::optional<Duration> pause;
  std::string item;
  bool quoted = false;
  for (const char c : value) {
    if (c == '"') quoted = !quoted;
    if (quoted || c == '"') continue;
    if (c == ',') pause = Longer(pause, PauseOfItem(std::exchange(item, "")));
    if (c != ',') item += c;
  }
  return Longer(pause, PauseOfItem(item));
}

std::optional<Duration> PauseOfPair(const http::Headers& headers, std::string_view remaining_name,
                                    std::string_view reset_name, WallTime now) {
  const auto reset = ParseNumber(headers.Get(reset_name));
  if (ParseNumber(headers.Get(remaining_name)) != 0 || !reset) return std::nullopt;
  if (*reset < kSurelyUnixTime) return Pause(*reset);
  const std::int64_t now_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  return Pause(std::max<std::int64_t>(*reset - now_seconds, 0));
}

/// No answer, or one that says that nobody is behind it (RFC 9110 15.6.3 to 15.6.5).
bool IsFailure(const AttemptFacts& facts, const absl::Status& status) {
  if (facts.http_status != 0) return facts.http_status >= 502 && facts.http_status <= 504;
  switch (PhaseOf(facts)) {
    case Phase::kResolve:
    case Phase::kConnect:
    case Phase::kTls:
    case Phase::kSend:
    case Phase::kFirstByte:
      return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
             absl::IsDataLoss(status);
    default:
      return false;
  }
}

OriginOutcome OutcomeOf(const AttemptFacts& facts, const absl::Status& status) {
  using Kind = OriginOutcome::Kind;
  OriginOutcome outcome{.kind = Kind::kUnknown, .cool_down = facts.wanted_pause};
  const bool pushback =
      facts.http_status == 429 || (facts.http_status == 503 && facts.wanted_pause);
  if (pushback) {
    outcome.kind = Kind::kPushback;
  } else if (IsFailure(facts, status)) {
    outcome.kind = Kind::kFailed;
  } else if (facts.http_status != 0) {
    outcome.kind = Kind::kAnswered;
  }
  return outcome;
}

}  // namespace

std::optional<Duration> WantedPause(int status, const http::Headers& headers, WallTime now,
                                    bool quota_is_ours) {
  const bool refused = status == 429 || status == 503;
  std::optional<Duration> pause;
  if (refused) pause = ParseRetryAfter(headers.Get("Retry-After"), now);
  if (refused || quota_is_ours) {
    for (std::size_t i = 0; i < headers.size(); ++i) {
      const auto [name, value] = headers.at(i);
      if (EqualsIgnoreCase(name, "RateLimit")) pause = Longer(pause, PauseOfRateLimit(value));
    }
    pause = Longer(pause, PauseOfPair(headers, "RateLimit-Remaining", "RateLimit-Reset", now));
    pause = Longer(pause, PauseOfPair(headers, "X-RateLimit-Remaining", "X-RateLimit-Reset", now));
  }
  return pause && *pause > Duration::zero() ? pause : std::nullopt;
}

bool HoldsStreams(Hold hold) {
  return hold == Hold::kPaused || hold == Hold::kCoolDown || hold == Hold::kCircuitOpen ||
         hold == Hold::kRate;
}

bool GoesItsOwnWay(const jobs::FetchSpec& spec) {
  return spec.timeouts != jobs::TimeoutOverrides() || !spec.tls_profile.empty() ||
         !spec.proxy.empty();
}

void EndTurn(OriginPacer& pacer, OriginPacer::Turn& turn, const AttemptFacts& facts,
             const absl::Status& status, bool callers_own_way) {
  // Whoever made the request says what came of it.
  if (!facts.hops.empty() && facts.hops.back().joined) return turn.End({});
  OriginOutcome outcome = OutcomeOf(facts, status);
  // Where a limit of ours was kept, it is that which was measured.
  if (facts.rate_wait == Duration::zero()) turn.Received(facts.received_bytes, facts.body_took);
  if (callers_own_way && outcome.kind == OriginOutcome::Kind::kFailed && facts.http_status == 0) {
    outcome.kind = OriginOutcome::Kind::kUnknown;
  }
  const bool redirected = facts.hops.size() > 1 || facts.held_for;
  if (!redirected) return turn.End(outcome);
  if (facts.answered_by && *facts.answered_by == turn.origin()) return turn.End(outcome);
  turn.End({.kind = OriginOutcome::Kind::kAnswered});
  if (facts.answered_by) pacer.Note(*facts.answered_by, outcome);
}

absl::Status OriginHeldError(const OriginPacer::OriginState& state) {
  const std::string origin = state.origin.ToString();
  absl::Status error =
      WithReason(absl::UnavailableError(Concat(origin, " is on hold: ", HoldSentence(state))),
                 {"ORIGIN_ON_HOLD", {{"origin", origin}, {"hold", HoldName(state.hold)}}});
  if (!state.held_for) return error;
  return WithRetryAfter(std::move(error),
                        std::chrono::ceil<std::chrono::milliseconds>(*state.held_for));
}

}  // namespace fetchd::fetch
