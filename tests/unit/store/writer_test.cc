#include "store/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <optional>

#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "sqlite_files.h"
#include "store/data_files.h"
#include "store/schema.h"
#include "store/sqlite_committer.h"

namespace fetchd::store {
namespace {

using ::testing::ElementsAre;

/// A change that inserts a row and then says `status`.
struct Insertion {
  std::string key;
  absl::Status status;
  int runs = 0;

  absl::Status operator()(Transaction& transaction) {
    ++runs;
    Query insert(transaction.jobs.database(), "INSERT INTO meta (key, value) VALUES (?, '')", key);
    RETURN_IF_ERROR(insert.Run());
    transaction.effects.Changed();
    transaction.effects.Event(static_cast<std::int64_t>(key.size()));
    return status;
  }
};

class WriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(EnsureFile(files_.database()), absl::OkStatus());
    auto opened = Database::Open(files_.database(), Database::Mode::kReadWrite);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_EQ(Migrate(*opened), absl::OkStatus());
    const auto on_commit = [this](const Effects& effects) {
      committed_.push_back(effects.changes());
      last_sequence_ = effects.last_sequence();
    };
    writer_.emplace(MakeSqliteCommitter(*std::move(opened), keys_, Census({}), on_commit));
  }

  /// In one transaction: the writer is busy until all of them wait.
  void RunTogether(std::vector<Insertion*> insertions) {
    std::latch is_busy(1);
    std::latch all_wait(1);
    runtime::TaskGroup group(executor());
    group.Spawn("busy", Busy(is_busy, all_wait));
    is_busy.wait();
    for (Insertion* insertion : insertions) group.Spawn("change", Run(*insertion));
    group.Spawn("go", Release(all_wait));
    runtime::RunBlocking(executor(), group.Join());
  }

  std::vector<std::string> Keys() {
    auto database = Database::Open(files_.database(), Database::Mode::kReadOnly);
    Query query(*database, "SELECT key FROM meta WHERE key LIKE 'test-%' ORDER BY key");
    std::vector<std::string> keys;
    while (*query.Step()) keys.push_back(query.Text(0));
    return keys;
  }

  SqliteFiles files_;
  const KeyRing keys_{Sealer(std::string(Sealer::kKeyBytes, 'k'))};
  std::vector<std::uint64_t> committed_;  ///< Changes of each transaction that had any.
  std::int64_t last_sequence_ = 0;
  std::optional<Writer> writer_;

 private:
  asio::any_io_executor executor() { return runtime_.shard(0).executor(); }

  Task<absl::Status> Busy(std::latch& is_busy, std::latch& all_wait) {
    auto wait = [&](Transaction&) {
      is_busy.count_down();
      all_wait.wait();
      return absl::OkStatus();
    };
    co_return co_await writer_->Apply(wait);
  }

  static Task<absl::Status> Release(std::latch& all_wait) {
    all_wait.count_down();
    co_return absl::OkStatus();
  }

  Task<absl::Status> Run(Insertion& insertion) {
    auto insert = [&insertion](Transaction& transaction) { return insertion(transaction); };
    insertion.status = co_await writer_->Apply(insert);
    co_return absl::OkStatus();
  }

  runtime::Runtime runtime_{{.shards = 1, .blocking_threads = 1}};
};

TEST_F(WriterTest, ChangesThatWaitShareATransaction) {
  Insertion a{"test-a"};
  Insertion b{"test-b"};

  RunTogether({&a, &b});

  EXPECT_THAT(Keys(), ElementsAre("test-a", "test-b"));
  EXPECT_EQ(committed_.back(), 2u);
  EXPECT_EQ(a.runs + b.runs, 2);
}

TEST_F(WriterTest, OfAChangeThatIsRefusedAfterItWroteNothingRemains) {
  Insertion a{"test-a"};
  Insertion refused{"test-refused", absl::FailedPreconditionError("no")};
  Insertion c{"test-c"};

  RunTogether({&a, &refused, &c});

  EXPECT_THAT(Keys(), ElementsAre("test-a", "test-c"));
  EXPECT_EQ(a.status, absl::OkStatus());
  EXPECT_EQ(refused.status, absl::FailedPreconditionError("no"));
  EXPECT_EQ(c.status, absl::OkStatus());
  EXPECT_EQ(committed_.back(), 2u);
  EXPECT_EQ(last_sequence_, 6);
  EXPECT_EQ(c.runs, 1) << "those behind it have not run yet";
}

TEST_F(WriterTest, OneThatIsRefusedBeforeItWroteHoldsNobodyUp) {
  Insertion a{"test-a"};
  Insertion twice{"test-a"};
  Insertion c{"test-c"};

  RunTogether({&a, &twice, &c});

  EXPECT_THAT(Keys(), ElementsAre("test-a", "test-c"));
  EXPECT_FALSE(twice.status.ok());
  EXPECT_EQ(a.runs, 1);
}

}  // namespace
}  // namespace fetchd::store
