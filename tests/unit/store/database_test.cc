#include "store/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sqlite_files.h"
#include "store/data_files.h"
#include "store/job_table.h"
#include "store/schema.h"

namespace fetchd::store {
namespace {

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
  for (const char* sql : {kNextPriority, kReadyJobs, kFirstReadyAt}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("jobs_ready (priority")) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("SCAN"))) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
  EXPECT_THAT(PlanOf(kReadyJobs), HasSubstr("priority=? AND ready_at<?"));
}

TEST_F(DatabaseTest, ExpiryReadsARangeOfTheDeadlineIndexWithoutSorting) {
  for (const char* sql : {kExpiredJobs, kFirstDeadlineAt}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("jobs_deadline")) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
  EXPECT_THAT(PlanOf(kExpiredJobs), HasSubstr("jobs_deadline (deadline_at<?)"));
}

TEST_F(DatabaseTest, AClaimAmongManyJobsReadsOnlyThoseThatAreReady) {
  // 100,000 jobs: half ended, half wait for their time at a high priority; and one ready at a low
  // one.
  ASSERT_EQ(
      database_->Execute(
          "INSERT INTO jobs (id, state, priority, ready_at, created_at, updated_at,"
          " deadline_at, attempt, fence, origin, destination, destination_template, overwrite,"
          " fingerprint, labels, spec, checkpoint, error)"
          " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
          " SELECT printf('%026d', i), iif(i % 2, 'SUCCEEDED', 'WAITING'), 50 + i % 4,"
          " 9000000000000000000, 0, 0, 0, 0, 0, '', '', '', 'ALWAYS', x'', '{}',"
          " '{\"urls\":[],\"headers\":[],\"digests\":[],\"timeouts\":{},\"retry\":{}}',"
          " '{\"bytes\":0}', '{}' FROM n"),
      absl::OkStatus());
  ASSERT_EQ(database_->Execute("UPDATE jobs SET state = 'QUEUED', priority = -100, ready_at = 0"
                               " WHERE id = printf('%026d', 77)"),
            absl::OkStatus());
  const Sealer sealer(std::string(Sealer::kKeyBytes, 'k'));
  JobTable table(*database_, sealer);
  // Counts the steps of SQLite's virtual machine, in units of 100.
  int hundreds = 0;
  sqlite3_progress_handler(
      database_->handle(), 100,
      [](void* count) {
        ++*static_cast<int*>(count);
        return 0;
      },
      &hundreds);

  const auto ready = table.Ready(kNow, 100);
  const auto next = table.NextReadyAt();

  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(ready->size(), 1u);
  EXPECT_EQ(**next, WallTime());
  EXPECT_LT(hundreds, 50);
}

}  // namespace
}  // namespace fetchd::store
