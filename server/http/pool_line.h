// Who waits for a shared connection: for a ConnectionPool's own files only.
#pragma once

#include "http/connection_pool.h"

namespace fetchd::http {

/// A place in a group's line. Whoever leaves it lets the next one look.
class ConnectionPool::InLine {
 public:
  InLine(const asio::any_io_executor& executor, Group& group)
      : group_(group), signal_(executor), place_(group.line.insert(group.line.end(), &signal_)) {}
  InLine(const InLine&) = delete;
  InLine& operator=(const InLine&) = delete;
  ~InLine() {
    group_.line.erase(place_);
    WakeFirst(group_);
  }
  bool first() const { return group_.line.front() == &signal_; }
  Task<void> Wait() { return signal_.Wait(); }

  static void WakeFirst(const Group& group) {
    if (!group.line.empty()) group.line.front()->Notify();
  }

 private:
  Group& group_;
  Signal signal_;
  const std::list<Signal*>::iterator place_;
};

/// While a connect is in flight that others wait for. When it is cancelled, the next in line
/// connects; when it failed, nobody waits for a second failure.
class ConnectionPool::Connecting {
 public:
  explicit Connecting(Group& group) : group_(group) { group_.connecting = true; }
  Connecting(const Connecting&) = delete;
  Connecting& operator=(const Connecting&) = delete;
  ~Connecting() {
    group_.connecting = false;
    InLine::WakeFirst(group_);
  }
  void Failed() { group_.unreachable = true; }

 private:
  Group& group_;
};

}  // namespace fetchd::http
