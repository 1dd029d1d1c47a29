// Jobs that wait for an origin on hold, while a mirror of theirs is free.
#pragma once

#include <optional>
#include <string>

#include "fetch/origin_pacer.h"
#include "fetch/store_health.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// Sends them to that mirror, a bounded number at a time and not in a tight loop, however many
/// wait. Belongs to the dispatcher's task.
class HeldJobs {
 public:
  HeldJobs(Clock& clock, jobs::Store& store, StoreHealth& health, OriginPacer& pacer,
           jobs::UrlChoice choice);

  /// A job came, or a hold began or ended, or may have: they are looked through once more.
  void Changed();
  /// Looks at some of them, if it is time to. True when one has another origin now.
  Task<bool> Move();
  /// When Move() has something to do; nullopt: not before Changed().
  std::optional<SteadyTime> DueAt() const;

 private:
  /// Where looking goes on; no origin = at the first.
  struct Cursor {
    Origin origin;
    std::string after;
  };
  void EndPass();

  Clock& clock_;
  jobs::Store& store_;
  StoreHealth& health_;
  OriginPacer& pacer_;
  const jobs::UrlChoice choice_;
  bool pending_ = true;
  bool again_ = false;  ///< Changed() came in the midst of a pass.
  std::optional<Cursor> cursor_;
  SteadyTime due_at_{};
};

}  // namespace fetchd::fetch
