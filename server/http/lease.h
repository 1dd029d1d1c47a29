// A connection, or a stream of one, that somebody uses.
#pragma once

#include <memory>

#include "http/channel.h"

namespace fetchd::http {

class ConnectionPool;
class Http2Stream;
struct PooledConnection;
struct MultiplexedConnection;

/// An HTTP/1.1 connection in use, or a stream of an HTTP/2 one. Dropped = closed, and its place is
/// free; reuse is asked for by the code that saw a clean end.
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();
  Channel& channel() const;
  bool reused() const { return reused_; }  ///< May be stale: one silent re-dial is allowed.
  /// Only after a clean end of response; a connection that is not reusable() is closed all the
  /// same. For a stream: as good as dropping it.
  void Recycle() &&;
  /// Nobody wants the rest of the response. A connection that little is left on is read to the end
  /// and recycled: here as far as the rest has come, then in the background. Else as good as
  /// dropping it.
  Task<void> ReadOut() &&;

 private:
  friend class ConnectionPool;
  Lease(ConnectionPool& pool, std::unique_ptr<PooledConnection> connection, bool reused);
  Lease(ConnectionPool& pool, std::shared_ptr<MultiplexedConnection> shared, bool reused);
  void Drop();

  ConnectionPool* pool_;
  std::unique_ptr<PooledConnection> connection_;   ///< Either this...
  std::shared_ptr<MultiplexedConnection> shared_;  ///< ... or these two.
  std::unique_ptr<Http2Stream> stream_;
  bool reused_;
};

}  // namespace fetchd::http
