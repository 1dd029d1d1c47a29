#include "net/tls_session_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"

namespace fetchd::net {
namespace {

SessionPtr Session(int version) {
  SessionPtr session(SSL_SESSION_new());
  SSL_SESSION_set_protocol_version(session.get(), version);
  return session;
}

TEST(TlsSessionCacheTest, Tls13TicketIsGivenOutOnce) {
  TlsSessionCache cache(10);
  cache.Put("a", Session(TLS1_3_VERSION));

  EXPECT_NE(cache.Take("a"), nullptr);
  EXPECT_EQ(cache.Take("a"), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(TlsSessionCacheTest, Tls12SessionIsGivenOutAgain) {
  TlsSessionCache cache(10);
  cache.Put("a", Session(TLS1_2_VERSION));

  EXPECT_NE(cache.Take("a"), nullptr);
  EXPECT_NE(cache.Take("a"), nullptr);
}

TEST(TlsSessionCacheTest, NewestFirstAndFewPerServer) {
  TlsSessionCache cache(10);
  SSL_SESSION* newest = nullptr;
  for (int i = 0; i < 10; ++i) {
    SessionPtr session = Session(TLS1_3_VERSION);
    newest = session.get();
    cache.Put("a", std::move(session));
  }

  EXPECT_EQ(cache.Take("a").get(), newest);
  int left = 0;
  while (cache.Take("a") != nullptr) ++left;
  EXPECT_EQ(left, 3);
}

TEST(TlsSessionCacheTest, LeastRecentlyUsedServerGoes) {
  TlsSessionCache cache(2);
  cache.Put("a", Session(TLS1_2_VERSION));
  cache.Put("b", Session(TLS1_2_VERSION));
  EXPECT_NE(cache.Take("a"), nullptr);
  cache.Put("c", Session(TLS1_2_VERSION));

  EXPECT_EQ(cache.Take("b"), nullptr);
  EXPECT_NE(cache.Take("a"), nullptr);
  EXPECT_EQ(cache.size(), 2u);
}

}  // namespace
}  // namespace fetchd::net
