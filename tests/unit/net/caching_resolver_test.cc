#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/resolver.h"
#include "support/manual_clock.h"
#include "unit/net/loop.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using asio::ip::make_address;
using ::testing::ElementsAre;
using Answer = absl::StatusOr<Resolution>;

/// Answers from a table, at once or when the gate opens.
class FakeResolver final : public Resolver {
 public:
  FakeResolver(const asio::any_io_executor& executor, Clock& clock)
      : clock_(clock), gate_(executor, asio::steady_timer::time_point::min()) {}

  void Set(const std::string& host, Answer answer) {
    answers_.insert_or_assign(host, std::move(answer));
  }
  void CloseGate() { gate_.expires_at(asio::steady_timer::time_point::max()); }
  void OpenGate() { gate_.expires_at(asio::steady_timer::time_point::min()); }
  int calls() const { return calls_; }

  Task<Answer> Resolve(std::string host, Deadline deadline) override {
    ++calls_;
    co_return co_await WithDeadline(clock_, deadline, "DNS timed out", Lookup(std::move(host)));
  }

 private:
  Task<Answer> Lookup(std::string host) {
    co_await gate_.async_wait(kTuple);
    co_await asio::post(gate_.get_executor(), asio::use_awaitable);  // Throws when cancelled.
    co_return answers_.at(host);
  }

  Clock& clock_;
  asio::steady_timer gate_;
  std::map<std::string, Answer> answers_;
  int calls_ = 0;
};

class CachingResolverTest : public ::testing::Test {
 protected:
  CachingResolverTest() { Make({}); }
  ~CachingResolverTest() override { loop_.Stop(); }

  void Make(ResolverConfig config) {
    auto upstream = std::make_unique<FakeResolver>(loop_.executor(), clock_);
    upstream_ = upstream.get();
    resolver_ = MakeCachingResolver(loop_.executor(), clock_, config, std::move(upstream));
  }
  static Answer WithTtl(Duration ttl) { return Resolution{{make_address("192.0.2.1")}, ttl}; }
  Answer Resolve(const std::string& host) {
    return loop_.Run(resolver_->Resolve(host, Deadline::Never()));
  }

  testing::ManualClock clock_;
  Loop loop_;
  FakeResolver* upstream_ = nullptr;
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(CachingResolverTest, AnswersFromTheCacheUntilTheTtlEnds) {
  upstream_->Set("a.test", WithTtl(30s));
  EXPECT_FALSE(Resolve("a.test")->cached);

  clock_.Advance(30s - 1ns);
  const Answer cached = Resolve("a.test");
  EXPECT_TRUE(cached->cached);
  EXPECT_THAT(cached->addresses, ElementsAre(make_address("192.0.2.1")));
  EXPECT_EQ(upstream_->calls(), 1);

  clock_.Advance(1ns);
  EXPECT_FALSE(Resolve("a.test")->cached);
  EXPECT_EQ(upstream_->calls(), 2);
}

TEST_F(CachingResolverTest, TtlIsClampedAtBothEnds) {
  upstream_->Set("zero.test", WithTtl(0s));
  upstream_->Set("day.test", WithTtl(24h));
  Resolve("zero.test").IgnoreError();
  Resolve("day.test").IgnoreError();

  clock_.Advance(1s - 1ns);
  EXPECT_TRUE(Resolve("zero.test")->cached);
  clock_.Advance(59s);
  EXPECT_TRUE(Resolve("day.test")->cached);
  clock_.Advance(1ns);
  EXPECT_FALSE(Resolve("day.test")->cached);
}

TEST_F(CachingResolverTest, NotFoundIsKeptForItsOwnTime) {
  upstream_->Set("gone.test", absl::NotFoundError("no"));
  EXPECT_TRUE(absl::IsNotFound(Resolve("gone.test").status()));
  clock_.Advance(5s - 1ns);
  EXPECT_TRUE(absl::IsNotFound(Resolve("gone.test").status()));
  EXPECT_EQ(upstream_->calls(), 1);

  clock_.Advance(1ns);
  EXPECT_TRUE(absl::IsNotFound(Resolve("gone.test").status()));
  EXPECT_EQ(upstream_->calls(), 2);
}

TEST_F(CachingResolverTest, OtherFailuresAreNotKept) {
  upstream_->Set("down.test", absl::UnavailableError("down"));
  EXPECT_TRUE(absl::IsUnavailable(Resolve("down.test").status()));
  upstream_->Set("down.test", WithTtl(30s));

  EXPECT_TRUE(Resolve("down.test").ok());
}

TEST_F(CachingResolverTest, LeastRecentlyUsedEntryGoes) {
  Make({.max_entries = 2});
  for (const char* host : {"a.test", "b.test", "c.test"}) upstream_->Set(host, WithTtl(30s));
  Resolve("a.test").IgnoreError();
  Resolve("b.test").IgnoreError();
  EXPECT_TRUE(Resolve("a.test")->cached);

  Resolve("c.test").IgnoreError();
  EXPECT_TRUE(Resolve("a.test")->cached);
  EXPECT_FALSE(Resolve("b.test")->cached);
}

TEST_F(CachingResolverTest, OneLookupInFlightAName) {
  upstream_->Set("a.test", WithTtl(30s));
  upstream_->CloseGate();
  std::optional<Answer> first, second;
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &first);
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &second);
  loop_.Poll();
  EXPECT_EQ(upstream_->calls(), 1);

  upstream_->OpenGate();
  loop_.RunUntil([&] { return first && second; });
  EXPECT_TRUE(first->ok() && second->ok());
  EXPECT_EQ(upstream_->calls(), 1);
}

TEST_F(CachingResolverTest, FailureReachesAllWhoWaited) {
  upstream_->Set("a.test", absl::UnavailableError("down"));
  upstream_->CloseGate();
  std::optional<Answer> first, second;
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &first);
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &second);
  loop_.Poll();

  upstream_->OpenGate();
  loop_.RunUntil([&] { return first && second; });
  EXPECT_TRUE(absl::IsUnavailable(second->status()));
  EXPECT_EQ(upstream_->calls(), 1);
}

TEST_F(CachingResolverTest, OthersGetTheirAnswerWhenTheFirstCallerIsCancelled) {
  upstream_->Set("a.test", WithTtl(30s));
  upstream_->CloseGate();
  std::optional<Answer> first, second, third;
  const auto leader = loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &first);
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &second);
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &third);
  loop_.Poll();

  leader.Cancel();
  loop_.Poll();
  upstream_->OpenGate();
  loop_.RunUntil([&] { return second && third; });
  EXPECT_FALSE(first);
  EXPECT_TRUE(second->ok() && third->ok());
  EXPECT_EQ(upstream_->calls(), 2);
}

TEST_F(CachingResolverTest, WaiterKeepsItsOwnDeadline) {
  upstream_->Set("a.test", WithTtl(30s));
  upstream_->CloseGate();
  std::optional<Answer> patient, hasty;
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &patient);
  loop_.Start(resolver_->Resolve("a.test", Deadline::After(clock_, 1s)), &hasty);
  loop_.Poll();

  clock_.Advance(1s);
  loop_.RunUntil([&] { return hasty.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(hasty->status()));
  EXPECT_FALSE(patient);

  upstream_->OpenGate();
  loop_.RunUntil([&] { return patient.has_value(); });
  EXPECT_TRUE(patient->ok());
}

class StaleAnswerTest : public CachingResolverTest {
 protected:
  StaleAnswerTest() {
    upstream_->Set("a.test", WithTtl(30s));
    Resolve("a.test").IgnoreError();
    clock_.Advance(30s);
  }
};

TEST_F(StaleAnswerTest, ServesWhileUpstreamFailsAndUpstreamIsAskedEvery30Seconds) {
  upstream_->Set("a.test", absl::UnavailableError("server failure"));
  const Answer stale = Resolve("a.test");
  ASSERT_TRUE(stale.ok()) << stale.status();
  EXPECT_TRUE(stale->cached);
  EXPECT_THAT(stale->addresses, ElementsAre(make_address("192.0.2.1")));
  EXPECT_EQ(upstream_->calls(), 2);

  clock_.Advance(30s - 1ns);
  EXPECT_TRUE(Resolve("a.test").ok());
  EXPECT_EQ(upstream_->calls(), 2);

  clock_.Advance(1ns);
  EXPECT_TRUE(Resolve("a.test").ok());
  EXPECT_EQ(upstream_->calls(), 3);
}

TEST_F(StaleAnswerTest, HasteOfOneCallerServesItToNobody) {
  upstream_->CloseGate();
  std::optional<Answer> hasty;
  loop_.Start(resolver_->Resolve("a.test", Deadline::After(clock_, 1ms)), &hasty);
  loop_.Poll();
  clock_.Advance(1ms);
  loop_.RunUntil([&] { return hasty.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(hasty->status())) << hasty->status();

  upstream_->OpenGate();
  upstream_->Set("a.test", absl::NotFoundError("moved away"));
  EXPECT_TRUE(absl::IsNotFound(Resolve("a.test").status()));
}

TEST_F(StaleAnswerTest, ServesAfter1800MsWhileUpstreamIsSilent) {
  upstream_->CloseGate();
  std::optional<Answer> first, second;
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &first);
  loop_.Start(resolver_->Resolve("a.test", Deadline::Never()), &second);
  loop_.Poll();
  ASSERT_EQ(clock_.NextWakeAt(), clock_.Now() + 1800ms);

  clock_.Advance(1800ms);
  loop_.RunUntil([&] { return first && second; });
  EXPECT_TRUE(first->ok()) << first->status();
  EXPECT_TRUE(second->ok()) << second->status();
  EXPECT_EQ(upstream_->calls(), 2);
}

TEST_F(StaleAnswerTest, ServesNoLongerThanConfigured) {
  upstream_->Set("a.test", absl::UnavailableError("server failure"));
  clock_.Advance(1h - 10s);
  EXPECT_TRUE(Resolve("a.test").ok());
  clock_.Advance(10s - 1ns);  // Less than the 30 s after which upstream would be asked again.
  EXPECT_TRUE(Resolve("a.test").ok());

  clock_.Advance(1ns);
  EXPECT_TRUE(absl::IsUnavailable(Resolve("a.test").status()));
}

TEST_F(StaleAnswerTest, NeverAfterTheNameWasDenied) {
  upstream_->Set("a.test", absl::NotFoundError("no"));
  EXPECT_TRUE(absl::IsNotFound(Resolve("a.test").status()));
  upstream_->Set("a.test", absl::UnavailableError("server failure"));
  clock_.Advance(5s);

  EXPECT_TRUE(absl::IsUnavailable(Resolve("a.test").status()));
}

TEST_F(StaleAnswerTest, GivesWayToANewAnswer) {
  upstream_->Set("a.test", absl::UnavailableError("server failure"));
  Resolve("a.test").IgnoreError();
  upstream_->Set("a.test", Resolution{{make_address("192.0.2.2")}, 30s});
  clock_.Advance(30s);
  const Answer fresh = Resolve("a.test");

  ASSERT_TRUE(fresh.ok()) << fresh.status();
  EXPECT_FALSE(fresh->cached);
  EXPECT_THAT(fresh->addresses, ElementsAre(make_address("192.0.2.2")));
}

TEST_F(CachingResolverTest, WithoutStaleIfErrorAnOldAnswerIsGone) {
  Make({.stale_if_error = 0s});
  upstream_->Set("a.test", WithTtl(30s));
  Resolve("a.test").IgnoreError();
  clock_.Advance(30s);
  upstream_->Set("a.test", absl::UnavailableError("server failure"));

  EXPECT_TRUE(absl::IsUnavailable(Resolve("a.test").status()));
}

}  // namespace
}  // namespace fetchd::net
