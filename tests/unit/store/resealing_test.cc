// Another key than before: files of keys, and what of a database is sealed anew.
#include "store/resealing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <vector>

#include "base/signed_url.h"
#include "base/strings.h"
#include "sqlite_files.h"
#include "store/job_key.h"
#include "store/record_codec.h"

namespace fetchd::store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Sealer KeyOf(char c) { return Sealer(std::string(Sealer::kKeyBytes, c)); }
std::string KeyLine(char c) { return HexEncode(std::string(Sealer::kKeyBytes, c)) + '\n'; }

TEST(KeyFileTest, IsMadeOnceForItsOwnerOnly) {
  const SqliteFiles files;

  const auto created = CreateKeyFile(files.key_file());

  ASSERT_TRUE(created.ok()) << created.status();
  struct stat info{};
  ASSERT_EQ(stat(files.key_file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(info.st_size, 45) << "32 bytes in Base64, and a line end";
  EXPECT_TRUE(absl::IsAlreadyExists(CreateKeyFile(files.key_file()).status()));
  EXPECT_EQ(ReadKeyFile(files.key_file())->key_id(), created->key_id());
}

TEST(KeyFileTest, OfAnotherLengthIsRefused) {
  const SqliteFiles files;
  std::ofstream(files.key_file()) << std::string(33, 'k');
  chmod(files.key_file().c_str(), 0600);

  const absl::Status status = ReadKeyFile(files.key_file()).status();

  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(files.key_file().native()), HasSubstr("line 1")));
}

TEST(KeyFileTest, OpenToOthersIsRefused) {
  const SqliteFiles files;
  ASSERT_TRUE(CreateKeyFile(files.key_file()).ok());

  for (const mode_t mode : {0604, 0602, 0666, 0601}) {
    chmod(files.key_file().c_str(), mode);
    const absl::Status status = ReadKeyFile(files.key_file()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << mode;
    EXPECT_THAT(MessageOf(status), HasSubstr("chmod 600"));
  }
  EXPECT_TRUE(absl::IsNotFound(ReadKeyFile(files.directory() / "none").status()));
}

TEST(KeyFileTest, WhatItsGroupMayDoIsTakenAway) {
  const SqliteFiles files;
  ASSERT_TRUE(CreateKeyFile(files.key_file()).ok());
  chmod(files.key_file().c_str(), 0660);

  EXPECT_TRUE(ReadKeyFile(files.key_file()).ok());

  EXPECT_EQ(std::filesystem::status(files.key_file()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

class ResealingTest : public ::testing::Test {
 protected:
  ResealingTest() {
    auto files = std::make_unique<SqliteFiles>();
    files_ = files.get();
    files_->on_sealing_anew = [this](const Resealing& one) { told_.push_back(one); };
    harness_.emplace(std::move(files));
  }

  absl::Status Open(const std::string& keys) {
    harness_->Close();
    told_.clear();
    files_->keys = *KeyRing::Parse(keys);
    return harness_->Open();
  }

  jobs::Job NewJob(const std::string& request_id = "") {
    jobs::Job job = harness_->NewJob("https://origin.test/f?sig=CANARY-SIGNATURE");
    job.spec.headers = {{"cookie", Secret("CANARY-HEADER")}};
    job.request_id = request_id;
    return job;
  }

  void CreateMany(int jobs) {
    std::vector<Task<absl::Status>> creations;
    for (int i = 0; i < jobs; ++i) {
      creations.push_back([](jobs::Store& store, jobs::Job job) -> Task<absl::Status> {
        co_return (co_await store.Create(std::move(job))).status();
      }(harness_->store(), NewJob()));
    }
    for (const absl::Status& status : harness_->AwaitAll(std::move(creations))) {
      ASSERT_EQ(status, absl::OkStatus());
    }
  }

  std::vector<std::string> Column(const char* sql) {
    auto database = Database::Open(files_->database(), Database::Mode::kReadWrite);
    EXPECT_TRUE(database.ok());
    Query query(*database, sql, {});
    std::vector<std::string> values;
    while (*query.Step()) values.push_back(query.Text(0));
    return values;
  }

  void Execute(const std::string& sql) {
    harness_->Close();
    auto database = Database::Open(files_->database(), Database::Mode::kReadWrite);
    ASSERT_EQ(database->Execute(sql.c_str()), absl::OkStatus());
  }

  SqliteFiles* files_;
  std::vector<Resealing> told_;
  std::optional<jobs::StoreHarness> harness_;
};

TEST_F(ResealingTest, ANewFirstKeySealsAllAndIsThenEnough) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  EXPECT_THAT(told_, IsEmpty()) << "there is nothing to seal";
  const jobs::Job job = harness_->Create(NewJob());
  harness_->Create(harness_->NewJob("https://origin.test/plain"));

  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());

  ASSERT_THAT(told_, SizeIs(2));
  EXPECT_FALSE(told_[0].ended);
  EXPECT_TRUE(told_[1].ended);
  EXPECT_EQ(told_[1].jobs, 1u);
  EXPECT_EQ(told_[1].key_id, KeyOf('b').key_id());
  EXPECT_EQ(harness_->Await(harness_->store().Get(job.id))->spec, job.spec);
  EXPECT_THAT(Column("SELECT key_id FROM jobs WHERE sealed IS NOT NULL"),
              ElementsAre(KeyOf('b').key_id()));
  ASSERT_EQ(Open(KeyLine('b')), absl::OkStatus());
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(harness_->Await(harness_->store().Get(job.id))->spec, job.spec);
}

TEST_F(ResealingTest, MoreRowsThanATransactionHas) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  constexpr int kJobs = 1201;
  CreateMany(kJobs);

  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());

  EXPECT_EQ(told_.back().jobs, static_cast<std::uint64_t>(kJobs));
  EXPECT_THAT(Column("SELECT DISTINCT key_id FROM jobs"), ElementsAre(KeyOf('b').key_id()));
}

TEST_F(ResealingTest, AStopIsHeardBetweenTransactionsAndTheNextStartGoesOn) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  CreateMany(1201);
  int asked = 0;
  files_->stop_asked = [&asked] { return ++asked > 1; };

  const absl::Status stopped = Open(KeyLine('b') + KeyLine('a'));

  EXPECT_TRUE(absl::IsCancelled(stopped)) << stopped;
  EXPECT_THAT(MessageOf(stopped), HasSubstr("the next start goes on"));
  EXPECT_THAT(told_, SizeIs(1)) << "it has not ended";
  const std::string sealed =
      Concat("SELECT count(*) FROM jobs WHERE key_id = '", KeyOf('b').key_id(), "'");
  EXPECT_THAT(Column(sealed.c_str()), ElementsAre("500"));
  files_->stop_asked = [] { return false; };
  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());
  EXPECT_EQ(told_.back().jobs, 701U);
  EXPECT_THAT(Column("SELECT DISTINCT key_id FROM jobs"), ElementsAre(KeyOf('b').key_id()));
}

TEST_F(ResealingTest, RequestsAreKnownAgain) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  jobs::Job job = harness_->Create(NewJob("again"));
  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());
  ASSERT_EQ(Open(KeyLine('b')), absl::OkStatus());

  jobs::Job same = NewJob("again");
  const auto found = harness_->Await(harness_->store().Create(same));
  same.spec.urls.front() += "-other";
  const auto refused = harness_->Await(harness_->store().Create(same));

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->job.id, job.id);
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << "another signature is another request";
}

TEST_F(ResealingTest, ACrashInTheMiddleIsMadeGoodByTheNextStart) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  const jobs::Job first = harness_->Create(NewJob());
  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());
  const jobs::Job second = harness_->Create(NewJob());
  // One row of each, as when the process ended between two transactions.
  ASSERT_EQ(Open(KeyLine('a') + KeyLine('b')), absl::OkStatus());
  const std::string sealed_with_a =
      Column(("SELECT hex(sealed) FROM jobs WHERE id = '" + first.id.str() + "'").c_str()).front();
  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());
  Execute(Concat("UPDATE jobs SET key_id = '", KeyOf('a').key_id(), "', sealed = x'", sealed_with_a,
                 "' WHERE id = '", first.id.str(),
                 "'; UPDATE meta SET value = '' WHERE key = 'key_id'"));

  const absl::Status without = Open(KeyLine('b'));
  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());

  EXPECT_TRUE(absl::IsFailedPrecondition(without)) << without;
  EXPECT_EQ(harness_->Await(harness_->store().Get(first.id))->spec, first.spec);
  EXPECT_EQ(harness_->Await(harness_->store().Get(second.id))->spec, second.spec);
  EXPECT_THAT(Column("SELECT DISTINCT key_id FROM jobs"), ElementsAre(KeyOf('b').key_id()));
}

TEST_F(ResealingTest, AKillCostsTheTransactionThatWasUnderWay) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  const jobs::Job first = harness_->Create(NewJob());
  const jobs::Job second = harness_->Create(NewJob());
  const auto come_to = [&](char key) {
    Execute(
        Concat("UPDATE meta SET value = '' WHERE key = 'key_id';"
               "INSERT OR REPLACE INTO meta (key, value) VALUES ('sealed_to', '",
               KeyOf(key).key_id(), ' ', std::min(first.id.str(), second.id.str()), "')"));
  };

  come_to('a');
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  EXPECT_EQ(told_.back().jobs, 1u) << "the one behind";
  come_to('a');
  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());
  EXPECT_EQ(told_.back().jobs, 2u) << "with another key all";
  EXPECT_THAT(Column("SELECT DISTINCT key_id FROM jobs"), ElementsAre(KeyOf('b').key_id()));
}

TEST_F(ResealingTest, WithoutTheKeyNothingStartsAndNothingIsLost) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  const jobs::Job job = harness_->Create(NewJob());

  const absl::Status status = Open(KeyLine('b'));

  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(MessageOf(status),
              AllOf(HasSubstr("1 stored jobs"), HasSubstr("jobs/" + job.id.str()),
                    HasSubstr(KeyOf('a').key_id()), HasSubstr("these keys does not hold")));
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  EXPECT_EQ(harness_->Await(harness_->store().Get(job.id))->spec, job.spec);
}

TEST_F(ResealingTest, ADamagedRowStaysAndIsCounted) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  const jobs::Job damaged = harness_->Create(NewJob());
  const jobs::Job whole = harness_->Create(NewJob());
  const std::string where = Concat(" WHERE id = '", damaged.id.str(), "'");
  Execute("UPDATE jobs SET sealed = x'00'" + where);

  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());

  EXPECT_EQ(told_.back().damaged, 1u);
  EXPECT_EQ(told_.back().jobs, 1u);
  EXPECT_EQ(harness_->Await(harness_->store().Get(whole.id))->spec, whole.spec);
  const auto shown = harness_->Await(harness_->store().Get(damaged.id));
  EXPECT_THAT(MessageOf(shown->error), HasSubstr("cannot be opened"));
  ASSERT_EQ(Open(KeyLine('b')), absl::OkStatus()) << "the old key is of no use to it either";
  ASSERT_EQ(Open(KeyLine('c') + KeyLine('b')), absl::OkStatus()) << "nor is it asked for later";
  EXPECT_EQ(told_.back().damaged, 1u);
  EXPECT_THAT(MessageOf(harness_->Await(harness_->store().Get(damaged.id))->error),
              HasSubstr("key"));
}

TEST_F(ResealingTest, WhatWasSealedIsOverwritten) {
  ASSERT_EQ(Open(KeyLine('a')), absl::OkStatus());
  harness_->Create(NewJob());
  harness_->Close();
  const std::string hex = Column("SELECT hex(sealed) FROM jobs").front();
  const std::string sealed = *HexDecode(AsciiLower(hex));
  ASSERT_THAT(files_->AllBytes(), HasSubstr(sealed));

  ASSERT_EQ(Open(KeyLine('b') + KeyLine('a')), absl::OkStatus());

  EXPECT_EQ(files_->AllBytes().find(sealed), std::string::npos);
}

TEST_F(ResealingTest, SignaturesOfAnEarlierVersionAreSealed) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  const std::string signed_url = "https://origin.test/f?a=1&sig=CANARY-SIGNATURE";
  const jobs::Job job = harness_->Create(harness_->NewJob(signed_url));
  jobs::Checkpoint checkpoint{.bytes = 1, .url = signed_url};
  const std::string clear = HideSignatures(signed_url);
  // As the tenth version wrote it.
  Execute(Concat("UPDATE jobs SET sealed = NULL, key_id = NULL, checkpoint = '",
                 EncodeCheckpoint(checkpoint), "', result = '",
                 EncodeResult({.final_url = signed_url}), "', spec = replace(spec, '", clear,
                 "', '", signed_url, "'); DROP TABLE bodies; PRAGMA user_version = 10"));
  ASSERT_THAT(files_->AllBytes(), HasSubstr("CANARY-SIGNATURE")) << "else this test sees nothing";

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_EQ(files_->AllBytes().find("CANARY-SIGNATURE"), std::string::npos);
  const auto stored = harness_->Await(harness_->store().Get(job.id));
  EXPECT_EQ(stored->spec.urls.front(), signed_url);
  EXPECT_EQ(stored->checkpoint.url, clear);
  EXPECT_EQ(stored->result->final_url, clear);
}

TEST_F(ResealingTest, AndThoseOfEntriesThatMadeNoJobAreHidden) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  Execute(
      "INSERT INTO batches (id, display_name, defaults, created_at, updated_at)"
      " VALUES ('b', '', '{}', 0, 0);"
      "INSERT INTO batch_entries (batch, entry, url, destination, request_id, error)"
      " VALUES ('b', 1, 'https://h/?sig=CANARY', '', '', ''), ('b', 2, 'https://h/?a=b', '', '', "
      "'');"
      "DROP TABLE bodies; PRAGMA user_version = 10");

  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  EXPECT_THAT(Column("SELECT url FROM batch_entries ORDER BY entry"),
              ElementsAre("https://h/?sig=[redacted]", "https://h/?a=b"));
}

}  // namespace
}  // namespace fetchd::store
