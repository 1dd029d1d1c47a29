// How PostgreSQL runs what is asked of it all the time, with many rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "postgres_backend.h"
#include "store/allotments.h"
#include "store/batch_table.h"
#include "store/job_table.h"
#include "store/ready_jobs.h"
#include "store/sql_text.h"
#include "store/transaction_end.h"

namespace fetchd::store {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PostgresPlansTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    url() = testing::Postgres::Shared().MakeDatabase();
    jobs::StoreHarness harness(std::make_unique<PostgresBackend>(url()));
    ASSERT_EQ(harness.Open(), absl::OkStatus());
    harness.Close();
    // One in twenty waits; of these half are due.
    const std::string made = testing::Postgres::Shared().Query(
        url(),
        "INSERT INTO jobs (id, state, priority, ready_at, created_at, updated_at, deadline_at,"
        " attempt, fence, origin, lane, tenant, destination, destination_template, overwrite,"
        " fingerprint, labels, spec, checkpoint, error, mirrored, batch, batch_entry, error_kind)"
        " SELECT lpad(CAST(i AS text), 26, '0'), CASE WHEN i % 20 = 0 THEN 'QUEUED' WHEN i % 2 = 0"
        " THEN 'FAILED' ELSE 'SUCCEEDED' END, i % 5, i, 0, 0, i, 0, 0, '', 'https://h' || i % 100,"
        " 'tenant' || i % 10, '', '', 'ALWAYS', '', '{}', '{}', '{}', '{}', i % 3 / 2,"
        " 'batch' || i % 50, i, CASE WHEN i % 20 <> 0 AND i % 2 = 0 THEN '5/404' END"
        " FROM generate_series(1, 100000) AS i;"
        "INSERT INTO batches (id, display_name, defaults, tenant, created_at, updated_at, action)"
        " SELECT 'batch' || i, '', '', 'tenant' || i % 10, 0, 0, CASE WHEN i % 1000 = 0 THEN"
        " 'CANCEL' ELSE '' END FROM generate_series(1, 20000) AS i;"
        "INSERT INTO batch_entries (batch, entry, url, destination, request_id, error_kind, error)"
        " SELECT 'batch' || i % 50, i, '', '', '', '5/404', '' FROM generate_series(1, 20000) i;"
        "INSERT INTO bodies (place, job_id, tenant, bytes)"
        " SELECT sha256(CAST(CAST(i AS text) AS bytea)), lpad(CAST(i AS text), 26, '0'), 'tenant' "
        "|| i % 10, 1"
        " FROM generate_series(1, 100000) AS i;"
        "INSERT INTO replicas (id, lease_until, host, version)"
        " SELECT 'r' || i, now(), '', '' FROM generate_series(1, 2000) AS i;"
        "INSERT INTO allotments (key, replica, slots, wanted)"
        " SELECT 'host h' || i, 'r' || i % 2000 + 1, 1, 1 FROM generate_series(1, 50000) AS i;"
        "INSERT INTO events (sequence, job_id, state, at)"
        " SELECT i, lpad(CAST(i AS text), 26, '0'), 'QUEUED', 0 FROM generate_series(1, 100000) i;"
        "ANALYZE");
    ASSERT_THAT(made, HasSubstr("ANALYZE"));
  }
  static std::string& url() {
    static std::string of_all;
    return of_all;
  }

  /// As it is planned for any parameters.
  static std::string PlanOf(const std::string& sql) {
    const std::string text = ForPostgres(sql, true);
    int parameters = 0;
    for (int i = 1; text.find(Concat("$", i)) != std::string::npos; ++i) parameters = i;
    std::string nulls;
    for (int i = 0; i < parameters; ++i) nulls += i == 0 ? "(NULL" : ", NULL";
    if (parameters > 0) nulls += ")";
    return testing::Postgres::Shared().Query(
        url(), Concat("SET plan_cache_mode = force_generic_plan; PREPARE p AS ", text,
                      "; EXPLAIN EXECUTE p", nulls));
  }
};

TEST_F(PostgresPlansTest, WhatIsAskedAllTheTimeReadsIndexes) {
  for (const char* sql :
       {kFirstDueAt,
        kNextTenant,
        kNextLaneOfOrigin,
        kNextLane,
        kNextPriority,
        kNextJob,
        kExpiredJobs,
        kFirstDeadlineAt,
        kMirroredJobs,
        kJobsOfBatchInState,
        kJobsOfBatch,
        kJobOfEntry,
        kJobsWithError,
        kEntriesWithError,
        kNextAction,
        kBatches,
        kBatchesOfTenant,
        kCountBodies,
        kUncountBodies,
        kStandings,
        "SELECT id FROM jobs WHERE state = 'RUNNING' AND replica = ?1 ORDER BY id LIMIT ?2",
        "SELECT j.id FROM json_array_elements_text(CAST(?1 AS json)) WITH ORDINALITY AS wanted"
        " (id, place) JOIN jobs AS j ON j.id = wanted.id ORDER BY wanted.place FOR UPDATE OF j",
        "SELECT j.id FROM jobs AS j WHERE 1 = 1 AND j.tenant = ? ORDER BY j.id DESC LIMIT ?",
        "SELECT j.id FROM jobs AS j WHERE 1 = 1 AND j.id = ANY (ARRAY(SELECT"
        " json_array_elements_text(CAST(? AS json)))) ORDER BY j.id DESC LIMIT ?",
        "SELECT e.sequence, j.id FROM events AS e LEFT JOIN jobs AS j ON j.id = e.job_id WHERE"
        " (e.deleted = 1 OR j.id IS NOT NULL) AND e.sequence > ? ORDER BY e.sequence LIMIT ?",
        "SELECT 1 FROM jobs WHERE key_id < ?1 ORDER BY key_id LIMIT 1",
        "SELECT id, fingerprint FROM jobs WHERE request_id = ?1"}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("Index")) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("Seq Scan"))) << sql << "\n" << plan;
  }
}

TEST_F(PostgresPlansTest, AClaimTakesTheFirstOfItsLaneWithoutSorting) {
  for (const char* sql : {kNextTenant, kNextLane, kNextPriority, kNextJob}) {
    const std::string plan = PlanOf(sql);
    EXPECT_THAT(plan, HasSubstr("jobs_ready")) << sql << "\n" << plan;
    EXPECT_THAT(plan, Not(HasSubstr("Sort"))) << sql << "\n" << plan;
  }
}

}  // namespace
}  // namespace fetchd::store
