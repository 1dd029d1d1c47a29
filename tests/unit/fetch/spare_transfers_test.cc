#include "fetch/spare_transfers.h"

#include <gtest/gtest.h>

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

class SpareTransfersTest : public FetchTest {
 protected:
  const Origin kOrigin{"https", "example.org", 443};
  int freed_ = 0;
  SpareTransfers spares_{transfers_, pacer_, [this] { ++freed_; }};
};

TEST_F(SpareTransfersTest, OneIsAPermitAndATurnUntilItIsGivenBack) {
  {
    const auto spare = spares_.TryTake(kOrigin);
    ASSERT_TRUE(spare);
    EXPECT_EQ(transfers_.in_use(), 1u);
    EXPECT_EQ(pacer_.StateOf(kOrigin).transfers, 1u);
    EXPECT_EQ(spares_.in_use(), 1u);
  }
  EXPECT_EQ(transfers_.in_use(), 0u);
  EXPECT_EQ(pacer_.StateOf(kOrigin).transfers, 0u);
  EXPECT_EQ(spares_.in_use(), 0u);
  EXPECT_EQ(freed_, 0);
}

TEST_F(SpareTransfersTest, ThereIsNoneWhenAllPermitsAreTaken) {
  const Permit all = transfers_.TryAcquire(transfers_.capacity());

  EXPECT_FALSE(spares_.TryTake(kOrigin));
}

TEST_F(SpareTransfersTest, ThereIsNoneBeyondTheLimitOfTheOrigin) {
  pacer_.SetLimits(kOrigin, {.max_transfers = 2});
  const OriginPacer::Turn job = pacer_.Begin(kOrigin, false);
  const auto spare = spares_.TryTake(kOrigin);
  ASSERT_TRUE(spare);

  EXPECT_FALSE(spares_.TryTake(kOrigin));
  EXPECT_EQ(transfers_.in_use(), 1u) << "the permit of the one that was refused is back";
}

TEST_F(SpareTransfersTest, ThereIsNoneOfAnOriginOnHold) {
  pacer_.Note(kOrigin, {.kind = OriginOutcome::Kind::kPushback, .cool_down = 10s});

  EXPECT_FALSE(spares_.TryTake(kOrigin));
}

TEST_F(SpareTransfersTest, OneIsWantedWhenSomebodyWaitsForAPermit) {
  const auto spare = spares_.TryTake(kOrigin);
  Permit all = transfers_.TryAcquire(transfers_.capacity() - 1);
  EXPECT_FALSE(spares_.IsWanted(kOrigin));
  std::optional<absl::StatusOr<Permit>> waited;
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("job", Keep(transfers_.Acquire(1, clock_, Deadline::Never(), "permit"), &waited));
  loop_.poll();

  EXPECT_TRUE(spares_.IsWanted(kOrigin));

  all.Release();
  loop_.restart();
  RunLoop(group);
}

TEST_F(SpareTransfersTest, OneIsWantedWhenAJobOfItsOriginWasLeftInTheQueue) {
  const Origin other{"https", "other.example", 443};
  spares_.NoteRefusal(kOrigin);
  std::optional<SpareTransfers::Spare> spare = spares_.TryTake(kOrigin);
  EXPECT_FALSE(spares_.IsWanted(kOrigin)) << "that was before";

  spares_.NoteRefusal(other);
  EXPECT_FALSE(spares_.IsWanted(kOrigin));
  spares_.NoteRefusal(kOrigin);
  EXPECT_TRUE(spares_.IsWanted(kOrigin));

  spare.reset();
  EXPECT_EQ(freed_, 1) << "whoever looks for jobs looks again";
}

TEST_F(SpareTransfersTest, OneIsWantedWhenItsOriginGoesOnHold) {
  const auto spare = spares_.TryTake(kOrigin);
  pacer_.Note(kOrigin, {.kind = OriginOutcome::Kind::kPushback, .cool_down = 10s});

  EXPECT_TRUE(spares_.IsWanted(kOrigin));
}

}  // namespace
}  // namespace fetchd::fetch
