#include "rpc/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "fetchd/v1/fetch_service.pb.h"
#include "runtime/runtime.h"

namespace fetchd::rpc {
namespace {

class FrameTest : public ::testing::Test {
 protected:
  sink::Buffer Filled(const std::string& text) {
    auto buffer = runtime::RunBlocking(
        runtime_.shard(0).executor(),
        pool_.Acquire(std::max<std::size_t>(text.size(), 1), clock_, Deadline::Never()));
    EXPECT_TRUE(buffer.ok());
    std::memcpy(buffer->free_space().data(), text.data(), text.size());
    buffer->Grow(text.size());
    return *std::move(buffer);
  }

  LoanTerms Terms() { return {loaned_, call_, call_->TryAcquire(1)}; }

  RealClock clock_;
  runtime::Runtime runtime_{{.shards = 1, .blocking_threads = 1}};
  sink::BufferPool pool_{4 << 20};
  std::shared_ptr<LoanedBuffers> loaned_ = std::make_shared<LoanedBuffers>();
  std::shared_ptr<Semaphore> call_ = std::make_shared<Semaphore>(1);
};

TEST_F(FrameTest, FetchChunkReadsAsTheMessage) {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{1} << 40}) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{127}, std::size_t{128}, std::size_t{1} << 20}) {
      const std::string body(size, 'x');

      v1::FetchResponse response;
      ASSERT_TRUE(ParseMessage(FrameFetchChunk(offset, Filled(body), Terms()), response));

      EXPECT_EQ(response.chunk().offset(), offset);
      EXPECT_EQ(response.chunk().data(), body);
    }
  }
}

TEST_F(FrameTest, ReadBodyReadsAsTheMessage) {
  v1::ReadBodyResponse response;
  ASSERT_TRUE(ParseMessage(FrameReadBody(300, Filled("abc"), Terms()), response));

  EXPECT_EQ(response.offset(), 300u);
  EXPECT_EQ(response.data(), "abc");
}

TEST_F(FrameTest, BytesAreReturnedWithTheLastReference) {
  auto frame = std::make_unique<grpc::ByteBuffer>(FrameFetchChunk(0, Filled("abc"), Terms()));
  EXPECT_FALSE(loaned_->WaitUntilNone(Duration::zero()));
  EXPECT_GT(pool_.budget().in_use(), 0u);
  EXPECT_EQ(call_->in_use(), 1u);

  frame.reset();

  EXPECT_TRUE(loaned_->WaitUntilNone(Duration::zero()));
  EXPECT_EQ(pool_.budget().in_use(), 0u);
  EXPECT_EQ(call_->in_use(), 0u);
}

TEST_F(FrameTest, GarbageIsNoMessage) {
  const grpc::Slice slice("\xff\xff\xff");
  v1::FetchRequest request;
  EXPECT_FALSE(ParseMessage(grpc::ByteBuffer(&slice, 1), request));
}

}  // namespace
}  // namespace fetchd::rpc
