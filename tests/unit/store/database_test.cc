#include "store/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "sqlite_files.h"
#include "store/batch_table.h"
#include "store/data_files.h"
#include "store/job_table.h"
#include "store/ready_jobs.h"
#include "store/schema.h"
#include "store/sqlite_session.h"

namespace fetchd::store {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr WallTime kNow{std::chrono::hours(1000)};

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(EnsureFile(files_.database()), absl::OkStatus());
    auto opened = Database::Open(files_.database(), Database::Mode::kReadWrite);
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_.emplace(*std::move(opened));
    ASSERT_EQ(Migrate(*database_), absl::OkStatus());
  }

  std::string PlanOf(const char* sql) {
    Query query(*database_, Concat("EXPLAIN QUERY PLAN ", sql), {});
    std::string plan;
    while (*query.Step()) plan += query.Text(3) + "\n";
    return plan;
  }

  SqliteFiles files_;
  std::optional<Database> database_;
};

TEST_F(DatabaseTest, EachCommitIsSynced) {
  Query journal(*database_, "PRAGMA journal_mode");
  ASSERT_TRUE(*journal.Step());
  EXPECT_EQ(journal.Text(0), "wal");
  Query synchronous(*database_, "PRAGMA synchronous");
  ASSERT_TRUE(*synchronous.Step());
  EXPECT_EQ(synchronous.Int(0), 2) << "FULL";
}

TEST_F(DatabaseTest, AQueryThatDoesNotParseSaysSoAtItsFirstStep) {
  Query query(*database_, "SELECT nothing FROM nowhere", 1);

  EXPECT_TRUE(absl::IsInternal(query.Step().status()));
}

TEST_F(DatabaseTest, MigratingAgainChangesNothing) {
  EXPECT_EQ(Migrate(*database_), absl::OkStatus());
}

TEST_F(DatabaseTest, ClaimsReadRangesOfTheReadyIndexWithoutSorting) {
  for (const char* sql :
       {kFirstDueAt, kNextTenant, kNextLaneOfOrigin, kNextLane, kNextPriority, kNextJob}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("COVERING INDEX jobs_")) << sql;
    if (sql != kFirstDueAt) EXPECT_THAT(plan, Not(HasSubstr("SCAN"))) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
  EXPECT_THAT(PlanOf(kNextTenant), HasSubstr("jobs_ready (tenant>?)"));
  EXPECT_THAT(PlanOf(kNextLane), HasSubstr("jobs_ready (tenant=? AND lane>?)"));
  EXPECT_THAT(
      PlanOf(kNextJob),
      HasSubstr(
          "jobs_ready (tenant=? AND lane=? AND retry=? AND priority=? AND (ready_at,id)>(?,?))"));
}

TEST_F(DatabaseTest, ExpiryReadsARangeOfTheDeadlineIndexWithoutSorting) {
  for (const char* sql : {kExpiredJobs, kFirstDeadlineAt}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("jobs_deadline")) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
  EXPECT_THAT(PlanOf(kExpiredJobs), HasSubstr("jobs_deadline (deadline_at<?)"));
}

TEST_F(DatabaseTest, JobsOfABatchAreRangesOfIndexesWithoutSorting) {
  for (const char* sql : {kJobsOfBatchInState, kJobsOfBatch, kJobOfEntry, kJobsWithError,
                          kEntriesWithError, kNextAction}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("SEARCH")) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("SCAN"))) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
}

TEST_F(DatabaseTest, ListsOfBatchesAreRangesOfIndexesWithoutSorting) {
  EXPECT_THAT(PlanOf(kBatchesOfTenant), HasSubstr("batches_by_tenant (tenant=? AND id<?)"));
  EXPECT_THAT(PlanOf(kBatches), HasSubstr("(id<?)"));
  for (const char* sql : {kBatches, kBatchesOfTenant}) {
    EXPECT_THAT(PlanOf(sql), Not(HasSubstr("SCAN"))) << sql;
    EXPECT_THAT(PlanOf(sql), Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
}

TEST_F(DatabaseTest, JobsWithMirrorsAreFoundByIndexEntriesAlone) {
  const std::string plan = PlanOf(kMirroredJobs);

  EXPECT_THAT(plan, HasSubstr("COVERING INDEX jobs_mirrored (lane=? AND id>?)"));
  EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE")));
}

// See kVersion11 in schema.cc.
TEST_F(DatabaseTest, ChangingAJobMakesNoTablesInMemory) {
  Query query(*database_,
              "EXPLAIN UPDATE jobs SET state = 'RUNNING', ready_at = 1, deadline_at = 1, lane = '',"
              " retry = 1 WHERE id = ''");
  std::set<std::string> operations;
  while (*query.Step()) operations.insert(query.Text(1));

  EXPECT_THAT(operations, Contains("IdxInsert"));
  EXPECT_THAT(operations, Not(Contains("OpenEphemeral")));
}

/// Counts the steps of SQLite's virtual machine, in hundreds.
class StepCounter {
 public:
  explicit StepCounter(Database& database) {
    const auto count = [](void* steps) {
      ++*static_cast<int*>(steps);
      return 0;
    };
    sqlite3_progress_handler(SqliteHandle(database), 100, count, &hundreds_);
  }
  int hundreds() const { return hundreds_; }

 private:
  int hundreds_ = 0;
};

class ManyJobsTest : public DatabaseTest {
 protected:
  /// `origin` and `tenant` are SQL for the lane of job number i.
  void Insert(int count, const std::string& origin, const std::string& ready_at,
              const std::string& tenant = "'default'") {
    ASSERT_EQ(
        database_->Execute(
            Concat("INSERT INTO jobs (id, state, priority, ready_at, created_at, updated_at,"
                   " deadline_at, attempt, fence, origin, destination, destination_template,"
                   " overwrite, fingerprint, labels, spec, checkpoint, error, lane, tenant)"
                   " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
                   count,
                   ") SELECT printf('%026d', i), iif(i % 2, 'SUCCEEDED', 'WAITING'),"
                   " 50 + i % 4, ",
                   ready_at,
                   ", 0, 0, 0, 0, 0, '', '', '', 'ALWAYS', x'', '{}',"
                   " '{\"urls\":[],\"headers\":[],\"digests\":[],\"timeouts\":{},\"retry\":{}}',"
                   " '{\"bytes\":0}', '{}', ",
                   origin, ", ", tenant, " FROM n")
                .c_str()),
        absl::OkStatus());
  }
  void MakeReady(int job) {
    ASSERT_EQ(database_->Execute(Concat("UPDATE jobs SET state = 'QUEUED', priority = -100,"
                                        " ready_at = 0 WHERE id = printf('%026d', ",
                                        job, ")")
                                     .c_str()),
              absl::OkStatus());
  }
  ClaimOrder order_;
};

TEST_F(ManyJobsTest, AClaimReadsOnlyThoseThatAreReady) {
  // Half have ended, half wait for their time at a high priority; and one is ready at a low one.
  Insert(100'000, "''", "9000000000000000000");
  MakeReady(77);
  const StepCounter steps(*database_);

  const auto ready = ReadyJobs(*database_, kNow, 100, {}, order_);
  const auto next = NextReadyAt(*database_, kNow, {});

  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(ready->size(), 1u);
  EXPECT_EQ(*next, kNow);
  EXPECT_LT(steps.hundreds(), 50);
}

TEST_F(ManyJobsTest, NothingThatIsDueCostsNextToNothingHoweverManyOriginsThereAre) {
  Insert(100'000, "'https://h' || i || '.test'", "9000000000000000000");
  const StepCounter steps(*database_);

  EXPECT_TRUE(ReadyJobs(*database_, kNow, 100, {}, order_)->empty());
  EXPECT_GT(**NextReadyAt(*database_, kNow, {}), kNow);
  EXPECT_LT(steps.hundreds(), 5);
}

TEST_F(ManyJobsTest, AClaimCostsByOriginAndByJobTakenNotByJob) {
  Insert(100'000, "'https://h' || (i % 20) || '.test'", "0");
  const StepCounter steps(*database_);

  EXPECT_EQ(ReadyJobs(*database_, kNow, 64, {}, order_)->size(), 64u);
  EXPECT_LT(steps.hundreds(), 200);
}

TEST_F(ManyJobsTest, OriginsBeyondThoseThatOneClaimLooksAtAreLookedAtInTurn) {
  Insert(1000, "'https://h' || i || '.test'", "0");
  std::set<std::string> seen;

  for (int i = 0; i < 10; ++i) {
    const auto ready = ReadyJobs(*database_, kNow, 100, {}, order_, {.lanes = 50});
    EXPECT_EQ(ready->size(), 50u);
    seen.insert(ready->begin(), ready->end());
  }

  EXPECT_EQ(seen.size(), 500u);
}

TEST_F(ManyJobsTest, EachOfManyTenantsGetsItsTurnInOneClaimHoweverManyOriginsAnotherHas) {
  Insert(20'000, "'https://h' || i || '.test'", "0",
         "iif(i % 100 = 1, 'small' || (i / 1000), 'large')");
  ASSERT_EQ(database_->Execute("UPDATE jobs SET state = 'WAITING'"), absl::OkStatus());
  std::set<std::string> tenants;
  const auto of_tenant = [&tenants](const std::string& tenant) {
    tenants.insert(tenant);
    return jobs::Share{.jobs = 1};
  };

  const auto ready = ReadyJobs(*database_, kNow, 64, {.of_tenant = of_tenant}, order_);

  EXPECT_EQ(tenants.size(), 21u);
  EXPECT_EQ(ready->size(), 21u);
}

TEST_F(ManyJobsTest, TenantsBeyondThoseThatOneClaimLooksAtAreLookedAtInTurn) {
  Insert(200, "'https://h.test'", "0", "'tenant' || i");
  std::set<std::string> seen;

  for (int i = 0; i < 4; ++i) {
    const auto ready = ReadyJobs(*database_, kNow, 100, {}, order_, {.tenants = 25});
    EXPECT_EQ(ready->size(), 25u);
    seen.insert(ready->begin(), ready->end());
  }

  EXPECT_EQ(seen.size(), 100u);
}

TEST_F(ManyJobsTest, ALookAtABatchCostsTheSameHoweverManyJobsItHas) {
  const BatchId id = *BatchId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
  BatchTable table(*database_);
  jobs::Batch batch;
  batch.id = id;
  ASSERT_EQ(table.Insert(batch), absl::OkStatus());
  Insert(100'000, "''", "0");
  ASSERT_EQ(database_->Execute(Concat("UPDATE jobs SET batch = '", id.str(),
                                      "', batch_entry = rowid, state = 'FAILED',"
                                      " error_kind = '5/404/HTTP_STATUS'")
                                   .c_str()),
            absl::OkStatus());
  const jobs::BatchShare share{jobs::EntryFate::kFailed, 1, "5/404/HTTP_STATUS"};
  ASSERT_EQ(table.Count(id, share, 1), absl::OkStatus());
  const StepCounter steps(*database_);

  EXPECT_TRUE(table.Load(id).ok());
  EXPECT_EQ(table.Errors(id)->at(0).samples.size(), 5u);
  EXPECT_EQ(table.JobsIn(id, {jobs::State::kFailed}, "", 200)->size(), 200u);
  EXPECT_EQ(table.Jobs(id, 200)->size(), 200u);

  EXPECT_LT(steps.hundreds(), 100);
}

// Where several processes share a store, one may ask for something else while another is at work.
TEST_F(DatabaseTest, AStepOfABatchDoesNotOverwriteWhatWasAskedMeanwhile) {
  BatchTable table(*database_);
  jobs::Batch batch;
  batch.id = *BatchId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
  ASSERT_EQ(table.Insert(batch), absl::OkStatus());
  batch.action = jobs::BatchAction::kRetryAll;
  ASSERT_EQ(table.SaveRequest(batch, true), absl::OkStatus());
  const BatchTable::Pending step = **table.NextPending("");
  batch.action = jobs::BatchAction::kCancel;
  ASSERT_EQ(table.SaveRequest(batch, true), absl::OkStatus());

  ASSERT_EQ(table.SaveActionAfter(step, "behind"), absl::OkStatus());
  ASSERT_EQ(table.EndAction(step), absl::OkStatus());

  const auto pending = *table.NextPending("");
  ASSERT_TRUE(pending.has_value());
  EXPECT_EQ(pending->action, jobs::BatchAction::kCancel);
  EXPECT_EQ(pending->after, "");
}

}  // namespace
}  // namespace fetchd::store
