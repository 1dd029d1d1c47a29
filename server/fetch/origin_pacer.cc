#include "fetch/origin_pacer.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace fetchd::fetch {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
/// Of so many transfers one is left free.
constexpr std::size_t kShares = 8;
constexpr double kDecrease = 0.7;
constexpr std::size_t kMaxAdaptiveLimit = 1024;  ///< An origin that bears so many needs no limit.
constexpr std::size_t kMinRetries = 3;
constexpr std::size_t kRemembered = 1000;
/// A smaller body tells of round trips, not of speed.
constexpr std::uint64_t kTellingBytes = std::uint64_t{1} << 20;
constexpr double kNewShare = 0.3;
constexpr SteadyTime kNoTime = SteadyTime::max();

double SecondsOf(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Tokens that a rate may save up: a second's worth, or one.
double BurstOf(double rate) { return std::max(rate, 1.0); }

}  // namespace

const char* HoldName(Hold hold) {
  switch (hold) {
    case Hold::kNone:
      return "NONE";
    case Hold::kPaused:
      return "PAUSED";
    case Hold::kCoolDown:
      return "COOL_DOWN";
    case Hold::kCircuitOpen:
      return "CIRCUIT_OPEN";
    case Hold::kTransfers:
      return "TRANSFER_LIMIT";
    case Hold::kRate:
      return "REQUEST_RATE";
    case Hold::kRetries:
      return "RETRY_BUDGET";
  }
  return "NONE";
}

bool IsOnHold(Hold hold) {
  return hold == Hold::kPaused || hold == Hold::kCoolDown || hold == Hold::kCircuitOpen;
}

OriginPacer::Turn& OriginPacer::Turn::operator=(Turn&& other) noexcept {
  if (this == &other) return *this;
  End({});
  pacer_ = std::exchange(other.pacer_, nullptr);
  origin_ = std::move(other.origin_);
  retry_ = other.retry_;
  probe_ = other.probe_;
  began_at_ = other.began_at_;
  return *this;
}

void OriginPacer::Turn::End(const OriginOutcome& outcome) {
  if (OriginPacer* pacer = std::exchange(pacer_, nullptr)) pacer->Finish(*this, outcome);
}

void OriginPacer::Turn::Answered() {
  if (pacer_ != nullptr) pacer_->NoteAnswer(*this);
}

void OriginPacer::Turn::Received(std::uint64_t bytes, Duration took) {
  if (pacer_ != nullptr) pacer_->NoteBody(origin_, bytes, took);
}

OriginPacer::OriginPacer(const Clock& clock, PacerConfig config)
    : clock_(clock), config_(std::move(config)), forget_at_(kRemembered) {}

OriginPacer::Room OriginPacer::RoomFor(const Origin& origin, std::size_t free_transfers) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  Entry& entry = Open(origin);
  Refill(entry, now);
  const auto left = [](std::size_t allowed, std::size_t used) {
    return allowed > used ? allowed - used : 0;
  };
  // Choudhury and Hahne's dynamic threshold: what one may have shrinks as the common pool does.
  const std::size_t total = entry.transfers + free_transfers;
  const std::size_t share = total - total / kShares;
  Room room;
  room.transfers = std::min({left(TransfersAllowed(entry, now), entry.transfers),
                             left(share, entry.transfers), free_transfers});
  room.retries = std::min(room.transfers, left(RetriesAllowed(entry), entry.retries));
  const std::size_t limit = entry.limits.max_transfers.value_or(0);
  if (config_.shares != nullptr && entry.transfers < limit &&
      MaxTransfers(entry) <= entry.transfers) {
    config_.shares->WantTransfers(origin, limit);
  }
  return room;
}

OriginPacer::Turn OriginPacer::Begin(const Origin& origin, bool retry) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  Entry& entry = Open(origin);
  Refill(entry, now);
  entry.seen_at = now;
  entry.transfers += 1;
  if (retry) entry.retries += 1;
  if (entry.limits.requests_per_sec) entry.tokens -= 1;
  const bool has_rates = entry.limits.requests_per_sec || entry.limits.bytes_per_sec;
  if (config_.shares != nullptr && has_rates) config_.shares->WantRate(origin);
  Turn turn;
  turn.pacer_ = this;
  turn.origin_ = origin;
  turn.retry_ = retry;
  turn.began_at_ = now;
  if (entry.open && !entry.probing && entry.probe_at <= now) {
    turn.probe_ = true;
    entry.probing = true;
  }
  return turn;
}

void OriginPacer::Finish(const Turn& turn, const OriginOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  Entry& entry = Open(turn.origin_);
  entry.transfers -= 1;
  if (turn.retry_) entry.retries -= 1;
  if (turn.probe_) entry.probing = false;
  Judge(entry, outcome, turn.began_at_, turn.probe_);
}

void OriginPacer::NoteAnswer(Turn& turn) {
  const std::lock_guard lock(mutex_);
  Works(Open(turn.origin_), std::exchange(turn.probe_, false));
}

void OriginPacer::NoteBody(const Origin& origin, std::uint64_t bytes, Duration took) {
  if (bytes < kTellingBytes || took <= Duration::zero()) return;
  const std::lock_guard lock(mutex_);
  Entry& entry = Open(origin);
  const double now = static_cast<double>(bytes) / SecondsOf(took);
  const double share = entry.bytes_per_sec > 0 ? kNewShare : 1;
  entry.bytes_per_sec += share * (now - entry.bytes_per_sec);
}

void OriginPacer::Note(const Origin& origin, const OriginOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  Entry& entry = Open(origin);
  TakeWish(entry, outcome);
  entry.seen_at = clock_.Now();
  if (outcome.kind == OriginOutcome::Kind::kFailed) Fail(entry, false, clock_.Now());
  if (outcome.kind != OriginOutcome::Kind::kPushback) return;
  entry.pushbacks += 1;
  totals_.pushbacks += 1;
}

void OriginPacer::TakeWish(Entry& entry, const OriginOutcome& outcome) {
  if (!outcome.cool_down || *outcome.cool_down <= Duration::zero()) return;
  const SteadyTime now = clock_.Now();
  if (entry.cool_until <= now) {
    entry.cool_downs += 1;
    totals_.cool_downs += 1;
  }
  const SteadyTime until = now + std::min(*outcome.cool_down, config_.max_cool_down);
  if (until <= entry.cool_until) return;
  entry.cool_until = until;
  if (config_.shares != nullptr) config_.shares->Held(*entry.origin, false, until - now);
}

void OriginPacer::TakeOver(const Origin& origin, bool circuit, Duration left) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  Entry& entry = Open(origin);
  entry.seen_at = now;
  if (!circuit) {
    entry.cool_until = std::max(entry.cool_until, now + std::min(left, config_.max_cool_down));
    return;
  }
  if (config_.breaker_failures == 0 || entry.open) return;
  entry.open = true;
  entry.probe_at = now;
}

void OriginPacer::Works(Entry& entry, bool probe) {
  // An answer to what began before the circuit opened proves nothing of what came after.
  if (entry.open && !probe) return;
  entry.failures_in_a_row = 0;
  if (!probe) return;
  entry.open = false;
  entry.probing = false;
  entry.openings_in_a_row = 0;
}

void OriginPacer::Judge(Entry& entry, const OriginOutcome& outcome, SteadyTime began_at,
                        bool probe) {
  using Kind = OriginOutcome::Kind;
  entry.seen_at = clock_.Now();
  TakeWish(entry, outcome);
  switch (outcome.kind) {
    case Kind::kAnswered:
      Works(entry, probe);
      Raise(entry);
      break;
    case Kind::kPushback:
      Works(entry, probe);
      entry.pushbacks += 1;
      totals_.pushbacks += 1;
      Lower(entry, began_at, clock_.Now());
      break;
    case Kind::kFailed:
      Fail(entry, probe, clock_.Now());
      break;
    case Kind::kUnknown:
      break;
  }
}

void OriginPacer::Lower(Entry& entry, SteadyTime began_at, SteadyTime now) {
  if (began_at <= entry.lowered_at) return;
  const std::size_t borne =
      std::min(entry.adaptive_limit.value_or(kUnlimited), entry.transfers + 1);
  entry.adaptive_limit =
      std::max<std::size_t>(static_cast<std::size_t>(static_cast<double>(borne) * kDecrease), 1);
  entry.good_answers = 0;
  entry.lowered_at = now;
}

void OriginPacer::Raise(Entry& entry) {
  if (!entry.adaptive_limit || ++entry.good_answers < *entry.adaptive_limit) return;
  entry.good_answers = 0;
  if (++*entry.adaptive_limit >= kMaxAdaptiveLimit) entry.adaptive_limit.reset();
}

void OriginPacer::Fail(Entry& entry, bool probe, SteadyTime now) {
  entry.failures_in_a_row += 1;
  const bool enough =
      config_.breaker_failures > 0 && entry.failures_in_a_row >= config_.breaker_failures;
  // Others that were at work when it opened do not open it again.
  if (!probe && (entry.open || !enough)) return;
  const Duration longest = 10 * config_.breaker_pause;
  Duration open_for = config_.breaker_pause;
  for (int i = 0; i < entry.openings_in_a_row && open_for < longest; ++i) open_for *= 2;
  entry.open = true;
  entry.openings_in_a_row += 1;
  entry.circuit_openings += 1;
  totals_.circuit_openings += 1;
  entry.probe_at = now + std::min(open_for, longest);
  if (config_.shares != nullptr) config_.shares->Held(*entry.origin, true, entry.probe_at - now);
}

OriginPacer::Entry& OriginPacer::Open(const Origin& origin) {
  const auto found = entries_.find(origin);
  if (found != entries_.end()) return found->second;
  if (entries_.size() >= forget_at_) ForgetIdle(clock_.Now());
  const auto made = entries_.try_emplace(origin).first;
  Entry& entry = made->second;
  entry.origin = &made->first;
  if (config_.limits_of) entry.limits = config_.limits_of(origin);
  entry.tokens = BurstOf(entry.limits.requests_per_sec.value_or(0));
  entry.tokens_at = clock_.Now();
  return entry;
}

/// Of the operator's limit, where there is one.
std::size_t OriginPacer::MaxTransfers(const Entry& entry) const {
  const std::size_t limit = entry.limits.max_transfers.value_or(kUnlimited);
  if (config_.shares == nullptr || limit == kUnlimited || limit == 0) return limit;
  return std::min(limit, config_.shares->TransfersOf(*entry.origin, limit));
}

double OriginPacer::PartOfRates(const Entry& entry) const {
  return config_.shares == nullptr ? 1 : config_.shares->RateOf(*entry.origin);
}

void OriginPacer::Refill(Entry& entry, SteadyTime now) const {
  if (!entry.limits.requests_per_sec) return;
  const double rate = *entry.limits.requests_per_sec * PartOfRates(entry);
  const double grown = entry.tokens + rate * SecondsOf(now - entry.tokens_at);
  entry.tokens = std::min(grown, BurstOf(rate));
  entry.tokens_at = now;
}

std::pair<Hold, SteadyTime> OriginPacer::HoldOf(const Entry& entry, SteadyTime now) const {
  if (entry.limits.max_transfers == 0) return {Hold::kPaused, kNoTime};
  if (entry.cool_until > now) return {Hold::kCoolDown, entry.cool_until};
  if (entry.open && entry.probing) return {Hold::kCircuitOpen, kNoTime};
  if (entry.open && entry.probe_at > now) return {Hold::kCircuitOpen, entry.probe_at};
  const std::size_t limit =
      std::min(MaxTransfers(entry), entry.adaptive_limit.value_or(kUnlimited));
  if (entry.transfers >= limit) return {Hold::kTransfers, kNoTime};
  if (entry.limits.requests_per_sec && entry.tokens < 1) {
    const double rate = *entry.limits.requests_per_sec * PartOfRates(entry);
    const double missing = (1 - entry.tokens) / rate;
    const auto wait = std::chrono::duration<double>(std::min(missing, 3600.0));
    // Rounded up: a moment too early would find no token.
    return {Hold::kRate, now + std::chrono::ceil<std::chrono::milliseconds>(wait)};
  }
  if (entry.retries >= RetriesAllowed(entry)) return {Hold::kRetries, kNoTime};
  return {Hold::kNone, kNoTime};
}

std::size_t OriginPacer::TransfersAllowed(const Entry& entry, SteadyTime now) const {
  const Hold hold = HoldOf(entry, now).first;
  if (hold != Hold::kNone && hold != Hold::kRetries) return 0;
  if (entry.open) return entry.transfers + 1;  // The probe.
  std::size_t allowed = std::min(MaxTransfers(entry), entry.adaptive_limit.value_or(kUnlimited));
  if (entry.limits.requests_per_sec) {
    allowed = std::min(allowed, entry.transfers + static_cast<std::size_t>(entry.tokens));
  }
  return allowed;
}

std::size_t OriginPacer::RetriesAllowed(const Entry& entry) const {
  const std::size_t share = entry.transfers * static_cast<std::size_t>(config_.retry_percent) / 100;
  return std::max(share, kMinRetries);
}

OriginPacer::OriginState OriginPacer::Describe(const Origin& origin, const Entry& entry,
                                               SteadyTime now) const {
  const auto [hold, until] = HoldOf(entry, now);
  return {
      .origin = origin,
      .transfers = entry.transfers,
      .retries = entry.retries,
      .limits = entry.limits,
      .adaptive_limit = entry.adaptive_limit,
      .hold = hold,
      .held_for = until == kNoTime ? std::nullopt : std::optional<Duration>(until - now),
      .pushbacks = entry.pushbacks,
      .cool_downs = entry.cool_downs,
      .circuit_openings = entry.circuit_openings,
      .failures_in_a_row = entry.failures_in_a_row,
      .bytes_per_sec = entry.bytes_per_sec > 0 ? std::optional(entry.bytes_per_sec) : std::nullopt};
}

SteadyTime OriginPacer::TakeBytes(const Origin& origin, std::uint64_t bytes, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  Entry& entry = Open(origin);
  std::optional<std::uint64_t> rate = entry.limits.bytes_per_sec;
  if (rate && config_.shares != nullptr) {
    const double part = static_cast<double>(*rate) * PartOfRates(entry);
    rate = std::max<std::uint64_t>(static_cast<std::uint64_t>(part), 1);
  }
  return entry.bytes.Take(bytes, rate, now);
}

OriginPacer::OriginState OriginPacer::StateOf(const Origin& origin) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  Entry& entry = Open(origin);
  Refill(entry, now);
  return Describe(origin, entry, now);
}

std::vector<Origin> OriginPacer::OnHold() {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  std::vector<Origin> held;
  for (auto& [origin, entry] : entries_) {
    Refill(entry, now);
    if (IsOnHold(HoldOf(entry, now).first)) held.push_back(origin);
  }
  return held;
}

std::optional<SteadyTime> OriginPacer::NextChange() {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  SteadyTime next = kNoTime;
  for (auto& [origin, entry] : entries_) {
    Refill(entry, now);
    next = std::min(next, HoldOf(entry, now).second);
  }
  return next == kNoTime ? std::nullopt : std::optional(next);
}

void OriginPacer::SetLimits(const Origin& origin, OriginLimits limits) {
  const std::lock_guard lock(mutex_);
  Entry& entry = Open(origin);
  const double burst = BurstOf(limits.requests_per_sec.value_or(0));
  entry.tokens = entry.limits.requests_per_sec ? std::min(entry.tokens, burst) : burst;
  entry.limits = limits;
  entry.limits_set = true;
  entry.tokens_at = clock_.Now();
}

std::vector<OriginPacer::OriginState> OriginPacer::List() {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  std::vector<OriginState> states;
  for (auto& [origin, entry] : entries_) {
    Refill(entry, now);
    if (SaysSomething(entry, now) || entry.bytes_per_sec > 0)
      states.push_back(Describe(origin, entry, now));
  }
  return states;
}

OriginPacer::Totals OriginPacer::Read() {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Now();
  Totals totals = totals_;
  for (auto& [origin, entry] : entries_) {
    Refill(entry, now);
    totals.held[static_cast<std::size_t>(HoldOf(entry, now).first)] += 1;
    if (entry.open) ++(entry.probing ? totals.circuits_half_open : totals.circuits_open);
    totals.retries += entry.retries;
    if (entry.retries > 0 && entry.retries >= RetriesAllowed(entry)) ++totals.retry_budgets_spent;
  }
  return totals;
}

bool OriginPacer::SaysSomething(const Entry& entry, SteadyTime now) const {
  return entry.transfers > 0 || entry.limits_set || entry.adaptive_limit || entry.open ||
         entry.failures_in_a_row > 0 || HoldOf(entry, now).first != Hold::kNone;
}

/// Of origins that nothing else is known of: so many are not mirrors of one another.
void OriginPacer::ForgetSpeeds(SteadyTime now) {
  std::erase_if(entries_, [&](auto& known) { return !SaysSomething(known.second, now); });
}

void OriginPacer::ForgetIdle(SteadyTime now) {
  // What was learned so long ago is learned again soon enough.
  const Duration old = 10 * std::max(config_.breaker_pause, config_.max_cool_down);
  for (auto known = entries_.begin(); known != entries_.end();) {
    Entry& entry = known->second;
    Refill(entry, now);
    const bool busy = entry.transfers > 0 || entry.limits_set || entry.cool_until > now;
    const bool says = SaysSomething(entry, now) || entry.bytes_per_sec > 0;
    const bool forget = !busy && (!says || now - entry.seen_at > old);
    known = forget ? entries_.erase(known) : std::next(known);
  }
  if (entries_.size() >= kRemembered) ForgetSpeeds(now);
  // Those that say something are kept however many they are; looking for others stays cheap.
  forget_at_ = std::max(kRemembered, 2 * entries_.size());
}

}  // namespace fetchd::fetch
