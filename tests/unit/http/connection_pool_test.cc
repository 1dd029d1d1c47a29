#include "http/connection_pool.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "fake_net.h"

namespace fetchd::http {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What the users of a pool saw, in order.
struct Log {
  std::vector<std::string> lines;
};

/// Leases, exchanges one request, holds, and recycles or drops.
struct User {
  std::string name;
  PoolKey key;
  Duration hold{};
  bool recycle = true;
  Duration pool_wait = Duration::max();
};

Task<absl::Status> UseConnection(ConnectionPool& pool, User user, Log& log) {
  std::optional<Lease> lease = pool.TryReuse(user.key.origin, user.key.tls_profile,
                                             user.key.proxy.get(), user.key.policy.get());
  if (!lease) {
    ExchangeRecord record;
    ConnectionPool::Want want{.key = user.key};
    want.timeouts.pool_wait = user.pool_wait;
    absl::StatusOr<Lease> acquired = co_await pool.Acquire(want, &record);
    if (!acquired.ok()) {
      log.lines.push_back(Concat(user.name, ": ", MessageOf(acquired.status())));
      co_return absl::OkStatus();
    }
    lease = *std::move(acquired);
  }
  const Request request(*Url::Parse(user.key.origin.ToString() + "/"));
  Channel& connection = lease->channel();
  CO_RETURN_IF_ERROR(connection.Begin(request, "", Timeouts{}, Deadline::Never()));
  CO_RETURN_IF_ERROR(co_await connection.Exchange());
  log.lines.push_back(Concat(user.name, lease->reused() ? " reuses" : " dials"));
  std::array<std::byte, 64> out;
  while (!connection.at_end()) CO_RETURN_IF_ERROR((co_await connection.ReadBody(out)).status());
  if (user.hold > Duration::zero()) co_await pool.clock().SleepFor(user.hold);
  if (user.recycle) std::move(*lease).Recycle();
  co_return absl::OkStatus();
}

PoolKey Host(const std::string& host, const std::string& tls_profile = "") {
  return {{"http", host, 80}, tls_profile};
}

/// After so long an idle connection is watched.
constexpr Duration kSettled = 2 * IdleConnections::kTick;

class ConnectionPoolTest : public ShardTest {
 protected:
  ~ConnectionPoolTest() override {
    tasks_.Cancel();
    Poll();
    pools_.clear();
    EXPECT_EQ(budget_->open(), 0U);
    EXPECT_EQ(budget_->waiting(), 0U);
    EXPECT_EQ(dials().in_flight, 0U);
    Poll();
  }

  void Open(BudgetLimits limits, std::size_t shards = 1, PoolConfig config = {}) {
    budget_ = std::make_unique<HostBudget>(limits, shards);
    for (std::size_t i = 0; i < shards; ++i) {
      pools_.push_back(
          std::make_unique<ConnectionPool>(context_.get_executor(), i, config, Deps()));
    }
  }
  ConnectionPool::Deps Deps() { return {*budget_, book_, dialer_, watchdog_, tasks_}; }
  Dials dials() { return book_.Read().all; }
  runtime::TaskHandle Start(User user, std::size_t shard = 0) {
    const std::string name = user.name;
    auto handle = tasks_.Spawn(name, UseConnection(*pools_[shard], std::move(user), log_));
    Poll();
    return handle;
  }

  Watchdog watchdog_{clock_, tasks_};
  FakeDialer dialer_{context_.get_executor()};
  OriginBook book_{clock_};
  std::unique_ptr<HostBudget> budget_;
  std::vector<std::unique_ptr<ConnectionPool>> pools_;
  Log log_;
};

TEST_F(ConnectionPoolTest, RecycledConnectionIsReused) {
  Open({});
  Start({.name = "a", .key = Host("x")});
  Start({.name = "b", .key = Host("x")});

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b reuses"));
  EXPECT_EQ(dials().requests, 2U);
  EXPECT_EQ(dials().opened, 1U);
  EXPECT_EQ(dials().reused, 1U);
}

TEST_F(ConnectionPoolTest, DroppedLeaseClosesItsConnection) {
  Open({});
  Start({.name = "a", .key = Host("x"), .recycle = false});

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(budget_->open(), 0U);
}

TEST_F(ConnectionPoolTest, ConnectionThatSaidCloseIsNotKept) {
  Open({});
  dialer_.answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
  Start({.name = "a", .key = Host("x")});

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(ConnectionPoolTest, TlsProfilesDoNotShare) {
  Open({});
  Start({.name = "a", .key = Host("x", "corp")});
  Start({.name = "b", .key = Host("x")});

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials"));
}

TEST_F(ConnectionPoolTest, StaleConnectionIsNotReused) {
  Open({});
  Start({.name = "a", .key = Host("x")});
  dialer_.peers[0]->stale = true;
  Start({.name = "b", .key = Host("x")});

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials"));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(ConnectionPoolTest, WaitersAreServedInOrder) {
  Open({.max_per_host = 1});
  for (const char* name : {"a", "b", "c", "d"}) {
    Start({.name = name, .key = Host("x"), .hold = seconds(1)});
  }
  EXPECT_THAT(log_.lines, ElementsAre("a dials"));

  for (int i = 0; i < 4; ++i) Pass(seconds(1));
  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b reuses", "c reuses", "d reuses"));
}

TEST_F(ConnectionPoolTest, DroppedPlaceLetsTheFirstWaiterDial) {
  Open({.max_per_host = 1});
  Start({.name = "a", .key = Host("x"), .hold = seconds(1), .recycle = false});
  Start({.name = "b", .key = Host("x"), .hold = seconds(1)});
  Start({.name = "c", .key = Host("x")});
  Pass(seconds(1));
  Pass(seconds(1));

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials", "c reuses"));
}

TEST_F(ConnectionPoolTest, ImpatientWaiterLeavesTheQueue) {
  Open({.max_per_host = 1});
  Start({.name = "holder", .key = Host("x"), .hold = seconds(10)});
  Start({.name = "impatient", .key = Host("x"), .pool_wait = seconds(2)});
  Start({.name = "patient", .key = Host("x")});

  Pass(seconds(2));
  EXPECT_THAT(log_.lines,
              ElementsAre("holder dials", "impatient: pool wait timeout after 2 s from x:80"));

  Pass(seconds(8));
  EXPECT_EQ(log_.lines.back(), "patient reuses");
}

TEST_F(ConnectionPoolTest, WaiterCancelledAtTheHandOverPassesThePlaceOn) {
  Open({.max_per_host = 1});
  Start({.name = "a", .key = Host("x"), .hold = seconds(1)});
  const runtime::TaskHandle cancelled = Start({.name = "b", .key = Host("x")});
  Start({.name = "c", .key = Host("x")});

  // The cancellation is on its way when the connection is handed over.
  clock_.Advance(seconds(1));
  cancelled.Cancel();
  Poll();

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "c dials"));
}

TEST_F(ConnectionPoolTest, CancelAtAnyMomentLeaksNoPlace) {
  Open({.max_per_host = 1});
  for (int steps = 0; steps < 40; ++steps) {
    const auto holder =
        tasks_.Spawn("holder", UseConnection(*pools_[0], {.name = "h", .key = Host("x")}, log_));
    const auto waiter =
        tasks_.Spawn("waiter", UseConnection(*pools_[0], {.name = "w", .key = Host("x")}, log_));
    context_.restart();
    for (int i = 0; i < steps; ++i) context_.poll_one();
    (steps % 2 == 0 ? holder : waiter).Cancel();
    Poll();
    (steps % 2 == 0 ? waiter : holder).Cancel();
    Poll();
    EXPECT_LE(budget_->open(), 1U) << steps;
    EXPECT_EQ(budget_->waiting(), 0U) << steps;

    log_.lines.clear();
    Start({.name = "next", .key = Host("x")});
    EXPECT_EQ(log_.lines.size(), 1U) << steps;
  }
}

TEST_F(ConnectionPoolTest, WaiterGetsAnotherPlaceWhenTheOneAskedForIsTaken) {
  Open({.max_connections = 2}, 3);
  Start({.name = "a", .key = Host("a")}, 0);
  Start({.name = "b", .key = Host("b")}, 1);
  tasks_.Spawn("c", UseConnection(*pools_[2], {.name = "c", .key = Host("c")}, log_));
  context_.restart();
  while (budget_->waiting() == 0) context_.poll_one();
  const std::optional<Lease> taken = pools_[0]->TryReuse(Host("a").origin, "", nullptr);
  Poll();

  EXPECT_TRUE(taken.has_value());
  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials", "c dials"));
}

TEST_F(ConnectionPoolTest, FailedDialGivesThePlaceToTheNextWaiter) {
  Open({.max_per_host = 1});
  dialer_.failure = absl::UnavailableError("refused");
  tasks_.Spawn("a", UseConnection(*pools_[0], {.name = "a", .key = Host("x")}, log_));
  tasks_.Spawn("b", UseConnection(*pools_[0], {.name = "b", .key = Host("x")}, log_));
  Poll();

  EXPECT_THAT(log_.lines, ElementsAre("a: refused", "b: refused"));
  EXPECT_EQ(budget_->open(), 0U);
}

TEST_F(ConnectionPoolTest, TooManyWaitersAreRefused) {
  Open({.max_per_host = 1, .max_waiters = 1});
  Start({.name = "a", .key = Host("x"), .hold = seconds(1)});
  Start({.name = "b", .key = Host("x")});
  Start({.name = "c", .key = Host("x")});

  EXPECT_THAT(log_.lines.back(), HasSubstr("c: too many"));
  EXPECT_EQ(pools_[0]->counters().rejected, 1U);
}

TEST_F(ConnectionPoolTest, LimitsHoldOverShards) {
  Open({.max_connections = 3, .max_per_host = 2}, 2);
  Start({.name = "a", .key = Host("x"), .hold = minutes(1)}, 0);
  Start({.name = "b", .key = Host("x"), .hold = minutes(1)}, 1);
  Start({.name = "c", .key = Host("x"), .hold = minutes(1)}, 0);
  Start({.name = "d", .key = Host("y"), .hold = minutes(1)}, 1);
  Start({.name = "e", .key = Host("z"), .hold = minutes(1)}, 1);

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials", "d dials"));
  EXPECT_EQ(budget_->waiting(), 2U);
}

TEST_F(ConnectionPoolTest, WaiterElsewhereGetsThePlaceWhenItCameFirst) {
  Open({.max_per_host = 1}, 2);
  Start({.name = "a", .key = Host("x"), .hold = seconds(1)}, 0);
  Start({.name = "b", .key = Host("x"), .hold = seconds(1)}, 1);
  Start({.name = "c", .key = Host("x")}, 0);
  Pass(seconds(1));
  Pass(seconds(1));

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials", "c dials"));
}

TEST_F(ConnectionPoolTest, IdleConnectionElsewhereIsClosedUnderPressure) {
  Open({.max_connections = 2}, 2);
  Start({.name = "a", .key = Host("x")}, 0);
  Start({.name = "b", .key = Host("y"), .hold = minutes(1)}, 0);
  EXPECT_EQ(budget_->open(), 2U);
  Start({.name = "c", .key = Host("z")}, 1);

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b dials", "c dials"));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_FALSE(dialer_.peers[1]->destroyed);
}

TEST_F(ConnectionPoolTest, IdleConnectionToTheSameHostElsewhereIsClosed) {
  Open({.max_per_host = 1}, 2);
  Start({.name = "other", .key = Host("y")}, 0);
  Start({.name = "a", .key = Host("x")}, 0);
  Start({.name = "b", .key = Host("x")}, 1);

  EXPECT_THAT(log_.lines, ElementsAre("other dials", "a dials", "b dials"));
  EXPECT_FALSE(dialer_.peers[0]->destroyed);
  EXPECT_TRUE(dialer_.peers[1]->destroyed);
}

TEST_F(ConnectionPoolTest, IdleConnectionExpiresWithoutBeingAskedFor) {
  Open({}, 1, {.idle_ttl = seconds(55)});
  Start({.name = "a", .key = Host("x")});
  Pass(seconds(54));
  EXPECT_FALSE(dialer_.peers[0]->destroyed);

  Pass(seconds(2));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(pools_[0]->counters().expired, 1U);
}

TEST_F(ConnectionPoolTest, PeerThatClosesAnIdleConnectionFreesItsPlaceAtOnce) {
  Open({});
  Start({.name = "a", .key = Host("x")});
  Pass(kSettled);
  dialer_.peers[0]->HangUp();
  Poll();

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(budget_->open(), 0U);
  EXPECT_EQ(pools_[0]->counters().lost, 1U);
}

TEST_F(ConnectionPoolTest, ConnectionThatIsUsedAgainAtOnceIsNotWatched) {
  Open({});
  for (int i = 0; i < 10; ++i) {
    Start({.name = "a", .key = Host("x")});
    Pass(IdleConnections::kTick / 2);
    EXPECT_FALSE(dialer_.peers[0]->watcher) << i;
  }
}

TEST_F(ConnectionPoolTest, ConnectionInUseIsNotWatched) {
  Open({});
  Start({.name = "a", .key = Host("x")});
  Pass(kSettled);
  EXPECT_TRUE(dialer_.peers[0]->watcher);
  Start({.name = "b", .key = Host("x"), .hold = minutes(1)});
  Pass(kSettled);

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b reuses"));
  EXPECT_FALSE(dialer_.peers[0]->watcher);
}

TEST_F(ConnectionPoolTest, InputThatIsNoneOfAResponseLeavesAConnectionIdle) {
  Open({});
  Start({.name = "a", .key = Host("x")});
  Pass(kSettled);
  dialer_.peers[0]->Stir();
  EXPECT_TRUE(dialer_.peers[0]->watcher);

  for (int i = 0; i < 20; ++i) dialer_.peers[0]->Stir();
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(pools_[0]->counters().lost, 1U);
}

TEST_F(ConnectionPoolTest, ConnectionIsNotKeptForLongerThanThePeerSays) {
  Open({}, 1, {.idle_ttl = seconds(55)});
  dialer_.answer = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=9\r\nContent-Length: 0\r\n\r\n";
  Start({.name = "a", .key = Host("x")});
  Pass(seconds(3));
  EXPECT_FALSE(dialer_.peers[0]->destroyed);

  Pass(kSettled + seconds(1));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(pools_[0]->counters().expired, 1U);
}

TEST_F(ConnectionPoolTest, ConnectionThatThePeerHardlyKeepsIsNotKept) {
  Open({});
  dialer_.answer = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n";
  Start({.name = "a", .key = Host("x")});

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(ConnectionPoolTest, ConnectionsExpireEachAtItsOwnTime) {
  Open({}, 1, {.idle_ttl = seconds(55)});
  Start({.name = "long", .key = Host("x")});
  dialer_.answer = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n";
  Start({.name = "short", .key = Host("y")});

  Pass(seconds(5));
  EXPECT_FALSE(dialer_.peers[0]->destroyed);
  EXPECT_TRUE(dialer_.peers[1]->destroyed);
  Pass(seconds(51));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(ConnectionPoolTest, ConnectionThatWasIdleForLongestGivesItsPlaceUp) {
  Open({.max_connections = 3});
  for (const char* host : {"x", "y", "z"}) Start({.name = host, .key = Host(host)});
  Start({.name = "x", .key = Host("x")});
  Start({.name = "new", .key = Host("new")});

  EXPECT_FALSE(dialer_.peers[0]->destroyed);
  EXPECT_TRUE(dialer_.peers[1]->destroyed);
  EXPECT_FALSE(dialer_.peers[2]->destroyed);
  EXPECT_EQ(pools_[0]->counters().evicted, 1U);
}

TEST_F(ConnectionPoolTest, OtherKeyOfTheSameHostGivesItsPlaceUp) {
  Open({.max_per_host = 2});
  Start({.name = "other", .key = Host("y")});
  Start({.name = "corp", .key = Host("x", "corp")});
  Pass(seconds(1));
  Start({.name = "lab", .key = Host("x", "lab")});
  Start({.name = "plain", .key = Host("x")});

  EXPECT_FALSE(dialer_.peers[0]->destroyed);
  EXPECT_TRUE(dialer_.peers[1]->destroyed);
  EXPECT_FALSE(dialer_.peers[2]->destroyed);
}

TEST_F(ConnectionPoolTest, WaitsAreObservedOnceARequest) {
  Open({.max_per_host = 1});
  Start({.name = "a", .key = Host("x"), .hold = seconds(2)});
  Start({.name = "b", .key = Host("x")});
  Pass(seconds(2));
  Start({.name = "c", .key = Host("x")});

  EXPECT_EQ(dials().pool_wait.count(), 3U);
  EXPECT_EQ(dials().pool_wait.counts.front(), 2U);
  EXPECT_EQ(dials().pool_wait.sum, seconds(2));
}

TEST_F(ConnectionPoolTest, DialsAreCountedByOrigin) {
  Open({});
  Start({.name = "a", .key = Host("x")});
  Start({.name = "b", .key = Host("x"), .hold = minutes(1)});
  Start({.name = "c", .key = Host("y")});

  const auto named = book_.Read().named;
  ASSERT_EQ(named.size(), 2U);
  EXPECT_EQ(named[0].origin.host, "x");
  EXPECT_EQ(named[0].dials.requests, 2U);
  EXPECT_EQ(named[0].dials.opened, 1U);
  EXPECT_EQ(named[0].dials.in_flight, 1U);
  EXPECT_EQ(named[1].dials.in_flight, 0U);
  EXPECT_EQ(named[1].dials.peak_in_flight, 1U);
}

TEST_F(ConnectionPoolTest, OldConnectionIsNotKept) {
  Open({}, 1, {.max_lifetime = minutes(10), .seed = 7});
  Start({.name = "a", .key = Host("x"), .hold = minutes(8)});
  Pass(minutes(8));
  EXPECT_FALSE(dialer_.peers[0]->destroyed);
  Start({.name = "b", .key = Host("x"), .hold = minutes(4)});
  Pass(minutes(4));

  EXPECT_THAT(log_.lines, ElementsAre("a dials", "b reuses"));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(ConnectionPoolTest, CloseFailsWaitersAndKeepsNothing) {
  Open({.max_per_host = 1});
  Start({.name = "a", .key = Host("x"), .hold = seconds(1)});
  Start({.name = "b", .key = Host("x")});
  budget_->Close();
  pools_[0]->Close();
  Poll();
  EXPECT_THAT(log_.lines.back(), HasSubstr("b: the HTTP client is closed"));

  Pass(seconds(1));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

PoolKey HostBy(const std::shared_ptr<const egress::Policy>& policy) {
  return {{"http", "x", 80}, "", nullptr, policy};
}

TEST_F(ConnectionPoolTest, NobodyRidesOnAConnectionThatAnotherPolicyLetThrough) {
  const std::shared_ptr<const egress::Policy> one = *egress::Policy::Create({});
  const std::shared_ptr<const egress::Policy> other = *egress::Policy::Create({});
  Open({});
  Start({.name = "one", .key = HostBy(one)});
  Start({.name = "other", .key = HostBy(other)});
  Start({.name = "nobody", .key = Host("x")});
  Start({.name = "one again", .key = HostBy(one)});

  EXPECT_THAT(log_.lines,
              ElementsAre("one dials", "other dials", "nobody dials", "one again reuses"));
  EXPECT_EQ(dialer_.requests[0].policy, one);
  EXPECT_EQ(dialer_.requests[1].policy, other);
  EXPECT_EQ(dialer_.requests[2].policy, nullptr);
}

TEST_F(ConnectionPoolTest, AConnectionIsHandedToNobodyWhoIsJudgedByAnotherPolicy) {
  const std::shared_ptr<const egress::Policy> one = *egress::Policy::Create({});
  const std::shared_ptr<const egress::Policy> other = *egress::Policy::Create({});
  Open({.max_connections = 1, .max_per_host = 1});
  Start({.name = "one", .key = HostBy(one), .hold = seconds(1)});
  Start({.name = "other", .key = HostBy(other)});
  clock_.Advance(seconds(1));
  Poll();

  EXPECT_THAT(log_.lines, ElementsAre("one dials", "other dials"));
}

}  // namespace
}  // namespace fetchd::http
