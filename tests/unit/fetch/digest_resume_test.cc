// Digests go on with the body: what is kept is not read again, unless their state is of no use.
#include <fcntl.h>

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<Digest> DigestsOf(std::string_view body, std::vector<DigestAlgorithm> algorithms) {
  Digester digester(std::move(algorithms));
  digester.Update(std::as_bytes(std::span(body)));
  return digester.Finish();
}

/// What is opened for both is opened for writing alone: every read of what was kept fails.
class UnreadableFiles final : public sink::FileCalls {
 public:
  int OpenBeneath(int root, const std::string& path, int flags, mode_t mode) override {
    return FileCalls::OpenBeneath(root, path, WriteOnly(flags), mode);
  }
  int OpenAt(int directory, const std::string& name, int flags, mode_t mode) override {
    return FileCalls::OpenAt(directory, name, WriteOnly(flags), mode);
  }

 private:
  static int WriteOnly(int flags) {
    return (flags & O_ACCMODE) == O_RDWR ? (flags & ~O_ACCMODE) | O_WRONLY : flags;
  }
};

class DigestResumeTest : public FetchTest {
 protected:
  void MakeUnreadable() {
    destinations_ = *sink::Destinations::Open(root_, clock_, pool_, loop_.get_executor(), calls_);
  }

  /// The job behind its first attempt, which brought `kept` bytes of `body`.
  JobId KeepPart(const std::string& body, std::size_t kept, std::vector<Digest> expected) {
    Script({Cut(body, kept), Rest(body, kept)});
    jobs::Job job = NewJob();
    job.destination = "file:out/" + job.id.str();
    job.spec.digests = std::move(expected);
    EXPECT_TRUE(Await(store_.Create(job)).ok());
    EXPECT_EQ(RunOnce(job.id).checkpoint.bytes, kept);
    clock_.Advance(1min);
    return job.id;
  }

  UnreadableFiles calls_;
};

TEST_F(DigestResumeTest, NothingIsReadBackWhateverTheOffset) {
  MakeUnreadable();
  const std::string body = Pattern(70'000);
  const std::vector<Digest> expected =
      DigestsOf(body, {DigestAlgorithm::kMd5, DigestAlgorithm::kSha384, DigestAlgorithm::kSha512,
                       DigestAlgorithm::kCrc32c});
  for (const std::size_t kept : {1, 55, 63, 64, 65, 111, 127, 128, 129, 4'095, 65'536, 69'999}) {
    const JobId id = KeepPart(body, kept, expected);

    const jobs::Job job = RunOnce(id);

    ASSERT_EQ(job.state, State::kSucceeded) << kept << ": " << job.error;
    EXPECT_EQ(Content("out/" + id.str()), body) << kept;
    EXPECT_EQ(job.result->digests[0], DigestsOf(body, {DigestAlgorithm::kSha256})[0]) << kept;
    EXPECT_THAT(job.result->digests, SizeIs(5));
  }
}

TEST_F(DigestResumeTest, WhatArrivesWrongAfterwardsIsStillFound) {
  MakeUnreadable();
  const std::string body = Pattern(70'000);
  const JobId id = KeepPart(body, 30'000, DigestsOf(body, {DigestAlgorithm::kSha512}));
  std::string other = body;
  other[50'000] ^= 1;
  Script({Rest(other, 30'000)});

  EXPECT_EQ(GetReason(RunOnce(id).error)->reason, "DIGEST_MISMATCH");
}

struct LostStateCase {
  const char* name;
  std::function<void(std::string& state)> lose;
};
void PrintTo(const LostStateCase& c, std::ostream* out) { *out << c.name; }

class LostStateTest : public DigestResumeTest, public ::testing::WithParamInterface<LostStateCase> {
 protected:
  /// Writes another state into what the store keeps of the job.
  void Lose(const JobId& id) {
    const auto claims = *Await(store_.ClaimReady(1, {}));
    jobs::Checkpoint checkpoint = claims.at(0).job.checkpoint;
    ASSERT_FALSE(checkpoint.digest_state.empty());
    GetParam().lose(checkpoint.digest_state);
    const jobs::Change change = jobs::Interrupted{{}, std::move(checkpoint)};
    ASSERT_TRUE(Await(store_.Update(id, claims.at(0).fence, change)).ok());
  }
};

TEST_P(LostStateTest, TheKeptBytesAreReadAndHashedAgain) {
  const std::string body = Pattern(500'000);
  const JobId id = KeepPart(body, 300'000, DigestsOf(body, {DigestAlgorithm::kSha512}));
  Lose(id);

  const jobs::Job job = RunOnce(id);

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Attempts(id).back().resumed_from_bytes, 300'000u);
}

TEST_P(LostStateTest, AReadThatFailsIsAnErrorOfTheSink) {
  MakeUnreadable();
  const std::string body = Pattern(500'000);
  const JobId id = KeepPart(body, 300'000, DigestsOf(body, {DigestAlgorithm::kSha512}));
  Lose(id);

  EXPECT_EQ(RunOnce(id).state, State::kWaiting);

  EXPECT_EQ(Attempts(id).back().failed_phase, "sink");
}

std::string StateAfter(std::string_view bytes, std::vector<DigestAlgorithm> algorithms) {
  Digester digester(std::move(algorithms));
  digester.Update(std::as_bytes(std::span(bytes)));
  return digester.Save();
}

INSTANTIATE_TEST_SUITE_P(
    All, LostStateTest,
    ::testing::Values(LostStateCase{"Lost", [](std::string& state) { state.clear(); }},
                      LostStateCase{"Damaged", [](std::string& state) { state[20] ^= 1; }},
                      LostStateCase{"Short", [](std::string& state) { state.pop_back(); }},
                      LostStateCase{"OfFewerBytes",
                                    [](std::string& state) {
                                      state = StateAfter("abc", {DigestAlgorithm::kSha256,
                                                                 DigestAlgorithm::kSha512});
                                    }},
                      LostStateCase{"OfFewerAlgorithms",
                                    [](std::string& state) {
                                      state = StateAfter(Pattern(500'000).substr(0, 300'000),
                                                         {DigestAlgorithm::kSha256});
                                    }},
                      LostStateCase{"OfOtherAlgorithms",
                                    [](std::string& state) {
                                      state = StateAfter(
                                          Pattern(500'000).substr(0, 300'000),
                                          {DigestAlgorithm::kSha256, DigestAlgorithm::kMd5});
                                    }}),
    [](const auto& info) { return info.param.name; });

// What an origin declares is of no use without its hash: that goes on too.
TEST_F(DigestResumeTest, ADeclaredDigestIsComparedAfterAResume) {
  MakeUnreadable();
  const std::string body = Pattern(70'000);
  const Digest wrong = DigestsOf("another", {DigestAlgorithm::kSha512})[0];
  FakeAnswer cut = Cut(body, 30'000);
  FakeAnswer rest = Rest(body, 30'000);
  for (FakeAnswer* answer : {&cut, &rest}) {
    answer->headers.emplace_back("Repr-Digest",
                                 Concat("sha-512=:", Base64Encode(wrong.bytes), ":"));
  }
  Script({cut, rest});
  const jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  ASSERT_EQ(RunOnce(job.id).checkpoint.bytes, 30'000u);
  clock_.Advance(1min);

  EXPECT_THAT(MessageOf(RunOnce(job.id).error), HasSubstr("by the origin's word"));
}

class CheckpointTest : public FetchTest {
 protected:
  /// What the store knows to be kept, whenever the origin is asked for a further piece.
  std::vector<std::uint64_t> SeenWith(std::vector<Duration> pauses, std::size_t piece) {
    std::vector<std::uint64_t> seen;
    jobs::Job job = NewJob();
    FakeAnswer answer = Whole(Pattern(piece * (pauses.size() + 1)));
    const std::string body = answer.body[0].bytes;
    answer.body.clear();
    std::size_t offset = 0;
    for (const Duration pause : pauses) {
      answer.body.push_back(BodyStep::Bytes(body.substr(offset, piece)));
      answer.body.push_back(BodyStep::Call([this, &seen, &job, pause] {
        seen.push_back(store_.Peek(job.id).checkpoint.bytes);
        clock_.Advance(pause);
      }));
      offset += piece;
    }
    answer.body.push_back(BodyStep::Bytes(body.substr(offset)));
    Script({answer});
    EXPECT_TRUE(Await(store_.Create(job)).ok());
    EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);
    return seen;
  }
};

TEST_F(CheckpointTest, IsWrittenEverySoManySeconds) {
  EXPECT_THAT(SeenWith({2s, 2s, 2s, 1s, 5s, 1s}, 10'000),
              ElementsAre(0u, 0u, 0u, 40'000u, 40'000u, 60'000u));
}

TEST_F(CheckpointTest, IsWrittenEverySoManyBytes) {
  config_.checkpoint_bytes = 25'000;

  EXPECT_THAT(SeenWith({1ms, 1ms, 1ms, 1ms, 1ms, 1ms}, 10'000),
              ElementsAre(0u, 0u, 30'000u, 30'000u, 30'000u, 60'000u));
}

TEST_F(CheckpointTest, IsDueEveryFiveSecondsOrSixtyFourMebibytes) {
  EXPECT_EQ(EngineConfig().checkpoint_interval, 5s);
  EXPECT_EQ(EngineConfig().checkpoint_bytes, std::uint64_t{64} << 20);
}

}  // namespace
}  // namespace fetchd::fetch
