#include "fetch/held_jobs.h"

#include "fetch/dispatcher.h"
#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

const Origin kHeldOrigin{"https", "a.test", 443}, kFreeOrigin{"https", "b.test", 443};

class HeldJobsTest : public FetchTest {
 protected:
  void Create(int count, const std::string& first = "a.test",
              const std::string& second = "b.test") {
    for (int i = 0; i < count; ++i) {
      jobs::Job job = NewJob();
      job.spec.urls = {"https://" + first + "/f", "https://" + second + "/f"};
      ids_.push_back(job.id);
      ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
    }
  }
  void Hold(const Origin& origin) { pacer_.SetLimits(origin, {.max_transfers = 0}); }
  std::size_t Moved() {
    return static_cast<std::size_t>(std::ranges::count_if(
        ids_, [this](const JobId& id) { return store_.Peek(id).urls.next == 1; }));
  }

  std::vector<JobId> ids_;
  int asked_ = 0;
  HeldJobs held_{clock_, store_, health_, pacer_, [this](const jobs::Job& job) {
                   ++asked_;
                   return UrlOffHold(job, pacer_, {});
                 }};
};

TEST_F(HeldJobsTest, GoToAMirrorThatIsFree) {
  Create(3);
  Hold(kHeldOrigin);
  held_.Changed();

  EXPECT_TRUE(Await(held_.Move()));

  EXPECT_EQ(Moved(), 3u);
}

TEST_F(HeldJobsTest, StayWhileTheMirrorIsOnHoldToo) {
  Create(3);
  Hold(kHeldOrigin);
  Hold(kFreeOrigin);
  held_.Changed();

  EXPECT_FALSE(Await(held_.Move()));

  EXPECT_EQ(Moved(), 0u);
  EXPECT_EQ(held_.DueAt(), std::nullopt) << "until something changes";
}

TEST_F(HeldJobsTest, AreNotLookedAtWhileNothingIsOnHold) {
  Create(3);
  held_.Changed();

  EXPECT_FALSE(Await(held_.Move()));

  EXPECT_EQ(asked_, 0);
}

TEST_F(HeldJobsTest, AreLookedAtAFewAtATimeAndAllInTheEnd) {
  Create(150);
  Hold(kHeldOrigin);
  held_.Changed();

  EXPECT_TRUE(Await(held_.Move()));
  EXPECT_EQ(asked_, 64);
  EXPECT_FALSE(Await(held_.Move())) << "not in a tight loop";
  EXPECT_EQ(asked_, 64);
  EXPECT_EQ(*held_.DueAt() - clock_.Now(), 100ms);
  clock_.Advance(100ms);
  EXPECT_TRUE(Await(held_.Move()));
  clock_.Advance(100ms);
  EXPECT_TRUE(Await(held_.Move()));

  EXPECT_EQ(Moved(), 150u);
}

TEST_F(HeldJobsTest, ThoseThatCannotGoHoldUpNoOthers) {
  Create(64, "a.test", "c.test");
  clock_.Advance(1s);  // Their ids follow.
  Create(10);
  Hold(kHeldOrigin);
  Hold({"https", "c.test", 443});
  held_.Changed();

  EXPECT_FALSE(Await(held_.Move()));
  clock_.Advance(100ms);
  EXPECT_TRUE(Await(held_.Move()));

  EXPECT_EQ(Moved(), 10u);
}

TEST_F(HeldJobsTest, OnesThatComeInTheMidstOfAPassAreFoundByTheNext) {
  Create(64, "a.test", "a.test");
  Hold(kHeldOrigin);
  held_.Changed();
  EXPECT_FALSE(Await(held_.Move()));

  held_.Changed();
  clock_.Advance(100ms);
  EXPECT_FALSE(Await(held_.Move()));

  EXPECT_NE(held_.DueAt(), std::nullopt) << "one more pass";
}

TEST_F(HeldJobsTest, TheDispatcherStartsThemAtTheMirror) {
  Create(1);
  Hold(kHeldOrigin);
  std::vector<std::string> launched;
  runtime::TaskGroup group(loop_.get_executor());
  const jobs::RoomOf room_of = [this](const std::string& origin) {
    const OriginPacer::Room room = pacer_.RoomFor(Url::Parse(origin)->origin(), 4);
    return jobs::Room{static_cast<int>(room.transfers), static_cast<int>(room.retries)};
  };
  Dispatcher dispatcher(
      loop_.get_executor(), clock_, store_, health_, transfers_, pacer_, {room_of},
      [this](const jobs::Job& job) { return UrlOffHold(job, pacer_, {}); },
      [&launched](jobs::Claim claim, Permit, Duration) {
        launched.push_back(jobs::OriginOfNext(claim.job));
      },
      [](bool) {});
  group.Spawn("dispatcher", dispatcher.Run());

  for (int i = 0; i < 1000 && launched.empty(); ++i) Step();

  EXPECT_THAT(launched, ::testing::ElementsAre("https://b.test"));
  dispatcher.Stop();
  RunLoop(group);
}

}  // namespace
}  // namespace fetchd::fetch
