#include "http/digest_sessions.h"

#include <cstdio>
#include <random>

namespace fetchd::http {

std::string DigestSessions::Authorize(const DigestCredentials& credentials, std::string_view method,
                                      const Url& url, bool challenged) {
  DigestSession* session = Find({url.origin(), credentials.username});
  if (session == nullptr || !(challenged || session->Covers(url))) return {};
  return AnswerDigest(credentials, method, url.target(), *session);
}

void DigestSessions::Begin(const Origin& origin, const std::string& username,
                           DigestChallenge challenge) {
  End(origin, username);
  if (sessions_.size() == kMaxSessions) {
    sessions_.erase(uses_.back());
    uses_.pop_back();
  }
  uses_.emplace_front(origin, username);
  sessions_.emplace(uses_.front(),
                    Entry{DigestSession(std::move(challenge), new_cnonce_()), uses_.begin()});
}

void DigestSessions::UseNonce(const Origin& origin, const std::string& username,
                              std::string nonce) {
  if (DigestSession* session = Find({origin, username})) session->UseNonce(std::move(nonce));
}

void DigestSessions::End(const Origin& origin, const std::string& username) {
  const auto found = sessions_.find({origin, username});
  if (found == sessions_.end()) return;
  uses_.erase(found->second.use);
  sessions_.erase(found);
}

DigestSession* DigestSessions::Find(const Key& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  uses_.splice(uses_.begin(), uses_, found->second.use);
  return &found->second.session;
}

std::string RandomCnonce() {
  std::random_device random;
  char text[33];
  std::snprintf(text, sizeof text, "%08x%08x%08x%08x", random(), random(), random(), random());
  return text;
}

}  // namespace fetchd::http
