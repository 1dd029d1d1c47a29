#include "jobs/fair_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace fetchd::jobs {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using Numbers = std::vector<std::int64_t>;

struct SharesCase {
  std::string name;
  std::int64_t limit;
  Numbers wanted;
  std::uint64_t turn;
  Numbers shares;
};

class FairSharesTest : public ::testing::TestWithParam<SharesCase> {};

TEST_P(FairSharesTest, Are) {
  EXPECT_EQ(FairShares(GetParam().limit, GetParam().wanted, GetParam().turn), GetParam().shares);
}

INSTANTIATE_TEST_SUITE_P(
    All, FairSharesTest,
    ::testing::Values(SharesCase{"NobodyThere", 8, {}, 0, {}},
                      SharesCase{"EnoughForAll", 8, {1, 0, 5}, 0, {1, 0, 5}},
                      SharesCase{"ExactlyEnough", 8, {3, 5}, 0, {3, 5}},
                      SharesCase{"EvenAmongTheGreedy", 9, {9, 9, 9}, 0, {3, 3, 3}},
                      SharesCase{"TheRestToTheFirst", 8, {8, 8, 8}, 0, {3, 3, 2}},
                      SharesCase{"TheRestGoesRound", 8, {8, 8, 8}, 2, {3, 2, 3}},
                      SharesCase{"WhoWantsLittleGetsIt", 8, {1, 100, 100}, 0, {1, 4, 3}},
                      SharesCase{"TheRestIsForThoseWhoWantMore", 8, {100, 1, 100}, 1, {3, 1, 4}},
                      SharesCase{"OneForThree", 1, {5, 5, 5}, 1, {0, 1, 0}},
                      SharesCase{"Nothing", 0, {5, 5}, 7, {0, 0}},
                      SharesCase{"TheModestAreManyAndTheLimitIsSmall", 2, {1, 1, 1}, 1, {0, 1, 1}}),
    [](const auto& info) { return info.param.name; });

TEST(FairSharesTest, OfAnyWantsTheSumIsWithinTheLimitAndNothingIsLeftThatIsWanted) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t limit = std::uniform_int_distribution<std::int64_t>(0, 20)(random);
    Numbers wanted(std::uniform_int_distribution<std::size_t>(1, 6)(random));
    for (auto& one : wanted) one = std::uniform_int_distribution<std::int64_t>(0, 12)(random);

    const Numbers shares = FairShares(limit, wanted, random());

    const auto sum = [](const Numbers& all) {
      return std::accumulate(all.begin(), all.end(), std::int64_t{0});
    };
    EXPECT_EQ(sum(shares), std::min(limit, sum(wanted)));
    EXPECT_THAT(shares, Each(Ge(0)));
    // Nobody who lacks has less, by more than the odd one, than somebody else.
    const std::int64_t most = *std::ranges::max_element(shares);
    for (std::size_t one = 0; one < wanted.size(); ++one) {
      EXPECT_LE(shares[one], wanted[one]);
      if (shares[one] < wanted[one]) EXPECT_GE(shares[one], most - 1);
    }
  }
}

struct DivideCase {
  std::string name;
  std::vector<Standing> all;  ///< Of a limit of 8; the first one asks.
  Division division;
};

class DivideTest : public ::testing::TestWithParam<DivideCase> {};

TEST_P(DivideTest, Is) {
  const Division division = Divide(8, GetParam().all, 0, 0);
  EXPECT_EQ(division.take, GetParam().division.take);
  EXPECT_EQ(division.keep, GetParam().division.keep);
  EXPECT_EQ(division.contended, GetParam().division.contended);
  EXPECT_EQ(division.others_lack, GetParam().division.others_lack);
}

INSTANTIATE_TEST_SUITE_P(
    All, DivideTest,
    ::testing::Values(
        DivideCase{"AloneItTakesWhatItWants", {{0, 5}}, {5, 5, false, false}},
        DivideCase{"WhatIsNotWantedIsKeptWhileNobodyLacks", {{4, 1}, {2, 2}}, {4, 4, false, false}},
        DivideCase{"OnlyWhatIsFree", {{0, 8}, {8, 8}}, {0, 0, true, false}},
        DivideCase{"ItsShareComesBack", {{8, 8}, {0, 8}}, {8, 4, true, true}},
        DivideCase{"WhatIsNotWantedGoesToWhoLacks", {{8, 0}, {0, 2}}, {8, 6, true, true}},
        DivideCase{"NotMoreThanWhatIsLacking", {{6, 1}, {2, 3}}, {6, 5, true, true}},
        DivideCase{"WhatIsFreeServesFirst", {{4, 1}, {0, 3}}, {4, 4, false, true}},
        DivideCase{"WhoHasItsShareKeepsIt", {{3, 8}, {3, 8}, {2, 8}}, {3, 3, true, false}},
        DivideCase{"BeyondTheLimitWhoHasTooMuchComesDown", {{8, 1}, {4, 4}}, {8, 4, true, false}},
        DivideCase{"BeyondTheLimitAllComeDown", {{8, 8}, {8, 8}}, {8, 4, true, false}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd::jobs
