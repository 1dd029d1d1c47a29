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

TEST_F(SqliteStoreTest, AFileOfTheFirstSchemaIsBroughtUpToDate) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const jobs::Job job = harness_->Create(harness_->NewJob());
  harness_->Close();
  ExecuteOnFile(
      "DROP INDEX jobs_deadline; ALTER TABLE jobs DROP COLUMN not_before_at;"
      " PRAGMA user_version = 1");

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_EQ(*harness_->Await(harness_->store().NextDeadlineAt()), job.deadline_at);
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

TEST_F(SqliteStoreTest, ClosingMovesTheWalIntoTheDatabase) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  harness_->Create(harness_->NewJob());
  ASSERT_TRUE(harness_->Await(harness_->store().NextReadyAt()).ok());

  harness_->Close();

  EXPECT_FALSE(std::filesystem::exists(files_->database().native() + "-wal"));
}

}  // namespace
}  // namespace fetchd::store
