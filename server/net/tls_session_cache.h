// TLS sessions to resume, by server.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.h"

namespace fetchd::net {

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SessionPtr = std::unique_ptr<SSL_SESSION, SessionDeleter>;

struct TlsSession {
  SessionPtr session;
  /// When a certificate was last verified: a resumed connection shows none, and its tickets would
  /// pass that first look on for ever (RFC 8446 4.6.1).
  SteadyTime verified_at;
};

/// Thread-safe. Belongs to one trust profile: a session stands for a verification under that trust.
/// Shared with the connections, which may outlive the contexts.
class TlsSessionCache {
 public:
  /// How long a verification counts: a certificate that has expired, or lost its authority, is
  /// noticed within the hour.
  static constexpr Duration kMaxAge = std::chrono::hours(1);

  explicit TlsSessionCache(std::size_t max_servers) : max_servers_(max_servers) {}

  void Put(const std::string& server, TlsSession session);
  /// The newest session younger than kMaxAge; a null session when there is none. A TLS 1.3 ticket
  /// is given out once (RFC 8446 C.4), an older session as often as asked.
  TlsSession Take(const std::string& server, SteadyTime now);
  std::size_t size() const;  ///< Servers with a session.

 private:
  struct Entry {
    std::string server;
    std::vector<TlsSession> sessions;  ///< Oldest first, at most kMaxPerServer.
  };
  static constexpr std::size_t kMaxPerServer = 4;

  const std::size_t max_servers_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  ///< Most recently used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_server_;
};

}  // namespace fetchd::net
