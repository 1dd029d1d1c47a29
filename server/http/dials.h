// The figures that tell how the client is doing: per origin, and in all.
#pragma once

#include <atomic>
#include <cstdint>

#include "telemetry/duration_histogram.h"

namespace fetchd::http {

/// Of one origin, or of all: what was counted since the start, and what is now. The fifth dial,
/// loop lag, belongs to the process (runtime::LoopLagMonitor).
struct Dials {
  std::uint64_t requests = 0;   ///< Exchanges begun; a redirect's hops are several.
  std::uint64_t retries = 0;    ///< Transfers' further attempts.
  std::uint64_t opened = 0;     ///< Connections.
  std::uint64_t reused = 0;     ///< Requests that found a connection open.
  std::uint64_t redialled = 0;  ///< Of these, on one that turned out to be stale.
  telemetry::DurationHistogram::Snapshot pool_wait;  ///< Of requests; most wait for nothing.

  std::uint64_t in_flight = 0;       ///< Requests with a connection in hand.
  std::uint64_t peak_in_flight = 0;  ///< Since the start.
  std::uint64_t limit = 0;           ///< Connections that may be open.

  double reuse_ratio() const;  ///< 0 when there was no request; so is the other.
  double retry_ratio() const;
  /// Adds what is counted and what is in flight; peaks and limits do not add up.
  Dials& operator+=(const Dials& other);
  /// Takes away what was counted `earlier`.
  Dials& operator-=(const Dials& earlier);
};

/// Now and at most. Thread-safe.
class PeakGauge {
 public:
  void Enter();
  void Leave() { now_.fetch_sub(1, std::memory_order_relaxed); }
  std::uint64_t now() const { return now_.load(std::memory_order_relaxed); }
  std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> now_{0};
  std::atomic<std::uint64_t> peak_{0};
};

/// What the dials of one origin are read from. Counted where it happens, on any shard.
struct DialCounters {
  std::atomic<std::uint64_t> requests{0}, retries{0}, opened{0}, reused{0}, redialled{0};
  telemetry::DurationHistogram pool_wait;
  PeakGauge in_flight;

  Dials Read() const;  ///< Without a limit.
};

}  // namespace fetchd::http
