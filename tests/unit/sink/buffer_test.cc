#include "sink/buffer.h"

#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

class BufferPoolTest : public SinkTest {
 protected:
  Buffer Acquire(BufferPool& pool, std::size_t wanted) {
    auto buffer = Await(pool.Acquire(wanted, clock_, Deadline::Never()));
    EXPECT_TRUE(buffer.ok());
    return *std::move(buffer);
  }
};

TEST_F(BufferPoolTest, GivesTheSmallestSizeThatHoldsWhatIsWanted) {
  BufferPool pool(std::size_t{8} << 20);

  EXPECT_EQ(Acquire(pool, 0).capacity(), std::size_t{16} << 10);
  EXPECT_EQ(Acquire(pool, 16 << 10).capacity(), std::size_t{16} << 10);
  EXPECT_EQ(Acquire(pool, (16 << 10) + 1).capacity(), std::size_t{256} << 10);
  EXPECT_EQ(Acquire(pool, std::size_t{1} << 40).capacity(), std::size_t{1} << 20);
}

TEST_F(BufferPoolTest, ReturnsItsShareOfTheBudgetOnce) {
  BufferPool pool(std::size_t{1} << 20);
  Buffer first = Acquire(pool, 1);
  EXPECT_EQ(pool.budget().in_use(), 16u << 10);

  Buffer second = std::move(first);
  EXPECT_EQ(pool.budget().in_use(), 16u << 10);
  second = Acquire(pool, 1);
  EXPECT_EQ(pool.budget().in_use(), 16u << 10);
  second = Buffer();

  EXPECT_EQ(pool.budget().in_use(), 0u);
}

TEST_F(BufferPoolTest, WaitsWithADeadlineWhenTheBudgetIsSpent) {
  BufferPool pool(16 << 10);
  const Buffer held = Acquire(pool, 1);

  const auto late = Await(pool.Acquire(1, clock_, Deadline::At(clock_.Now())));

  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status()));
}

TEST_F(BufferPoolTest, StreamsHoldHalfOfTheBudgetAtMost) {
  BufferPool pool(std::size_t{4} << 20);
  std::vector<Buffer> streams;
  for (int i = 0; i < 2; ++i) {
    auto buffer = Await(pool.Acquire(1 << 20, clock_, Deadline::Never(), BufferUse::kStream));
    ASSERT_TRUE(buffer.ok());
    streams.push_back(*std::move(buffer));
  }

  const auto third = Await(pool.Acquire(1, clock_, Deadline::At(clock_.Now()), BufferUse::kStream));
  EXPECT_TRUE(absl::IsDeadlineExceeded(third.status()));
  EXPECT_EQ(Acquire(pool, 1 << 20).capacity(), std::size_t{1} << 20);

  streams.pop_back();
  EXPECT_EQ(pool.streams_budget().in_use(), std::size_t{1} << 20);
  EXPECT_TRUE(Await(pool.Acquire(1, clock_, Deadline::At(clock_.Now()), BufferUse::kStream)).ok());
}

TEST_F(BufferPoolTest, StreamBuffersFitTheShareOfStreams) {
  BufferPool pool(std::size_t{1} << 20);

  const auto buffer = Await(pool.Acquire(1 << 20, clock_, Deadline::Never(), BufferUse::kStream));

  EXPECT_EQ(buffer->capacity(), std::size_t{256} << 10);
}

TEST_F(BufferPoolTest, NeverAsksForMoreThanTheWholeBudget) {
  BufferPool pool(std::size_t{300} << 10);

  EXPECT_EQ(Acquire(pool, std::size_t{1} << 20).capacity(), std::size_t{256} << 10);
}

}  // namespace
}  // namespace fetchd::sink
