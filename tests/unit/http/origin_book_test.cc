#include "http/origin_book.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "support/manual_clock.h"

namespace fetchd::http {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Origin OriginOf(const std::string& host) { return {"https", host, 443}; }

class OriginBookTest : public ::testing::Test {
 protected:
  void Request(const std::string& host, std::uint64_t times = 1) {
    held_.push_back(book_.Open(OriginOf(host)));
    held_.back()->requests += times;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& [origin, dials] : book_.Read().named) {
      names.push_back(Concat(origin.host, " ", dials.requests));
    }
    return names;
  }

  testing::ManualClock clock_;
  OriginBook book_{clock_, {.max_named = 2, .max_gone = 4, .rank_interval = seconds(60)}};
  std::vector<std::shared_ptr<DialCounters>> held_;
};

TEST_F(OriginBookTest, BusiestComesFirst) {
  Request("a", 1);
  Request("b", 2);

  EXPECT_THAT(Names(), ElementsAre("b 2", "a 1"));
  EXPECT_EQ(book_.Read().all.requests, 3U);
  EXPECT_EQ(book_.Read().others.requests, 0U);
}

TEST_F(OriginBookTest, KeysOfOneOriginShareItsDials) {
  Request("a");
  Request("a");

  EXPECT_EQ(held_[0], held_[1]);
  EXPECT_THAT(Names(), ElementsAre("a 2"));
}

TEST_F(OriginBookTest, FurtherOriginsAreCountedTogether) {
  for (const char* host : {"a", "b", "c", "d"}) Request(host);
  held_[2]->in_flight.Enter();

  EXPECT_THAT(Names(), SizeIs(2));
  EXPECT_EQ(book_.Read().others.requests, 2U);
  EXPECT_EQ(book_.Read().others.in_flight, 1U);
  EXPECT_EQ(book_.Read().all.requests, 4U);
}

TEST_F(OriginBookTest, BusyOriginTakesTheNameOfAQuietOneAndNothingGoesDown) {
  Request("a", 10);
  Request("quiet", 5);
  Request("busy", 11);
  clock_.Advance(seconds(59));
  EXPECT_THAT(Names(), ElementsAre("a 10", "quiet 5"));
  EXPECT_EQ(book_.Read().others.requests, 11U);

  clock_.Advance(seconds(1));
  EXPECT_THAT(Names(), ElementsAre("a 10", "busy 0"));
  Request("busy", 3);
  Request("quiet", 1);
  EXPECT_THAT(Names(), ElementsAre("a 10", "busy 3"));
  EXPECT_EQ(book_.Read().others.requests, 12U);
  EXPECT_EQ(book_.Read().all.requests, 30U);
}

TEST_F(OriginBookTest, NameIsNotTakenByOneThatIsHardlyBusier) {
  Request("a", 10);
  Request("b", 10);
  Request("c", 20);
  clock_.Advance(seconds(60));

  EXPECT_THAT(Names(), ElementsAre("a 10", "b 10"));
}

TEST_F(OriginBookTest, RankingLooksAtWhatHappenedSinceTheLast) {
  Request("a", 1000);
  Request("b", 1000);
  Request("c", 1);
  clock_.Advance(seconds(60));
  Names();
  Request("a", 1);
  Request("c", 3);
  clock_.Advance(seconds(60));

  EXPECT_THAT(Names(), ElementsAre("a 1001", "c 0"));
}

TEST_F(OriginBookTest, GoneOriginsAreForgottenAndTheirCountsKept) {
  for (int i = 0; i < 1000; ++i) {
    Request(Concat("host", i));
    held_.clear();
    EXPECT_LE(book_.size(), 2U + 4U + 2U);
  }
  EXPECT_EQ(book_.Read().all.requests, 1000U);
  EXPECT_EQ(book_.Read().others.requests, 998U);
}

TEST_F(OriginBookTest, HeldOriginIsNotForgotten) {
  for (int i = 0; i < 20; ++i) Request(Concat("host", i));
  held_.back()->requests += 5;

  EXPECT_EQ(book_.size(), 20U);
  EXPECT_EQ(book_.Read().all.requests, 25U);
}

TEST_F(OriginBookTest, PeakIsOfAllOrigins) {
  book_.in_flight().Enter();
  book_.in_flight().Enter();
  book_.in_flight().Leave();

  EXPECT_EQ(book_.Read().all.in_flight, 1U);
  EXPECT_EQ(book_.Read().all.peak_in_flight, 2U);
  EXPECT_THAT(book_.Read().named, IsEmpty());
}

}  // namespace
}  // namespace fetchd::http
