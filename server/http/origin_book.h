// The dials of every origin, within bounds.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/time.h"
#include "base/url.h"
#include "http/dials.h"

namespace fetchd::http {

struct OriginBookConfig {
  std::size_t max_named = 100;  ///< Further origins are counted together, as others.
  /// Origins without a connection or a request that are remembered besides the named ones; or as
  /// many as have one, when these are more.
  std::size_t max_gone = 1000;
  Duration rank_interval = std::chrono::minutes(1);
};

/// Thread-safe. An origin has a name while it is among the first `max_named`; later, each
/// `rank_interval`, one that had twice the requests of a named one since the last ranking takes
/// that one's name away. What a series says never goes down: requests are counted to an origin only
/// from when it got its name on, and to the others until then.
class OriginBook {
 public:
  explicit OriginBook(const Clock& clock, OriginBookConfig config = {});

  /// Where to count. Whoever holds it keeps the origin from being forgotten.
  std::shared_ptr<DialCounters> Open(const Origin& origin);
  PeakGauge& in_flight() { return in_flight_; }  ///< Of all origins.

  struct Named {
    Origin origin;
    Dials dials;
  };
  struct Snapshot {
    Dials all;
    std::vector<Named> named;  ///< Most requests first.
    Dials others;
  };
  Snapshot Read();
  std::size_t size() const;  ///< Origins that are remembered.

 private:
  struct Entry {
    std::shared_ptr<DialCounters> counters = std::make_shared<DialCounters>();
    bool named = false;
    Dials base;  ///< Counted before it got, or lost, its name.
    std::uint64_t requests_when_ranked = 0;

    bool gone() const { return counters.use_count() == 1; }
    std::uint64_t recent_requests() const;
    Dials Counted() const;  ///< Since the base, and what is in flight.
  };

  // All of these hold mutex_.
  void ForgetGone();
  void Rank();
  void Name(Entry& entry);

  const Clock& clock_;
  const OriginBookConfig config_;
  PeakGauge in_flight_;

  mutable std::mutex mutex_;  ///< Guards all below.
  std::map<Origin, Entry> entries_;
  std::size_t named_ = 0;
  std::size_t forget_at_;  ///< With so many entries those that are gone are looked for.
  SteadyTime ranked_at_;
  Dials forgotten_;         ///< Counted by entries that are no more.
  Dials others_forgotten_;  ///< Counted as others by these, and by those that have got a name.
};

}  // namespace fetchd::http
