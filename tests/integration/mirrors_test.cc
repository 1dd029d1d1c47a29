// Two real servers with the same file, of which one dies.
#include <gmock/gmock.h>

#include "integration/engine_fixture.h"
#include "support/nginx.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Digest Sha256Of(std::string_view body) {
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(body)));
  return digester.Finish()[0];
}

class MirrorsTest : public EngineFixture {
 protected:
  MirrorsTest() {
    WriteFile(dying_.root() / "file", body_);
    WriteFile(other_.root() / "file", body_);
    // Another date, and so another ETag.
    const auto written = std::filesystem::last_write_time(other_.root() / "file");
    std::filesystem::last_write_time(other_.root() / "file", written - std::chrono::hours(1));
  }

  /// Of a job that comes slowly from the one server, which dies when a part is kept.
  jobs::Job Fetch(std::vector<Digest> digests) {
    jobs::Job job = MakeJob(dying_.HttpUrl("/slow/file"));
    job.spec.urls.push_back(other_.HttpUrl("/file"));
    job.spec.digests = std::move(digests);
    const JobId id = house().Submit(std::move(job));
    for (jobs::Job now = house().Get(id); now.checkpoint.bytes == 0 && !jobs::IsTerminal(now.state);
         now = house().Get(id)) {
    }
    dying_.Stop();
    return house().WaitUntilEnded(id);
  }

  const std::string body_ = PatternBody(2'000'000);
  Nginx dying_, other_;
};

TEST_F(MirrorsTest, OneThatDiesInMidBodyIsContinuedByTheOtherUnderTheDigest) {
  const jobs::Job job = Fetch({Sha256Of(body_)});

  ASSERT_EQ(job.state, jobs::State::kSucceeded) << job.error;
  EXPECT_EQ(FileContent("out"), body_);
  const std::vector<jobs::AttemptRecord> attempts = house().Attempts(job.id);
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_GT(attempts[1].resumed_from_bytes, 0u);
  EXPECT_EQ(attempts[1].resumed_from_bytes + attempts[1].received_bytes, body_.size());
  EXPECT_THAT(other_.AccessLog(), HasSubstr(" 206 bytes="));
}

TEST_F(MirrorsTest, WithoutADigestTheOtherBeginsAnew) {
  const jobs::Job job = Fetch({});

  ASSERT_EQ(job.state, jobs::State::kSucceeded) << job.error;
  EXPECT_EQ(FileContent("out"), body_);
  EXPECT_EQ(house().Attempts(job.id)[1].received_bytes, body_.size());
  EXPECT_THAT(other_.AccessLog(), Not(HasSubstr(" 206 ")));
}

}  // namespace
}  // namespace fetchd::testing
