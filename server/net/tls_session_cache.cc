#include "net/tls_session_cache.h"

#include <utility>

namespace fetchd::net {

void TlsSessionCache::Put(const std::string& server, SessionPtr session) {
  const std::lock_guard lock(mutex_);
  const auto found = by_server_.find(server);
  if (found != by_server_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    entries_.push_front({server, {}});
    by_server_.emplace(server, entries_.begin());
  }
  std::vector<SessionPtr>& sessions = entries_.front().sessions;
  if (sessions.size() == kMaxPerServer) sessions.erase(sessions.begin());
  sessions.push_back(std::move(session));
  if (entries_.size() > max_servers_) {
    by_server_.erase(entries_.back().server);
    entries_.pop_back();
  }
}

SessionPtr TlsSessionCache::Take(const std::string& server) {
  const std::lock_guard lock(mutex_);
  const auto found = by_server_.find(server);
  if (found == by_server_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<SessionPtr>& sessions = entries_.front().sessions;
  if (SSL_SESSION_get_protocol_version(sessions.back().get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(sessions.back().get());
    return SessionPtr(sessions.back().get());
  }
  SessionPtr session = std::move(sessions.back());
  sessions.pop_back();
  if (sessions.empty()) {
    entries_.pop_front();
    by_server_.erase(found);
  }
  return session;
}

std::size_t TlsSessionCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace fetchd::net
