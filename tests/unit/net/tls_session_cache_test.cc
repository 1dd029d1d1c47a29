#include "net/tls_session_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "base/strings.h"

namespace fetchd::net {
namespace {

using std::chrono::seconds;

const SteadyTime kNow = SteadyTime() + std::chrono::hours(5);

TlsSession Session(int version, SteadyTime verified_at = kNow) {
  SessionPtr session(SSL_SESSION_new());
  SSL_SESSION_set_protocol_version(session.get(), version);
  return {std::move(session), verified_at};
}

SessionPtr Take(TlsSessionCache& cache, const std::string& server, SteadyTime now = kNow) {
  return std::move(cache.Take(server, now).session);
}

TEST(TlsSessionCacheTest, Tls13TicketIsGivenOutOnce) {
  TlsSessionCache cache(10);
  cache.Put("a", Session(TLS1_3_VERSION));

  EXPECT_NE(Take(cache, "a"), nullptr);
  EXPECT_EQ(Take(cache, "a"), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(TlsSessionCacheTest, Tls12SessionIsGivenOutAgain) {
  TlsSessionCache cache(10);
  cache.Put("a", Session(TLS1_2_VERSION));

  EXPECT_NE(Take(cache, "a"), nullptr);
  EXPECT_NE(Take(cache, "a"), nullptr);
}

TEST(TlsSessionCacheTest, NewestFirstAndFewPerServer) {
  TlsSessionCache cache(10);
  SSL_SESSION* newest = nullptr;
  for (int i = 0; i < 10; ++i) {
    TlsSession session = Session(TLS1_3_VERSION);
    newest = session.session.get();
    cache.Put("a", std::move(session));
  }

  EXPECT_EQ(Take(cache, "a").get(), newest);
  int left = 0;
  while (Take(cache, "a") != nullptr) ++left;
  EXPECT_EQ(left, 3);
}

TEST(TlsSessionCacheTest, LeastRecentlyUsedServerGoes) {
  TlsSessionCache cache(2);
  cache.Put("a", Session(TLS1_2_VERSION));
  cache.Put("b", Session(TLS1_2_VERSION));
  EXPECT_NE(Take(cache, "a"), nullptr);
  cache.Put("c", Session(TLS1_2_VERSION));

  EXPECT_EQ(Take(cache, "b"), nullptr);
  EXPECT_NE(Take(cache, "a"), nullptr);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(TlsSessionCacheTest, SessionGoesWithTheVerificationBehindIt) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsSessionCache cache(10);
    cache.Put("a", Session(version, kNow));
    cache.Put("a", Session(version, kNow - seconds(1)));
    const SteadyTime last = kNow + TlsSessionCache::kMaxAge - seconds(1);

    const TlsSession taken = cache.Take("a", last);
    EXPECT_NE(taken.session, nullptr);
    EXPECT_EQ(taken.verified_at, kNow);  // The other is too old, though it came later.
    EXPECT_EQ(Take(cache, "a", last + seconds(1)), nullptr);
    EXPECT_EQ(cache.size(), 0u);
  }
}

}  // namespace
}  // namespace fetchd::net
