#include "fetch/expirer.h"

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;

class ExpirerTest : public FetchTest {
 protected:
  ExpirerTest() { group_.Spawn("expirer", expirer_.Run()); }
  ~ExpirerTest() override {
    expirer_.Stop();
    RunLoop(group_);
  }

  JobId Create(Duration length) {
    jobs::Job job = NewJob();
    job.ready_at += 24h;
    job.deadline_at = job.created_at + length;
    const JobId id = job.id;
    EXPECT_TRUE(Await(store_.Create(std::move(job))).ok());
    expirer_.Wake();
    return id;
  }
  /// Time jumps to the next timer whenever nothing else happens.
  void RunUntilExpired(std::size_t count) {
    while (expired_.size() < count) {
      loop_.restart();
      if (loop_.run_one_for(2ms) > 0) continue;
      clock_.Advance(*clock_.NextWakeAt() - clock_.Now());
    }
  }
  Task<void> Note(jobs::Job job) {
    EXPECT_EQ(job.state, State::kFailed);
    expired_.push_back(job.id);
    co_return;
  }

  std::vector<JobId> expired_;
  Expirer expirer_{loop_.get_executor(), clock_, store_, health_,
                   [this](jobs::Job job) { return Note(std::move(job)); }};
  runtime::TaskGroup group_{loop_.get_executor()};
};

TEST_F(ExpirerTest, JobFailsAtItsDeadline) {
  const WallTime created = clock_.WallNow();
  Create(90s);

  RunUntilExpired(1);

  EXPECT_EQ(clock_.WallNow() - created, 90s);
}

TEST_F(ExpirerTest, EarlierDeadlineOfALaterJobIsSeen) {
  const JobId late = Create(50s);
  clock_.Advance(1s);
  loop_.poll();
  const WallTime created = clock_.WallNow();
  const JobId early = Create(10s);

  RunUntilExpired(1);
  EXPECT_EQ(expired_, std::vector{early});
  EXPECT_LE(clock_.WallNow() - created, 10s + 100ms);

  RunUntilExpired(2);
  EXPECT_EQ(expired_.back(), late);
}

TEST_F(ExpirerTest, ManyAtOnceDoNotWaitForEachOther) {
  for (int i = 0; i < 1000; ++i) Create(1s);
  const WallTime created = clock_.WallNow();

  RunUntilExpired(1000);

  EXPECT_EQ(clock_.WallNow() - created, 1s);
}

TEST_F(ExpirerTest, StoreThatFailsIsAskedAgain) {
  Create(1s);
  store_.FailUpdates(3);

  RunUntilExpired(1);

  EXPECT_EQ(expired_.size(), 1u);
}

}  // namespace
}  // namespace fetchd::fetch
