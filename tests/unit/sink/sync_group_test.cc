#include "sink/sync_group.h"

#include <functional>
#include <mutex>
#include <semaphore>

#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

/// What happened, in order; called on pool threads.
class Journal {
 public:
  void Add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// Holds a flush until the test lets it go on.
struct Gate {
  std::binary_semaphore entered{0};
  std::binary_semaphore open{0};
};

class FakePublication final : public Publication {
 public:
  FakePublication(Journal& journal, std::string name) : journal_(journal), name_(std::move(name)) {}
  absl::Status SyncData() override {
    if (gate != nullptr) {
      gate->entered.release();
      gate->open.acquire();
    }
    journal_.Add(name_ + " data");
    return absl::OkStatus();
  }
  bool reached_by_sync_all() const override { return reached; }
  absl::Status CheckSynced() override {
    journal_.Add(name_ + " checked");
    return check_status;
  }
  absl::Status Publish() override {
    journal_.Add(name_ + " publish");
    return publish_status;
  }
  absl::Status SyncEntries() override {
    journal_.Add(name_ + " entries");
    return absl::OkStatus();
  }
  Gate* gate = nullptr;
  bool reached = true;
  absl::Status check_status;
  absl::Status publish_status;

 private:
  Journal& journal_;
  const std::string name_;
};

class FakeSyncer final : public FileSystemSyncer {
 public:
  explicit FakeSyncer(Journal& journal) : journal_(journal) {}
  absl::Status SyncAll() override {
    journal_.Add("sync all");
    return status;
  }
  absl::Status status;

 private:
  Journal& journal_;
};

class SyncGroupTest : public SinkTest {
 protected:
  void PollUntilEntered(Gate& gate) {
    while (!gate.entered.try_acquire()) {
      loop_.restart();
      loop_.poll();
    }
  }

  /// The first commit is held in its flush until the others have queued up behind it.
  std::vector<absl::Status> CommitAll(std::size_t others) {
    Gate gate;
    for (std::size_t i = 0; i <= others; ++i) {
      publications_.push_back(std::make_unique<FakePublication>(journal_, Concat('p', i)));
    }
    publications_[0]->gate = &gate;
    if (others > 0) prepare_second_(*publications_[1]);
    std::vector<std::optional<absl::Status>> results(others + 1);
    runtime::TaskGroup group(loop_.get_executor());
    for (std::size_t i = 0; i <= others; ++i) {
      group.Spawn("commit", Keep(commits_.Commit(*publications_[i]), &results[i]));
      if (i == 0) PollUntilEntered(gate);
    }
    loop_.poll();
    gate.open.release();
    loop_.restart();
    loop_.run();
    std::vector<absl::Status> statuses;
    for (const auto& result : results) statuses.push_back(*result);
    return statuses;
  }

  Journal journal_;
  FakeSyncer syncer_{journal_};
  SyncGroup commits_{pool_, syncer_};
  std::vector<std::unique_ptr<FakePublication>> publications_;
  std::function<void(FakePublication&)> prepare_second_ = [](FakePublication&) {};
};

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Not;

TEST_F(SyncGroupTest, CommitThatIsAloneFlushesItsOwnFileOnly) {
  EXPECT_THAT(CommitAll(0), ElementsAre(absl::OkStatus()));

  EXPECT_THAT(journal_.lines(), ElementsAre("p0 data", "p0 publish", "p0 entries"));
}

TEST_F(SyncGroupTest, CommitsThatArriveDuringAFlushShareTwo) {
  EXPECT_THAT(CommitAll(3), Each(absl::OkStatus()));

  EXPECT_THAT(journal_.lines(), ElementsAre("p0 data", "p0 publish", "p0 entries", "sync all",
                                            "p1 checked", "p1 publish", "p2 checked", "p2 publish",
                                            "p3 checked", "p3 publish", "sync all"));
}

// Another group's flush may have been told of the error before.
TEST_F(SyncGroupTest, FileThatWasNotWrittenIsNotPublishedAlthoughTheFlushWentWell) {
  prepare_second_ = [](FakePublication& second) {
    second.check_status = absl::UnavailableError("I/O error");
  };

  EXPECT_THAT(CommitAll(3), ElementsAre(absl::OkStatus(), absl::UnavailableError("I/O error"),
                                        absl::OkStatus(), absl::OkStatus()));

  EXPECT_THAT(journal_.lines(), Not(Contains("p1 publish")));
}

TEST_F(SyncGroupTest, FileOnAnotherFileSystemIsFlushedByItself) {
  prepare_second_ = [](FakePublication& second) { second.reached = false; };

  EXPECT_THAT(CommitAll(4), Each(absl::OkStatus()));

  EXPECT_THAT(journal_.lines(),
              ElementsAre("p0 data", "p0 publish", "p0 entries", "p1 data", "p1 publish",
                          "p1 entries", "sync all", "p2 checked", "p2 publish", "p3 checked",
                          "p3 publish", "p4 checked", "p4 publish", "sync all"));
}

TEST_F(SyncGroupTest, OneThatCannotBePublishedDoesNotFailTheOthers) {
  prepare_second_ = [](FakePublication& second) {
    second.publish_status = absl::AlreadyExistsError("taken");
  };

  EXPECT_THAT(CommitAll(3), ElementsAre(absl::OkStatus(), absl::AlreadyExistsError("taken"),
                                        absl::OkStatus(), absl::OkStatus()));
}

TEST_F(SyncGroupTest, FailedFlushPublishesNothing) {
  syncer_.status = absl::UnavailableError("I/O error");

  const std::vector<absl::Status> statuses = CommitAll(3);

  EXPECT_TRUE(statuses[0].ok());
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(statuses[i], syncer_.status);
  EXPECT_THAT(journal_.lines(), ElementsAre("p0 data", "p0 publish", "p0 entries", "sync all"));
}

TEST_F(SyncGroupTest, ManyRealCommitsInParallelAllBecomeVisible) {
  constexpr int kFiles = 100;
  std::vector<std::unique_ptr<Sink>> sinks;
  std::vector<std::optional<absl::StatusOr<Receipt>>> receipts(kFiles);
  for (int i = 0; i < kFiles; ++i) {
    sinks.push_back(Make(Concat("d", i, "/f"), NewJob()));
    ASSERT_TRUE(Await(sinks[i]->Open(0)).ok());
    ASSERT_TRUE(Await(sinks[i]->Write(Bytes(Concat("body ", i)))).ok());
  }

  runtime::TaskGroup group(loop_.get_executor());
  for (int i = 0; i < kFiles; ++i) group.Spawn("c", Keep(sinks[i]->Commit(), &receipts[i]));
  loop_.restart();
  loop_.run();

  for (int i = 0; i < kFiles; ++i) {
    EXPECT_TRUE((*receipts[i]).ok());
    EXPECT_EQ(Content(Concat("d", i, "/f")), Concat("body ", i));
  }
  EXPECT_EQ(Files().size(), std::size_t{kFiles});
}

TEST_F(SyncGroupTest, CancelledCommitIsFinishedAndPassesTheLeadOn) {
  Gate gate;
  FakePublication first(journal_, "first");
  FakePublication second(journal_, "second");
  FakePublication third(journal_, "third");
  first.gate = &gate;
  std::optional<absl::Status> ignored[2];
  std::optional<absl::Status> result;
  runtime::TaskGroup group(loop_.get_executor());
  const auto one = group.Spawn("first", Keep(commits_.Commit(first), &ignored[0]));
  PollUntilEntered(gate);
  const auto two = group.Spawn("second", Keep(commits_.Commit(second), &ignored[1]));
  group.Spawn("third", Keep(commits_.Commit(third), &result));
  loop_.poll();
  one.Cancel();
  two.Cancel();
  loop_.poll();
  gate.open.release();
  loop_.restart();
  loop_.run();

  EXPECT_EQ(result, absl::OkStatus());
  EXPECT_EQ(journal_.lines().size(), 9u);
}

}  // namespace
}  // namespace fetchd::sink
