// What is particular to SQLite: its files, and what is refused when they are opened.
#include "store/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/strings.h"
#include "sqlite_files.h"
#include "store/database.h"
#include "store/schema.h"

namespace fetchd::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SqliteStoreTest : public ::testing::Test {
 protected:
  SqliteStoreTest() {
    auto files = std::make_unique<SqliteFiles>();
    files_ = files.get();
    harness_.emplace(std::move(files));
  }

  void ExecuteOnFile(const std::string& sql) {
    auto database = Database::Open(files_->database(), Database::Mode::kReadWrite);
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_EQ(database->Execute(sql.c_str()), absl::OkStatus());
  }

  jobs::Job JobWithSecrets() {
    jobs::Job job = harness_->NewJob();
    job.spec.headers = {{"cookie", Secret("CANARY-HEADER-VALUE")}};
    job.spec.credentials = jobs::BearerCredentials{Secret("CANARY-BEARER-TOKEN")};
    return job;
  }

  SqliteFiles* files_;
  std::optional<jobs::StoreHarness> harness_;
};

TEST_F(SqliteStoreTest, CommitsAreMeasured) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const auto before = files_->commits.took.Read();

  harness_->Create(harness_->NewJob());
  harness_->Create(harness_->NewJob());

  const auto took = files_->commits.took.Read();
  EXPECT_EQ(took.count() - before.count(), 2u);
  EXPECT_GT(took.sum, before.sum);
  EXPECT_EQ(files_->commits.changes.Read().counts[0], 2u);
  EXPECT_EQ(files_->commits.changes.Read().sum, 2u);
}

TEST_F(SqliteStoreTest, ANewerSchemaIsRefusedWithBothVersions) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  harness_->Close();
  ExecuteOnFile("PRAGMA user_version = 99");

  const absl::Status status = harness_->Open();

  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(MessageOf(status),
              AllOf(HasSubstr("99"), HasSubstr(Concat("version ", kSchemaVersion)),
                    HasSubstr("newer fetchd")));
}

TEST_F(SqliteStoreTest, AFileOfTheSixthSchemaKnowsItsMirrorsThen) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  jobs::Job job = harness_->NewJob("https://a.test/f");
  job.spec.urls.push_back("https://b.test/f");
  harness_->Create(job);
  const jobs::Job damaged = harness_->Create(harness_->NewJob("https://a.test/g"));
  harness_->Close();
  // Its second attempt was to ask the mirror.
  ExecuteOnFile(
      "DROP TABLE bodies; DROP INDEX batches_by_tenant; ALTER TABLE batches DROP COLUMN tenant;"
      " DROP TABLE sink_notes; ALTER TABLE jobs DROP COLUMN object;"
      " DROP INDEX jobs_mirrored; ALTER TABLE jobs DROP COLUMN url_memory;"
      " ALTER TABLE jobs DROP COLUMN mirrored; ALTER TABLE jobs DROP COLUMN more_destinations;"
      " UPDATE jobs SET lane = 'https://b.test';"
      " PRAGMA user_version = 6");
  ExecuteOnFile(Concat("UPDATE jobs SET spec = '{' WHERE id = '", damaged.id.str(), "'"));

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  const auto second = [](const jobs::Job&) { return std::optional<std::size_t>(1); };
  const auto chosen =
      harness_->Await(harness_->store().ChooseUrls("https://a.test", "", 10, second));
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->looked_at, 1);
  EXPECT_EQ(chosen->changed, 1);
}

TEST_F(SqliteStoreTest, RequestIdsOfTheNinthSchemaAreTheirTenants) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  jobs::Job job = harness_->NewJob();
  job.request_id = "r";
  job.tenant = "mine";
  harness_->Create(job);
  jobs::Batch batch;
  std::mt19937_64 random(1);
  batch.id = BatchId::Generate(harness_->clock.WallNow(), random);
  batch.request_id = "b";
  batch.defaults.tenant = "mine";
  ASSERT_TRUE(harness_->Await(harness_->store().CreateBatch(batch)).ok());
  harness_->Close();
  ExecuteOnFile(
      "DROP TABLE bodies; DROP INDEX batches_by_tenant; ALTER TABLE batches DROP COLUMN tenant;"
      " UPDATE jobs SET request_id = 'r'; UPDATE batches SET request_id = 'b';"
      " PRAGMA user_version = 9");

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_EQ(harness_->Await(harness_->store().Get(job.id))->request_id, "r");
  jobs::Job again = harness_->NewJob();
  again.request_id = "r";
  again.tenant = "mine";
  EXPECT_EQ(harness_->Await(harness_->store().Create(again))->job.id, job.id);
  EXPECT_FALSE(harness_->Await(harness_->store().CreateBatch(batch))->created);
  EXPECT_EQ(harness_->Await(harness_->store().ListBatches("mine", 10, ""))->batches.size(), 1u);
}

TEST_F(SqliteStoreTest, BodiesThatTheTwelfthSchemaDidNotCountAreCounted) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const auto bring = [this](jobs::Result result) {
    harness_->clock.Advance(std::chrono::seconds(1));
    return harness_->Finish(harness_->ClaimFor("a"), std::move(result));
  };
  ASSERT_TRUE(bring({.size_bytes = 5, .destination = "file:///f"}).ok());
  ASSERT_TRUE(bring({.size_bytes = 7, .destination = "file:///f"}).ok());
  ASSERT_TRUE(bring({.size_bytes = 9, .destination = "discard:"}).ok());
  ASSERT_TRUE(bring({.destination = "file:///g", .not_modified = true}).ok());
  ASSERT_TRUE(
      bring({.size_bytes = 100,
             .destination = "file:///a",
             .deliveries = {{.destination = "file:///a"},
                            {.destination = "file:///b", .error = absl::UnavailableError("full")}}})
          .ok());
  for (const char* damaged : {R"({"destination":"file:///x","size_bytes":1.5})",
                              R"({"size_bytes":1,"deliveries":["x"]})", "{"}) {
    const jobs::Job job = harness_->ClaimFor("a").job;
    harness_->Close();
    ExecuteOnFile(Concat("UPDATE jobs SET state = 'SUCCEEDED', result = '", damaged,
                         "' WHERE id = '", job.id.str(), "'"));
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  harness_->Create(harness_->NewJob());
  harness_->Close();
  ExecuteOnFile("DROP TABLE bodies; PRAGMA user_version = 12");

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_EQ(*harness_->Await(harness_->store().StoredBytes("a")), 107u);
}

TEST_F(SqliteStoreTest, AFileOfTheFirstSchemaIsBroughtUpToDate) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const jobs::Job job = harness_->Create(harness_->NewJob());
  harness_->Close();
  ExecuteOnFile(
      "DROP TABLE bodies; DROP TABLE sink_notes; ALTER TABLE jobs DROP COLUMN object;"
      " DROP INDEX jobs_by_entry; DROP INDEX jobs_of_batch; DROP INDEX jobs_of_batch_in_state;"
      " DROP INDEX jobs_by_error; DROP TABLE batch_counters; DROP TABLE batch_errors;"
      " DROP TABLE batch_entries; DROP TABLE batches; ALTER TABLE events DROP COLUMN batch;"
      " ALTER TABLE jobs DROP COLUMN batch; ALTER TABLE jobs DROP COLUMN batch_entry;"
      " ALTER TABLE jobs DROP COLUMN fate; ALTER TABLE jobs DROP COLUMN fate_bytes;"
      " ALTER TABLE jobs DROP COLUMN error_kind;"
      " DROP INDEX jobs_deadline; DROP INDEX jobs_ready; DROP INDEX jobs_due;"
      " DROP INDEX jobs_mirrored; ALTER TABLE jobs DROP COLUMN url_memory;"
      " ALTER TABLE jobs DROP COLUMN mirrored; ALTER TABLE jobs DROP COLUMN more_destinations;"
      " ALTER TABLE jobs DROP COLUMN not_before_at; ALTER TABLE jobs DROP COLUMN lane;"
      " ALTER TABLE jobs DROP COLUMN retry; DROP INDEX jobs_by_tenant;"
      " ALTER TABLE jobs DROP COLUMN tenant; ALTER TABLE events DROP COLUMN tenant;"
      " CREATE INDEX jobs_ready ON jobs (priority DESC, ready_at, id)"
      " WHERE state IN ('QUEUED', 'WAITING', 'INTERRUPTED'); PRAGMA user_version = 1");
  std::vector<std::string> asked;
  const auto room_of = [&asked](const std::string& origin) {
    asked.push_back(origin);
    return jobs::Room{1, 1};
  };

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_EQ(*harness_->Await(harness_->store().NextDeadlineAt()), job.deadline_at);
  const auto claims = harness_->Await(harness_->store().ClaimReady(9, {room_of}));
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_EQ(claims->front().job.id, job.id);
  EXPECT_EQ(claims->front().job.tenant, jobs::kDefaultTenant);
  EXPECT_THAT(asked, ::testing::ElementsAre("https://origin.test"));
}

struct Damage {
  const char* name;
  const char* sql;  ///< Assignments to the job's row.
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class DamagedRowTest : public SqliteStoreTest, public ::testing::WithParamInterface<Damage> {
 protected:
  void SetUp() override { ASSERT_EQ(harness_->Open(), absl::OkStatus()); }

  void DamageRow(const JobId& id) {
    harness_->Close();
    ExecuteOnFile(Concat("UPDATE jobs SET ", std::string_view(GetParam().sql), " WHERE id = '",
                         id.str(), "'"));
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  void ExpectFailed(const JobId& id) {
    const auto job = harness_->Await(harness_->store().Get(id));
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->state, jobs::State::kFailed);
    EXPECT_TRUE(absl::IsDataLoss(job->error)) << job->error;
    EXPECT_EQ(GetReason(job->error)->reason, "JOB_DAMAGED");
    EXPECT_EQ(job->finished_at, harness_->clock.WallNow());
  }
};

TEST_P(DamagedRowTest, FailsWhenItWouldBeClaimedAndTheOthersAreClaimed) {
  const JobId first = harness_->Create(harness_->NewJob()).id;
  const JobId damaged = harness_->Create(JobWithSecrets()).id;
  const JobId last = harness_->Create(harness_->NewJob()).id;
  DamageRow(damaged);

  std::vector<JobId> claimed;
  for (const jobs::Claim& claim : harness_->ClaimUpTo(10)) claimed.push_back(claim.job.id);

  EXPECT_THAT(claimed, UnorderedElementsAre(first, last));
  ExpectFailed(damaged);
  const auto stats = harness_->Await(harness_->store().Stats());
  EXPECT_EQ(stats->jobs.at(jobs::State::kQueued), 0u);
  EXPECT_EQ(stats->jobs.at(jobs::State::kFailed), 1u);
}

TEST_P(DamagedRowTest, FailsWhenItWouldBeRecoveredOrExpired) {
  const JobId running = harness_->Create(JobWithSecrets()).id;
  harness_->ClaimOne();
  const JobId waiting = harness_->Create(JobWithSecrets()).id;
  DamageRow(running);
  DamageRow(waiting);

  EXPECT_EQ(*harness_->Await(harness_->store().Recover()), 0u);
  ExpectFailed(running);
  harness_->clock.Advance(std::chrono::hours(24));
  EXPECT_EQ(harness_->Await(harness_->store().Expire(10))->size(), 0u);
  ExpectFailed(waiting);
}

TEST_P(DamagedRowTest, IsListedToldAndDeletedAllTheSame) {
  const JobId damaged = harness_->Create(JobWithSecrets()).id;
  harness_->Create(harness_->NewJob());
  DamageRow(damaged);
  EXPECT_EQ(harness_->ClaimUpTo(10).size(), 1u);

  const auto page = harness_->Await(harness_->store().List({}, 10, ""));
  const auto events = harness_->Await(harness_->store().EventsAfter(0, {}, 10));

  const auto labelled =
      harness_->Await(harness_->store().EventsAfter(0, {.labels = {{"team", "a"}}}, 10));

  ASSERT_TRUE(page.ok() && events.ok()) << page.status() << events.status();
  EXPECT_TRUE(labelled.ok()) << labelled.status();
  EXPECT_EQ(page->jobs.size(), 2u);
  EXPECT_EQ(events->size(), 4u);
  EXPECT_EQ(harness_->Await(harness_->store().Delete(damaged)), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(All, DamagedRowTest,
                         ::testing::Values(Damage{"Specification", "spec = '{'"},
                                           Damage{"Secrets", "sealed = x'00'"},
                                           Damage{"Labels", "labels = '[]'"},
                                           Damage{"LabelsThatAreNoJson", "labels = '['"},
                                           Damage{"Checkpoint", "checkpoint = ''"},
                                           Damage{"UrlMemory", "url_memory = '{'"},
                                           Damage{"Overwrite", "overwrite = 'SOMETIMES'"},
                                           Damage{"Result", "result = 'x'"}),
                         [](const auto& info) { return info.param.name; });

TEST_F(SqliteStoreTest, AnUnknownStateDoesNotStopTheStart) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const JobId id = harness_->Create(harness_->NewJob()).id;
  harness_->Close();
  ExecuteOnFile("UPDATE jobs SET state = 'LOST'; UPDATE events SET state = 'LOST'");

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_TRUE(absl::IsDataLoss(harness_->Await(harness_->store().Get(id))->error));
  EXPECT_TRUE(harness_->Await(harness_->store().EventsAfter(0, {}, 10)).ok());
}

TEST_F(SqliteStoreTest, ADamagedAttemptRecordHidesNoOther) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const JobId id = harness_->Create(harness_->NewJob()).id;
  ASSERT_EQ(harness_->Finish(harness_->ClaimOne()), absl::OkStatus());
  harness_->Close();
  ExecuteOnFile("INSERT INTO attempts SELECT job_id, 2, '{' FROM attempts");
  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  const auto attempts = harness_->Await(harness_->store().Attempts(id));

  ASSERT_EQ(attempts->size(), 2u);
  EXPECT_TRUE(attempts->at(0).status.ok());
  EXPECT_TRUE(absl::IsDataLoss(attempts->at(1).status));
}

TEST_F(SqliteStoreTest, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  std::ofstream(files_->database()).close();
  ExecuteOnFile("CREATE TABLE theirs (x)");

  EXPECT_TRUE(absl::IsFailedPrecondition(harness_->Open()));
}

TEST_F(SqliteStoreTest, ASecondOpenerIsRefusedWithThePidOfTheFirst) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  runtime::BlockingPool pool(1);

  const auto second = files_->Open(harness_->clock, pool);

  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(MessageOf(second.status()), AllOf(HasSubstr("in use by another fetchd"),
                                                HasSubstr(Concat("(pid ", getpid(), ")"))));
  harness_->Close();
  EXPECT_TRUE(files_->Open(harness_->clock, pool).ok());
}

TEST_F(SqliteStoreTest, AReadOnlyDirectoryIsRefusedWithWhatToDo) {
  std::filesystem::permissions(files_->directory(), std::filesystem::perms(0555));
  // Root may write everywhere: become somebody else meanwhile.
  const bool is_root = geteuid() == 0;
  if (is_root) ASSERT_EQ(seteuid(65534), 0);

  const absl::Status status = harness_->Open();

  if (is_root) ASSERT_EQ(seteuid(0), 0);
  std::filesystem::permissions(files_->directory(), std::filesystem::perms(0755));
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("must be able to read and write"));
}

TEST_F(SqliteStoreTest, AMissingDirectoryIsRefused) {
  runtime::BlockingPool pool(1);
  const auto store = SqliteStore::Open(
      {.path = files_->directory() / "none" / "jobs.db", .key_file = files_->key_file()},
      harness_->clock, pool);

  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsDataLossAndLeftAlone) {
  const std::string text(8192, 'x');
  std::ofstream(files_->database()) << text;

  const absl::Status status = harness_->Open();

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("backup"));
  EXPECT_THAT(files_->AllBytes(), HasSubstr(text));
}

TEST_F(SqliteStoreTest, NoSecretIsInAnyFileInClear) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const jobs::Job job = harness_->Create(JobWithSecrets());
  ASSERT_EQ(harness_->Finish(harness_->ClaimOne()), absl::OkStatus());

  const std::string with_wal = files_->AllBytes();
  harness_->Close();
  const std::string closed = files_->AllBytes();

  for (const std::string& bytes : {with_wal, closed}) {
    EXPECT_NE(bytes.find(job.id.str()), std::string::npos) << "the job itself is there";
    EXPECT_EQ(bytes.find("CANARY"), std::string::npos);
  }
}

TEST_F(SqliteStoreTest, FilesAreForTheirOwnerOnly) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  harness_->Create(harness_->NewJob());

  for (const auto& entry : std::filesystem::directory_iterator(files_->directory())) {
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600)) << entry.path();
  }
}

TEST_F(SqliteStoreTest, AMissingOrForeignKeyFileIsRefusedWhileCredentialsAreSealed) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  harness_->Create(JobWithSecrets());
  harness_->Close();
  std::filesystem::rename(files_->key_file(), files_->directory() / "aside");

  EXPECT_TRUE(absl::IsFailedPrecondition(harness_->Open()));
  EXPECT_FALSE(std::filesystem::exists(files_->key_file())) << "no other key is made";
  std::ofstream(files_->key_file()) << std::string(32, 'x');
  EXPECT_TRUE(absl::IsFailedPrecondition(harness_->Open()));

  std::filesystem::rename(files_->directory() / "aside", files_->key_file());
  EXPECT_EQ(harness_->Open(), absl::OkStatus());
}

TEST_F(SqliteStoreTest, WithoutSealedCredentialsANewKeyIsMade) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  harness_->Create(harness_->NewJob());
  harness_->Close();
  std::filesystem::remove(files_->key_file());

  EXPECT_EQ(harness_->Open(), absl::OkStatus());
}

TEST_F(SqliteStoreTest, RequestIdsOutliveTheLossOfTheKey) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  jobs::Job job = harness_->NewJob();
  job.request_id = "r";
  job.labels = {{"team", "a"}};
  job.priority = 3;
  harness_->Create(job);
  ASSERT_EQ(harness_->Finish(harness_->ClaimOne()), absl::OkStatus());
  harness_->Close();
  std::filesystem::remove(files_->key_file());
  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  jobs::Job again = job;
  again.id = harness_->NewJob().id;
  const auto same = harness_->Await(harness_->store().Create(again));
  again.priority = 4;
  const auto other = harness_->Await(harness_->store().Create(again));

  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_FALSE(same->created);
  EXPECT_EQ(same->job.id, job.id);
  EXPECT_TRUE(absl::IsAlreadyExists(other.status())) << other.status();
}

TEST_F(SqliteStoreTest, ClosingMovesTheWalIntoTheDatabase) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  harness_->Create(harness_->NewJob());
  ASSERT_TRUE(harness_->Await(harness_->store().NextReadyAt({})).ok());

  harness_->Close();

  EXPECT_FALSE(std::filesystem::exists(files_->database().native() + "-wal"));
}

}  // namespace
}  // namespace fetchd::store
