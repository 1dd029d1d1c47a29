// Where processes divide the limits that they keep together, and tell one another whom to leave
// alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/task.h"
#include "base/time.h"

namespace fetchd::jobs {

/// What a process says of one limit, and asks for.
struct AllotmentAsk {
  std::string key;         ///< Of the limit: "host example.org:443".
  std::int64_t limit = 0;  ///< Of all processes together.
  std::int64_t kept = 0;   ///< It may be using so many until it asks again: they stay its own.
  std::int64_t wanted =
      0;  ///< It would use so many; 0, and none kept: it has nothing to do with it.
};

struct Allotment {
  std::string key;
  std::int64_t slots = 0;  ///< It may use so many, while its lease lasts; not fewer than it kept.
  std::int64_t keep =
      0;  ///< Below its slots: others lack theirs, and it should use no more than this.
  bool contended = false;  ///< Somebody has, or will have, less than it wants.
};

struct Allotted {
  std::vector<Allotment> allotments;  ///< One for each ask, in their order.
  std::int64_t replicas = 1;          ///< Processes with a lease, this one among them.
};

/// An origin that should not be asked.
struct CoolDown {
  std::string origin;    ///< "https://host:port"
  bool circuit = false;  ///< It failed too often; else it asked for time.
  Duration left{};       ///< From now on.
  std::int64_t until =
      0;  ///< The same moment for all who are told; above 0. Not used by Announce().
};

/// Allotments are this process's while it lasts.
struct Lease {
  std::uint64_t number = 0;  ///< Another one once it has passed, even if nobody noticed.
  SteadyTime until{};        ///< By this process's own clock, and not later than the others think.
};

/// The sum of a key's slots over all processes with a lease is never above its limit, unless a
/// process kept some that it had when an earlier lease of its own passed, or limits differ between
/// processes. Thread-safe.
class AllotmentStore {
 public:
  virtual ~AllotmentStore() = default;
  /// One call at a time; each key once. `lease`: the number of that under which what it says it
  /// keeps was allotted. UNAVAILABLE: nothing is known to have changed, and what was allotted
  /// before may be used while the lease lasts; or that is another one by now.
  virtual Task<absl::StatusOr<Allotted>> Allot(std::vector<AllotmentAsk> asks,
                                               std::uint64_t lease) = 0;
  virtual Lease lease() const = 0;
  /// Tells the others. What was said of an origin before holds if that ends later.
  virtual Task<absl::Status> Announce(std::vector<CoolDown> cool_downs) = 0;
  /// What others have told that is not over.
  virtual Task<absl::StatusOr<std::vector<CoolDown>>> CoolDowns() = 0;
  /// Calls back when others lack something, have given something back or have announced something,
  /// or the lease is another one; on a thread of the store. Null: no more, once this returns.
  virtual void OnNews(std::function<void()> callback) = 0;
};

}  // namespace fetchd::jobs
