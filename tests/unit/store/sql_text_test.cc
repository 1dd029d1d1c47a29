#include "store/sql_text.h"

#include <gtest/gtest.h>

namespace fetchd::store {
namespace {

TEST(SqlTextTest, EachEngineLeavesOutTheHintsOfTheOther) {
  constexpr char kSql[] =
      "SELECT id FROM jobs INDEXED BY jobs_due WHERE ready_at < ?2 AND id > ?1 LIMIT 1"
      " FOR UPDATE SKIP LOCKED";

  EXPECT_EQ(ForSqlite(kSql),
            "SELECT id FROM jobs INDEXED BY jobs_due WHERE ready_at < ?2 AND id > ?1 LIMIT 1");
  EXPECT_EQ(ForPostgres(kSql, true),
            "SELECT id FROM jobs WHERE ready_at < $2 AND id > $1 LIMIT 1 FOR UPDATE SKIP LOCKED");
  EXPECT_EQ(ForPostgres(kSql, false),
            "SELECT id FROM jobs WHERE ready_at < $2 AND id > $1 LIMIT 1");
}

TEST(SqlTextTest, ParametersWithoutNumbersAreCountedAndWhatIsQuotedStays) {
  EXPECT_EQ(ForPostgres("INSERT INTO t VALUES (?, ?, '?1', ?)", true),
            "INSERT INTO t VALUES ($1, $2, '?1', $3)");
  EXPECT_EQ(ForPostgres("SELECT 'it''s ?' || ?", true), "SELECT 'it''s ?' || $1");
}

TEST(SqlTextTest, AnUpdateOnConflictIsNoLock) {
  constexpr char kSql[] = "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1";

  EXPECT_EQ(ForSqlite(kSql), kSql);
  EXPECT_EQ(ForPostgres(kSql, false), kSql);
}

}  // namespace
}  // namespace fetchd::store
