// The open connections of a shard that nobody uses.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>

#include "base/time.h"
#include "runtime/task_group.h"

namespace fetchd::http {

/// A connection as IdleConnections sees it. Must not be idle when it is destroyed.
class IdleConnection : public boost::intrusive::list_base_hook<> {
 public:
  bool is_idle() const { return is_linked(); }

 protected:
  IdleConnection() = default;
  ~IdleConnection() = default;

 private:
  friend class IdleConnections;
  /// Its time is up. Removes itself, and closes.
  virtual void Expire() = 0;
  /// It is not likely to be used again at once: from now on it looks out for what its peer does.
  /// Must not change what is idle.
  virtual void Watch() = 0;
  /// Somebody wants its place: gives it up, unless nobody does any more.
  virtual void Offer() = 0;

  SteadyTime since_;
  SteadyTime expires_at_;
  bool watched_ = false;
};

/// Lives on one shard. Adding and removing cost the same however many there are. While any is idle
/// a task ticks: it closes what has expired, and watches what has been idle for a tick, so that
/// connections which come and go all the time cost nothing extra. Expiry and watching are therefore
/// late by up to two ticks. Join `tasks` before this dies.
class IdleConnections {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(250);

  IdleConnections(Clock& clock, runtime::TaskGroup& tasks) : clock_(clock), tasks_(tasks) {}

  void Add(IdleConnection& connection, SteadyTime expires_at);
  void Remove(IdleConnection& connection);
  std::size_t size() const { return order_.size(); }

  /// False when none is idle.
  bool OfferOldest();
  static void Offer(IdleConnection& connection) { connection.Offer(); }
  static SteadyTime Since(const IdleConnection& connection) { return connection.since_; }
  /// Expires all.
  void Clear();

 private:
  Task<absl::Status> Tick();
  void WatchSettled(SteadyTime now);
  void ExpireDue(SteadyTime now);

  Clock& clock_;
  runtime::TaskGroup& tasks_;
  boost::intrusive::list<IdleConnection> order_;  ///< Idle for longest first.
  SteadyTime next_expiry_ = SteadyTime::max();    ///< None expires before.
  bool ticking_ = false;
};

}  // namespace fetchd::http
