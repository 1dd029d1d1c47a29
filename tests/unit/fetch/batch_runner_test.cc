#include "fetch/batch_runner.h"

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::BatchRequest;

class BatchRunnerTest : public FetchTest {
 protected:
  BatchRunnerTest() {
    batch_.id = *BatchId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
    EXPECT_TRUE(Await(store_.CreateBatch(batch_)).ok());
    for (int i = 1; i <= kJobs; ++i) {
      jobs::Job job = NewJob();
      job.batch = batch_.id;
      job.batch_entry = i;
      EXPECT_TRUE(Await(store_.Create(std::move(job))).ok());
    }
  }
  ~BatchRunnerTest() override {
    runner_.Stop();
    RunLoop(group_);
  }

  void Start() { group_.Spawn("batches", runner_.Run()); }
  void Ask(BatchRequest request) {
    EXPECT_TRUE(Await(store_.ChangeBatch(batch_.id, request)).ok());
  }
  jobs::Batch Get() { return *Await(store_.GetBatch(batch_.id)); }
  Task<void> Note(std::vector<jobs::Job> changed) {
    if (!changed.empty()) steps_.push_back(changed.size());
    co_return;
  }

  static constexpr int kJobs = 450;
  jobs::Batch batch_;
  std::vector<std::size_t> steps_;
  BatchRunner runner_{loop_.get_executor(), clock_, store_, health_,
                      [this](std::vector<jobs::Job> changed) { return Note(std::move(changed)); }};
  runtime::TaskGroup group_{loop_.get_executor()};
};

TEST_F(BatchRunnerTest, BeginsWithWhatAnEarlierProcessLeftAndGoesStepByStep) {
  Ask(BatchRequest::kCancel);

  Start();
  loop_.restart();
  loop_.poll();

  EXPECT_EQ(steps_, (std::vector<std::size_t>{200, 200, 50}));
  EXPECT_EQ(Get().counters.cancelled.objects, static_cast<std::uint64_t>(kJobs));
}

TEST_F(BatchRunnerTest, WaitsUntilSomethingIsAsked) {
  Start();
  loop_.restart();
  loop_.poll();
  Ask(BatchRequest::kCancel);
  loop_.restart();
  loop_.poll();
  EXPECT_TRUE(steps_.empty());

  runner_.Wake();
  loop_.restart();
  loop_.poll();

  EXPECT_EQ(Get().action, jobs::BatchAction::kNone);
  EXPECT_EQ(Get().counters.cancelled.objects, static_cast<std::uint64_t>(kJobs));
}

TEST_F(BatchRunnerTest, AStoreThatFailsIsAskedAgainAfterASecond) {
  Ask(BatchRequest::kCancel);
  store_.FailUpdates(1);
  Start();
  loop_.restart();
  loop_.poll();
  EXPECT_TRUE(steps_.empty());

  clock_.Advance(1s);
  loop_.restart();
  loop_.poll();

  EXPECT_EQ(Get().counters.cancelled.objects, static_cast<std::uint64_t>(kJobs));
}

TEST_F(BatchRunnerTest, StopsAlthoughTheStoreFails) {
  Ask(BatchRequest::kCancel);
  store_.FailUpdates(1'000'000);
  Start();
  loop_.restart();
  loop_.poll();

  runner_.Stop();
  RunLoop(group_);

  EXPECT_TRUE(steps_.empty());
}

}  // namespace
}  // namespace fetchd::fetch
