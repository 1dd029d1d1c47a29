// How hard each origin may be asked by all transfers together. Decides, never sleeps.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/url.h"
#include "fetch/byte_rate.h"

namespace fetchd::fetch {

/// Limits that the operator gives to one origin; absent = none.
struct OriginLimits {
  std::optional<std::size_t> max_transfers;  ///< At work at once. 0 = paused.
  std::optional<double>
      requests_per_sec;  ///< Transfers that begin; a redirect's hops are not counted.
  std::optional<std::uint64_t> bytes_per_sec;  ///< Of all bodies together.
  friend bool operator==(const OriginLimits&, const OriginLimits&) = default;
};

/// Of an origin's limits, what is this process's, where several keep them together. Thread-safe;
/// called with locks held: cheap, and without waiting.
class OriginShares {
 public:
  virtual ~OriginShares() = default;
  /// So many transfers may be at work here; `limit` is that of all processes.
  virtual std::size_t TransfersOf(const Origin& origin, std::size_t limit) = 0;
  /// A job would begin if it were more.
  virtual void WantTransfers(const Origin& origin, std::size_t limit) = 0;
  /// Of its rates, above 0, at most 1.
  virtual double RateOf(const Origin& origin) const = 0;
  /// A transfer begins that takes of them.
  virtual void WantRate(const Origin& origin) = 0;
  /// It asked for time, or, `circuit`, failed too often: it is left alone for so long.
  virtual void Held(const Origin& origin, bool circuit, Duration left) = 0;
};

struct PacerConfig {
  /// Cool-downs that origins ask for are cut to this.
  Duration max_cool_down = std::chrono::minutes(5);
  /// An origin is left alone after so many failures in a row; 0 = never.
  int breaker_failures = 5;
  /// Until it is probed; doubles each time that fails, up to ten times this.
  Duration breaker_pause = std::chrono::seconds(30);
  /// Transfers that are retries: of those at work with the origin, but three at least.
  int retry_percent = 20;
  /// What the configuration says of an origin. Called once when it is first met.
  std::function<OriginLimits(const Origin&)> limits_of;
  OriginShares* shares = nullptr;  ///< Null: limits are this process's own.
};

/// Why no further transfer begins with an origin.
enum class Hold {
  kNone,
  kPaused,       ///< The operator's limit is 0.
  kCoolDown,     ///< It asked us to wait: Retry-After or RateLimit.
  kCircuitOpen,  ///< It failed too often in a row; a probe is due at `until`, or under way.
  kTransfers,    ///< So many are at work as the operator's limit, or what it bore lately, allows.
  kRate,         ///< The operator's rate.
  kRetries,      ///< For retries alone: the retry budget is spent.
};
const char* HoldName(Hold hold);  ///< "COOL_DOWN"
/// Nothing begins, however little is at work: paused, cooling down, circuit open.
bool IsOnHold(Hold hold);

/// How a transfer with an origin went, as far as this says something of the origin.
struct OriginOutcome {
  enum class Kind {
    kAnswered,  ///< Whatever the answer is, the origin works.
    kFailed,    ///< No connection, no answer in time, or a 5xx.
    kPushback,  ///< 429, or 503 with a wish: less, please.
    kUnknown,   ///< Ended for reasons of our own.
  };
  Kind kind = Kind::kUnknown;
  /// The origin's wish for all of us, also in a good answer (RateLimit fields).
  std::optional<Duration> cool_down;
};

/// Thread-safe. Knows the origins with transfers, with limits of their own or on hold; the others
/// are forgotten.
///
/// * Cool-down: until it is over nothing begins.
/// * Adaptive limit (AIMD): a pushback lowers the transfers at work to 0.7 of what they were, not
///   more than once for those that were at work then; each `limit` good answers raise it by one.
/// * Circuit breaker: open after `breaker_failures` in a row; then one probe at a time.
/// * Retry budget: see PacerConfig::retry_percent.
/// * Speed: of bodies of 1 MiB and more, an average in which each new one counts for three tenths.
class OriginPacer {
 public:
  /// A transfer at work with an origin. Move-only; ends as kUnknown unless told otherwise.
  class Turn {
   public:
    Turn() = default;
    Turn(Turn&& other) noexcept { *this = std::move(other); }
    Turn& operator=(Turn&& other) noexcept;
    ~Turn() { End({}); }
    void End(const OriginOutcome& outcome);
    /// A good head has come: the origin works, however long the body takes.
    void Answered();
    /// So much of a body came in this time, redirects followed: large ones are the origin's speed.
    void Received(std::uint64_t bytes, Duration took);
    const Origin& origin() const { return origin_; }

   private:
    friend class OriginPacer;
    OriginPacer* pacer_ = nullptr;
    Origin origin_;
    bool retry_ = false;
    bool probe_ = false;
    SteadyTime began_at_{};
  };

  /// What may begin with an origin now.
  struct Room {
    std::size_t transfers = 0;
    std::size_t retries = 0;  ///< Of these.
  };

  struct OriginState {
    Origin origin;
    std::size_t transfers = 0, retries = 0;  ///< At work.
    OriginLimits limits;                     ///< Of the operator.
    std::optional<std::size_t> adaptive_limit;
    Hold hold = Hold::kNone;
    std::optional<Duration> held_for;  ///< From now on; absent when no time ends it.
    std::uint64_t pushbacks = 0, cool_downs = 0, circuit_openings = 0;
    int failures_in_a_row = 0;
    std::optional<double> bytes_per_sec;  ///< Of its large bodies lately.
  };

  struct Totals {
    std::array<std::uint64_t, 7> held{};                                ///< Origins now, by Hold.
    std::uint64_t pushbacks = 0, cool_downs = 0, circuit_openings = 0;  ///< Since the start.
    std::uint64_t circuits_open = 0, circuits_half_open = 0;            ///< Origins now.
    std::uint64_t retries = 0;                                          ///< At work now.
    std::uint64_t retry_budgets_spent = 0;  ///< Origins now, of those with retries.
  };

  OriginPacer(const Clock& clock, PacerConfig config);

  /// `free_transfers` of the process: one of eight that it could have stays free, so that an origin
  /// with a long queue never keeps the others out.
  Room RoomFor(const Origin& origin, std::size_t free_transfers);
  /// To be called whether or not there was room: Fetch and claims decide by themselves.
  Turn Begin(const Origin& origin, bool retry);
  /// What an origin answered without a turn of its own: a redirect led to it. It lowers no limit:
  /// how much was at work there is not known.
  void Note(const Origin& origin, const OriginOutcome& outcome);
  /// Another process leaves it alone: no transfer begins before that is over. Where its circuit is
  /// open there, the next one here is a probe; what keeps that process from it need not be here.
  void TakeOver(const Origin& origin, bool circuit, Duration left);
  /// Takes body bytes that were read at `now`; returns when whoever read them may read on.
  SteadyTime TakeBytes(const Origin& origin, std::uint64_t bytes, SteadyTime now);
  /// What would hold the next transfer back.
  OriginState StateOf(const Origin& origin);
  /// The origins that IsOnHold() is true of, in their order.
  std::vector<Origin> OnHold();
  /// When time lets an origin go on that is on hold now; absent when none waits for time.
  std::optional<SteadyTime> NextChange();

  /// Takes the place of what the configuration says, until the process ends.
  void SetLimits(const Origin& origin, OriginLimits limits);
  /// Those with transfers at work, limits set by SetLimits or learned, a speed, failures or a hold,
  /// by name.
  std::vector<OriginState> List();
  Totals Read();

 private:
  struct Entry {
    const Origin* origin = nullptr;  ///< Its own key.
    OriginLimits limits;
    bool limits_set = false;  ///< By SetLimits.
    std::size_t transfers = 0, retries = 0;
    std::optional<std::size_t> adaptive_limit;
    std::size_t good_answers = 0;  ///< Since the adaptive limit last changed.
    SteadyTime lowered_at = SteadyTime::min();
    SteadyTime cool_until = SteadyTime::min();
    int failures_in_a_row = 0;
    int openings_in_a_row = 0;
    bool open = false;  ///< The circuit.
    bool probing = false;
    SteadyTime probe_at{};  ///< While it is open.
    ByteRate bytes;         ///< Of bytes_per_sec.
    double tokens = 0;      ///< Of requests_per_sec.
    SteadyTime tokens_at{};
    std::uint64_t pushbacks = 0, cool_downs = 0, circuit_openings = 0;
    double bytes_per_sec = 0;  ///< Of large bodies, smoothed; 0 = not known.
    SteadyTime seen_at{};      ///< When something was last begun or learned.
  };

  // All of these hold mutex_.
  Entry& Open(const Origin& origin);
  std::size_t MaxTransfers(const Entry& entry) const;
  double PartOfRates(const Entry& entry) const;
  void Refill(Entry& entry, SteadyTime now) const;
  std::size_t TransfersAllowed(const Entry& entry, SteadyTime now) const;
  std::size_t RetriesAllowed(const Entry& entry) const;
  std::pair<Hold, SteadyTime> HoldOf(const Entry& entry, SteadyTime now) const;
  OriginState Describe(const Origin& origin, const Entry& entry, SteadyTime now) const;
  void TakeWish(Entry& entry, const OriginOutcome& outcome);
  void Judge(Entry& entry, const OriginOutcome& outcome, SteadyTime began_at, bool probe);
  void Works(Entry& entry, bool probe);
  void Lower(Entry& entry, SteadyTime began_at, SteadyTime now);
  void Raise(Entry& entry);
  void Fail(Entry& entry, bool probe, SteadyTime now);
  bool SaysSomething(const Entry& entry, SteadyTime now) const;
  void ForgetIdle(SteadyTime now);
  void ForgetSpeeds(SteadyTime now);
  void Finish(const Turn& turn, const OriginOutcome& outcome);
  void NoteAnswer(Turn& turn);
  void NoteBody(const Origin& origin, std::uint64_t bytes, Duration took);

  const Clock& clock_;
  const PacerConfig config_;

  std::mutex mutex_;  ///< Guards all below.
  std::map<Origin, Entry> entries_;
  Totals totals_;          ///< What counts since the start.
  std::size_t forget_at_;  ///< With so many entries those that say nothing are looked for.
};

}  // namespace fetchd::fetch
