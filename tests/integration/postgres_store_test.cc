// What PostgresStore does beside what every Store does: schema, keys, failures of the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "base/strings.h"
#include "postgres_backend.h"
#include "store/postgres_schema.h"

namespace fetchd::store {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds kLongEnough{30};

/// Asks until it is so; each question is a round trip to the server.
template <typename F>
bool Becomes(F is_so) {
  const auto end = std::chrono::steady_clock::now() + kLongEnough;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

// Longer than an entry of an index may be, and with nothing that could be made shorter.
std::string LongDestination() {
  std::mt19937 random(20261128);
  std::string path = "file:///";
  while (path.size() < 4000) path += Concat(random(), "/");
  return path;
}

class PostgresStoreTest : public ::testing::Test {
 protected:
  explicit PostgresStoreTest(testing::Postgres& server = testing::Postgres::Shared())
      : server_(server), url_(server_.MakeDatabase()) {}

  std::string Sql(const std::string& sql) { return server_.Query(url_, sql); }
  absl::Status OpenWith(KeyRing keys) {
    auto backend = std::make_unique<PostgresBackend>(url_);
    backend->keys = std::move(keys);
    jobs::StoreHarness harness(std::move(backend));
    return harness.Open();
  }

  testing::Postgres& server_;
  const std::string url_;
  jobs::StoreHarness harness_{std::make_unique<PostgresBackend>(url_)};
};

TEST_F(PostgresStoreTest, ANewerSchemaIsRefusedWithBothVersions) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  harness_.Close();
  Sql("UPDATE meta SET value = '99' WHERE key = 'schema_version'");

  const absl::Status refused = harness_.Open();

  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(MessageOf(refused), AllOf(HasSubstr("version 99"),
                                        HasSubstr(Concat("version ", kPostgresSchemaVersion))));
}

TEST_F(PostgresStoreTest, OfThoseThatStartTogetherOneMakesTheTables) {
  std::atomic<int> opened = 0;
  {
    std::vector<std::jthread> processes;
    for (int i = 0; i < 4; ++i) {
      processes.emplace_back([&] {
        jobs::StoreHarness harness(std::make_unique<PostgresBackend>(url_));
        const absl::Status status = harness.Open();
        EXPECT_EQ(status, absl::OkStatus());
        if (status.ok()) ++opened;
      });
    }
  }

  EXPECT_EQ(opened, 4);
  EXPECT_EQ(Sql("SELECT count(*) FROM schema_steps"), Concat(kPostgresSchemaVersion));
}

TEST_F(PostgresStoreTest, AServerThatIsNotThereIsUnavailableAndThePasswordInNoMessage) {
  const std::string port = Concat(testing::FreePort());
  jobs::StoreHarness harness(
      std::make_unique<PostgresBackend>("postgres://me:canary@127.0.0.1:" + port + "/x"));

  const absl::Status refused = harness.Open();

  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(MessageOf(refused), AllOf(HasSubstr(port), Not(HasSubstr("canary"))));
}

TEST_F(PostgresStoreTest, ADatabaseThatIsNotThereIsTold) {
  std::string url = url_;
  url.replace(url.find("/postgres?"), 10, "/nowhere?");
  jobs::StoreHarness harness(std::make_unique<PostgresBackend>(url));

  EXPECT_THAT(MessageOf(harness.Open()), HasSubstr("create the database"));
}

TEST_F(PostgresStoreTest, WhoHasNotTheKeysIsRefused) {
  ASSERT_EQ(OpenWith(TestKeys('a')), absl::OkStatus());
  {
    auto backend = std::make_unique<PostgresBackend>(url_);
    backend->keys = TestKeys('a');
    jobs::StoreHarness harness(std::move(backend));
    ASSERT_EQ(harness.Open(), absl::OkStatus());
    jobs::Job job = harness.NewJob();
    job.spec.credentials = BearerCredentials{Secret("token")};
    harness.Create(job);
  }

  const absl::Status refused = OpenWith(TestKeys('b'));

  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(MessageOf(refused), HasSubstr("which these keys does not hold"));
}

TEST_F(PostgresStoreTest, NoSecretIsInTheDatabaseInClear) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  jobs::Job job = harness_.NewJob("https://origin.test/a?X-Amz-Signature=canary1");
  job.spec.headers = {{"authorization", Secret("canary2")}};
  harness_.Create(job);

  EXPECT_EQ(Sql("SELECT count(*) FROM jobs WHERE CAST(jobs AS text) LIKE '%' || encode('canary',"
                " 'hex') || '%' OR CAST(jobs AS text) LIKE '%canary%'"),
            "0");
  EXPECT_EQ(harness_.Await(harness_.store().Get(job.id))->spec, job.spec);
}

TEST_F(PostgresStoreTest, ABadChangeHoldsUpNoOther) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  Sql("ALTER TABLE jobs ADD CHECK (priority <> 13)");
  std::vector<Task<absl::Status>> tasks;
  for (int i = 0; i < 20; ++i) {
    jobs::Job job = harness_.NewJob();
    job.priority = i == 10 ? 13 : 0;
    tasks.push_back([](jobs::Store& store, jobs::Job made) -> Task<absl::Status> {
      co_return (co_await store.Create(std::move(made))).status();
    }(harness_.store(), std::move(job)));
  }

  const std::vector<absl::Status> ends = harness_.AwaitAll(std::move(tasks));

  EXPECT_EQ(std::ranges::count_if(ends, &absl::Status::ok), 19);
  EXPECT_EQ(harness_.Await(harness_.store().Stats())->jobs.at(jobs::State::kQueued), 19u);
}

TEST_F(PostgresStoreTest, OfBodiesThatOneTransactionBringsToOnePlaceTheLastCounts) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  for (int i = 0; i < 20; ++i) harness_.CreateFor(i % 2 == 0 ? "a" : "b");
  std::vector<Task<absl::Status>> tasks;
  for (const jobs::Claim& claim : harness_.ClaimUpTo(20)) {
    jobs::Succeeded change;
    change.result = {.size_bytes = 10 + tasks.size(), .destination = LongDestination()};
    change.record.number = claim.job.attempt;
    tasks.push_back(
        [](jobs::Store& store, jobs::Claim ended, jobs::Succeeded how) -> Task<absl::Status> {
          co_return (co_await store.Update(ended.job.id, ended.fence, std::move(how))).status();
        }(harness_.store(), claim, std::move(change)));
  }

  EXPECT_THAT(harness_.AwaitAll(std::move(tasks)), Each(absl::OkStatus()));

  EXPECT_EQ(Sql("SELECT count(*) FROM bodies"), "1");
  EXPECT_EQ(Sql("SELECT string_agg(tenant || bytes, ' ') FROM stored_bytes WHERE bytes <> 0"),
            Sql("SELECT tenant || bytes FROM bodies"));
}

TEST_F(PostgresStoreTest, CommitsAreMeasured) {
  auto backend = std::make_unique<PostgresBackend>(url_);
  CommitMeter& commits = backend->commits;
  jobs::StoreHarness harness(std::move(backend));
  ASSERT_EQ(harness.Open(), absl::OkStatus());

  harness.Create(harness.NewJob());
  harness.Create(harness.NewJob());

  EXPECT_EQ(commits.took.Read().count(), 2u);
  EXPECT_GT(commits.took.Read().sum, Duration::zero());
  EXPECT_EQ(commits.changes.Read().sum, 2u);
}

TEST_F(PostgresStoreTest, ConnectionsThatAreCutAreMadeAgainAndNothingIsLostOrDoubled) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  for (int i = 0; i < 5; ++i) {
    Sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'fetchd' AND pid <> pg_backend_pid()");
    const jobs::Job job = harness_.Create(harness_.NewJob());
    EXPECT_TRUE(harness_.Await(harness_.store().Get(job.id)).ok());
  }

  EXPECT_EQ(Sql("SELECT count(*) FROM jobs"), "5");
  EXPECT_EQ(Sql("SELECT jobs FROM job_counts"), "5");
}

// The server ends the connection in the midst of COMMIT, once.
TEST_F(PostgresStoreTest, ACommitThatWasCutShortIsLookedUpAndRunAgainWhenItWasNone) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  Sql("CREATE SEQUENCE cuts;"
      "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " IF nextval('cuts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
      " RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED"
      " FOR EACH ROW EXECUTE FUNCTION cut()");

  const jobs::Job job = harness_.Create(harness_.NewJob());

  EXPECT_EQ(Sql("SELECT last_value FROM cuts"), "2");
  EXPECT_EQ(Sql("SELECT id FROM jobs"), job.id.str());
  EXPECT_EQ(Sql("SELECT sequence FROM events"), "1");
}

class OwnServer {
 protected:
  testing::Postgres own_server_;
};
class PostgresOutageTest : private OwnServer, public PostgresStoreTest {
 protected:
  PostgresOutageTest() : PostgresStoreTest(own_server_) {}
  testing::Postgres& server() { return own_server_; }
};

TEST_F(PostgresOutageTest, WithoutTheServerCallsAreUnavailableAndClaimsOutliveIt) {
  ASSERT_EQ(harness_.Open(), absl::OkStatus());
  jobs::Store& store = harness_.store();
  const jobs::Job waiting = harness_.Create(harness_.NewJob());
  const jobs::Claim claim = harness_.ClaimOne();
  server().Stop();

  EXPECT_TRUE(absl::IsUnavailable(harness_.Await(store.Create(harness_.NewJob())).status()));
  EXPECT_TRUE(absl::IsUnavailable(harness_.Await(store.Get(waiting.id)).status()));
  EXPECT_TRUE(absl::IsUnavailable(harness_.Await(store.ClaimReady(1, {})).status()));
  EXPECT_TRUE(absl::IsUnavailable(harness_.Await(store.Stats()).status()));
  server().Start();

  EXPECT_TRUE(Becomes([&] { return harness_.Await(store.Create(harness_.NewJob())).ok(); }));
  EXPECT_EQ(harness_.Finish(claim), absl::OkStatus());
  EXPECT_TRUE(Becomes([&] {
    const auto claims = harness_.Await(store.ClaimReady(1, {}));
    return claims.ok() && claims->size() == 1;
  }));
}

}  // namespace
}  // namespace fetchd::store
