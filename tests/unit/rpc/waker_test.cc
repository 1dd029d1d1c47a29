#include "rpc/waker.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "runtime/task_group.h"

namespace fetchd::rpc {
namespace {

Task<absl::Status> CountRings(std::shared_ptr<Waker> waker, int* rings) {
  while (true) {
    const absl::StatusOr<bool> rung = co_await waker->Wait();
    if (!rung.ok()) co_return rung.status();
    ++*rings;
  }
}

Task<absl::Status> JoinAll(runtime::TaskGroup* group) {
  co_await group->Join();
  co_return absl::OkStatus();
}

class WakerTest : public ::testing::Test {
 protected:
  WakerTest() { group_.Spawn("waiter", CountRings(waker_, &rings_)); }
  ~WakerTest() override {
    group_.Cancel();
    joiner_.Spawn("join", JoinAll(&group_));
    Poll();
  }
  void Poll() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_{1};
  int rings_ = 0;
  std::shared_ptr<Waker> waker_ = std::make_shared<Waker>(context_.get_executor());
  runtime::TaskGroup joiner_{context_.get_executor()};
  runtime::TaskGroup group_{context_.get_executor()};
};

TEST_F(WakerTest, WaitsUntilItRings) {
  Poll();
  EXPECT_EQ(rings_, 0);

  waker_->Ring();
  Poll();

  EXPECT_EQ(rings_, 1);
}

TEST_F(WakerTest, RingsBetweenTwoWaitsCountOnce) {
  Poll();
  waker_->Ring();
  waker_->Ring();
  waker_->Ring();
  Poll();

  EXPECT_EQ(rings_, 1);
}

TEST_F(WakerTest, ARingBeforeTheWaitIsNotLost) {
  waker_->Ring();
  Poll();

  EXPECT_EQ(rings_, 1);
}

}  // namespace
}  // namespace fetchd::rpc
