#include "net/tls_session_cache.h"

#include <utility>

namespace fetchd::net {

void TlsSessionCache::Put(const std::string& server, TlsSession session) {
  const std::lock_guard lock(mutex_);
  const auto found = by_server_.find(server);
  if (found != by_server_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    entries_.push_front({server, {}});
    by_server_.emplace(server, entries_.begin());
  }
  std::vector<TlsSession>& sessions = entries_.front().sessions;
  if (sessions.size() == kMaxPerServer) sessions.erase(sessions.begin());
  sessions.push_back(std::move(session));
  if (entries_.size() > max_servers_) {
    by_server_.erase(entries_.back().server);
    entries_.pop_back();
  }
}

TlsSession TlsSessionCache::Take(const std::string& server, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = by_server_.find(server);
  if (found == by_server_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<TlsSession>& sessions = entries_.front().sessions;
  std::erase_if(sessions,
                [now](const TlsSession& each) { return now - each.verified_at >= kMaxAge; });
  TlsSession taken;
  if (!sessions.empty()) {
    SSL_SESSION* newest = sessions.back().session.get();
    if (SSL_SESSION_get_protocol_version(newest) < TLS1_3_VERSION) {
      SSL_SESSION_up_ref(newest);
      return {SessionPtr(newest), sessions.back().verified_at};
    }
    taken = std::move(sessions.back());
    sessions.pop_back();
  }
  if (sessions.empty()) {
    entries_.pop_front();
    by_server_.erase(found);
  }
  return taken;
}

std::size_t TlsSessionCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace fetchd::net
