// Large bodies of a real server that limits each connection, or does not.
#include <gmock/gmock.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "integration/engine_fixture.h"
#include "support/nginx.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class SegmentsTest : public EngineFixture {
 protected:
  SegmentsTest() { WriteFile(nginx_.root() / "file", body_); }

  static fetch::EngineConfig SmallPieces() {
    fetch::EngineConfig config = Config();
    config.segments.min_bytes = 256 << 10;
    config.segments.min_piece_bytes = config.segments.max_piece_bytes = 128 << 10;
    config.segments.ramp = 300ms;
    config.segments.window = 1s;
    return config;
  }

  jobs::SegmentsRecord Fetch(const std::string& url) {
    TempFolder folder;
    EngineHouse house(folder.path(), SmallPieces(), {.ca_file = nginx_.ca_file().string()});
    jobs::Job wanted = MakeJob(url);
    if (url.starts_with("https:")) wanted.spec.tls_profile = "test";
    const auto began = std::chrono::steady_clock::now();
    const jobs::Job job = house.WaitUntilEnded(house.Submit(std::move(wanted)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(job.state, jobs::State::kSucceeded) << job.error;
    EXPECT_EQ(ReadFile(folder.path() / "files/out"), body_);
    EXPECT_EQ(house.buffer_bytes_in_use(), 0u);
    EXPECT_EQ(house.stats().extra_connections, 0u);
    const jobs::SegmentsRecord record = house.Attempts(job.id).at(0).segments;
    std::cout << url << ": " << took.count() << " s, " << record.most_connections
              << " connections, " << record.pieces << " pieces\n";
    for (const std::string& note : record.notes) std::cout << "  " << note << '\n';
    return record;
  }

  const std::string body_ = PatternBody(1'500'000);
  Nginx nginx_;
};

TEST_F(SegmentsTest, ALimitOfEachConnectionIsOvercomeByMoreOfThem) {
  const jobs::SegmentsRecord segments = Fetch(nginx_.HttpUrl("/slow/file"));

  EXPECT_GT(segments.most_connections, 1);
  EXPECT_GT(segments.added, 0);
  EXPECT_GT(segments.pieces, 2u);
  EXPECT_THAT(nginx_.AccessLog(), HasSubstr(" 206 bytes="));
}

TEST_F(SegmentsTest, OverHttp2SoAreItsStreams) {
  const jobs::SegmentsRecord segments = Fetch(nginx_.HttpsUrl("/slow/file"));

  EXPECT_GT(segments.most_connections, 1);
  EXPECT_THAT(nginx_.AccessLog(), HasSubstr(" 206 bytes="));
}

TEST_F(SegmentsTest, AQueuedJobOfTheOriginGetsTheTurnOfAnExtraConnection) {
  WriteFile(nginx_.root() / "small", "small");
  fetch::EngineConfig config = SmallPieces();
  config.pacer.limits_of = [](const fetchd::Origin&) {
    return fetch::OriginLimits{.max_transfers = 2};
  };
  TempFolder folder;
  EngineHouse house(folder.path(), config);
  const JobId large = house.Submit(MakeJob(nginx_.HttpUrl("/slow/file")));
  while (house.stats().extra_connections == 0) std::this_thread::yield();

  const jobs::Job small =
      house.WaitUntilEnded(house.Submit(MakeJob(nginx_.HttpUrl("/small"), "file:small")));

  EXPECT_EQ(small.state, jobs::State::kSucceeded) << small.error;
  EXPECT_EQ(house.Get(large).state, jobs::State::kRunning);
  EXPECT_EQ(house.WaitUntilEnded(large).state, jobs::State::kSucceeded);
  EXPECT_THAT(house.Attempts(large).at(0).segments.notes,
              Contains("gave a connection of 2 back: others wait"));
}

TEST_F(SegmentsTest, ABodyThatComesAtOnceIsReadOverOne) {
  const jobs::SegmentsRecord segments = Fetch(nginx_.HttpUrl("/file"));

  EXPECT_EQ(segments, jobs::SegmentsRecord());
  EXPECT_THAT(nginx_.AccessLog(), Not(HasSubstr(" 206 ")));
}

}  // namespace
}  // namespace fetchd::testing
