// The Digest sessions of one shard: a nonce is good for more than one request.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "http/digest_auth.h"

namespace fetchd::http {

/// One session an origin and user name; of too many, the one that was not used for longest goes.
/// Lives on one shard.
class DigestSessions {
 public:
  static constexpr std::size_t kMaxSessions = 256;

  /// `new_cnonce` makes client nonces that nobody can guess.
  explicit DigestSessions(std::function<std::string()> new_cnonce)
      : new_cnonce_(std::move(new_cnonce)) {}

  /// The Authorization value for a request, if a session covers it; empty else. What was
  /// `challenged` is covered, whatever the challenge says.
  std::string Authorize(const DigestCredentials& credentials, std::string_view method,
                        const Url& url, bool challenged);
  /// From now on `challenge`, in place of what there was.
  void Begin(const Origin& origin, const std::string& username, DigestChallenge challenge);
  /// The session's nonce from now on.
  void UseNonce(const Origin& origin, const std::string& username, std::string nonce);
  void End(const Origin& origin, const std::string& username);
  std::size_t size() const { return sessions_.size(); }

 private:
  using Key = std::pair<Origin, std::string>;
  struct Entry {
    DigestSession session;
    std::list<Key>::iterator use;
  };
  /// Marks it as used; null when there is none.
  DigestSession* Find(const Key& key);

  const std::function<std::string()> new_cnonce_;
  std::map<Key, Entry> sessions_;
  std::list<Key> uses_;  ///< Last used first.
};

/// 128 bits of the system's randomness, in hexadecimal.
std::string RandomCnonce();

}  // namespace fetchd::http
