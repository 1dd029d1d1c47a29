// What is counted of requests to stores.
#include "objstore/store_meter.h"

#include <map>

#include "s3_fixture.h"

namespace fetchd::objstore {
namespace {

std::map<std::string, StoreMeter::Figures> ReadAll(const StoreMeter& meter) {
  std::map<std::string, StoreMeter::Figures> all;
  meter.Read([&](std::string_view operation, const StoreMeter::Figures& figures) {
    all.emplace(operation, figures);
  });
  return all;
}

std::uint64_t Count(const StoreMeter::Figures& figures, StoreOutcome outcome) {
  return figures.requests[static_cast<std::size_t>(outcome)];
}

TEST(StoreMeterTest, HasWhatWasAskedForByOperationAndOutcome) {
  StoreMeter meter;
  meter.Note("PutObject", StoreOutcome::kOk, std::chrono::milliseconds(3));
  meter.Note("PutObject", StoreOutcome::kThrottled, {});
  meter.Note("Put Block", StoreOutcome::kNoAnswer, {});
  meter.Note("SelectObjectContent", StoreOutcome::kFailed, {});
  meter.Note("", StoreOutcome::kFailed, {});

  const auto all = ReadAll(meter);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(Count(all.at("PutObject"), StoreOutcome::kOk), 1u);
  EXPECT_EQ(Count(all.at("PutObject"), StoreOutcome::kThrottled), 1u);
  EXPECT_EQ(all.at("PutObject").took.count(), 2u);
  EXPECT_EQ(all.at("PutObject").took.sum, std::chrono::milliseconds(3));
  EXPECT_EQ(Count(all.at("Put Block"), StoreOutcome::kNoAnswer), 1u);
  EXPECT_EQ(Count(all.at("other"), StoreOutcome::kFailed), 2u);
}

class MeteredStoreTest : public S3StoreTest {
 protected:
  S3Store& metered() {
    store_ =
        std::make_unique<S3Store>(config_, StoreClients(client_, client_, &meter_), credentials_,
                                  cooldown_, loop_.clock(), [this] { return uniform_; });
    return *store_;
  }
  StoreMeter meter_;
};

TEST_F(MeteredStoreTest, EachAttemptCounts) {
  FakeAnswer busy = SayError(503, "SlowDown");
  busy.headers = {{"Retry-After", "1"}};
  answers_ = {SayNothing(absl::DeadlineExceededError("first byte timeout")),
              SayError(500, "InternalError"), busy, Say(204)};
  config_.timing.retry.max_attempts = 5;

  EXPECT_TRUE(Run(metered().Delete({"b", "k"})).ok());

  const auto all = ReadAll(meter_);
  ASSERT_EQ(all.size(), 1u);
  const StoreMeter::Figures& figures = all.at("DeleteObject");
  EXPECT_EQ(Count(figures, StoreOutcome::kNoAnswer), 1u);
  EXPECT_EQ(Count(figures, StoreOutcome::kFailed), 1u);
  EXPECT_EQ(Count(figures, StoreOutcome::kThrottled), 1u);
  EXPECT_EQ(Count(figures, StoreOutcome::kOk), 1u);
}

TEST_F(MeteredStoreTest, WhatIsRefusedForGoodIsRefused) {
  answers_ = {SayError(403, "AccessDenied")};

  EXPECT_FALSE(Run(metered().Delete({"b", "k"})).ok());

  EXPECT_EQ(Count(ReadAll(meter_).at("DeleteObject"), StoreOutcome::kRefused), 1u);
}

}  // namespace
}  // namespace fetchd::objstore
