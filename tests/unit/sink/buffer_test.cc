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

// Parts and streams wait for others: what only passes on always finds memory.
TEST_F(BufferPoolTest, PartsHaveHalfAndWithStreamsThreeQuarters) {
  constexpr std::size_t kBudget = std::size_t{16} << 20;
  BufferPool pool(kBudget);
  std::vector<PartBuffer> parts;
  parts.push_back(*Await(pool.AcquirePart(kBudget / 2, clock_, Deadline::Never())));
  const Deadline now = Deadline::At(clock_.Now());
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(pool.AcquirePart(1, clock_, now)).status()));
  std::vector<Buffer> streams;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(*Await(pool.Acquire(1 << 20, clock_, Deadline::Never(), BufferUse::kStream)));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      Await(pool.Acquire(1 << 20, clock_, now, BufferUse::kStream)).status()));

  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(Await(pool.Acquire(1 << 20, clock_, Deadline::Never())).ok());
  }
  parts.clear();
  EXPECT_TRUE(Await(pool.AcquirePart(kBudget / 2, clock_, Deadline::Never())).ok());
}

TEST_F(BufferPoolTest, APartHoldsWhatItWasAskedForAndNoMore) {
  BufferPool pool(std::size_t{64} << 20);
  const std::string bytes(3'000'000, 'x');
  PartBuffer part = *Await(pool.AcquirePart(2'500'000, clock_, Deadline::Never()));

  EXPECT_EQ(part.Append(std::as_bytes(std::span(bytes)).first(1'000'000)), 1'000'000U);
  EXPECT_FALSE(part.full());
  EXPECT_EQ(part.Append(std::as_bytes(std::span(bytes))), 1'500'000U);

  EXPECT_TRUE(part.full());
  EXPECT_EQ(part.Append(std::as_bytes(std::span(bytes))), 0U);
  std::size_t sum = 0;
  for (const auto block : part.blocks()) sum += block.size();
  EXPECT_EQ(sum, 2'500'000U);
  part = PartBuffer();
  EXPECT_EQ(pool.budget().in_use(), 0U);
}

TEST_F(BufferPoolTest, APartThatIsNotWaitedForIsThereOrNotAtAll) {
  BufferPool pool(1'000'000);
  std::optional<PartBuffer> first = pool.TryAcquirePart(500'000);
  ASSERT_TRUE(first.has_value());

  EXPECT_FALSE(pool.TryAcquirePart(1).has_value()) << "parts have half";
  first.reset();
  const Buffer stream =
      *Await(pool.Acquire(std::size_t{256} << 10, clock_, Deadline::Never(), BufferUse::kStream));
  EXPECT_FALSE(pool.TryAcquirePart(500'000).has_value()) << "with streams three quarters";
  EXPECT_EQ(pool.budget().in_use(), std::size_t{256} << 10);
  const Buffer job = *Await(pool.Acquire(std::size_t{256} << 10, clock_, Deadline::Never()));
  const Buffer other = *Await(pool.Acquire(std::size_t{256} << 10, clock_, Deadline::Never()));
  EXPECT_FALSE(pool.TryAcquirePart(300'000).has_value()) << "the budget is all there is";
  EXPECT_TRUE(pool.TryAcquirePart(200'000).has_value());
}

TEST_F(BufferPoolTest, APartIsReadBlockByBlockAndShrinks) {
  BufferPool pool(std::size_t{64} << 20);
  std::string bytes(2'500'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  PartBuffer part = *Await(pool.AcquirePart(bytes.size(), clock_, Deadline::Never()));
  part.Append(std::as_bytes(std::span(bytes)));
  const auto all = [&part] {
    std::string seen;
    for (auto from = part.From(0); !from.empty(); from = part.From(seen.size())) {
      seen.append(reinterpret_cast<const char*>(from.data()), from.size());
    }
    return seen;
  };
  EXPECT_EQ(all(), bytes);

  for (const std::size_t size : {std::size_t{1'048'577}, std::size_t{1'048'576}, std::size_t{0}}) {
    part.Shrink(size);
    EXPECT_EQ(part.size(), size);
    EXPECT_EQ(all(), bytes.substr(0, size));
  }
  EXPECT_EQ(part.Append(std::as_bytes(std::span(bytes))), bytes.size());
  EXPECT_EQ(all(), bytes);
}

}  // namespace
}  // namespace fetchd::sink
