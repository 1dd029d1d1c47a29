// Jobs and streams that want a range, only what has changed, or the body without its codings.
#include "unit/fetch/fetch_fixture.h"
#include "unit/fetch/receiver.h"

namespace fetchd::fetch {
namespace {

using jobs::State;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// 206 for bytes first..last of `body`; only the first `sent` of them come.
FakeAnswer PartOf(const std::string& body, std::size_t first, std::size_t last,
                  std::size_t sent = std::string::npos) {
  FakeAnswer answer = Whole(body.substr(first, last - first + 1));
  answer.status = 206;
  answer.headers.emplace_back("Content-Range",
                              Concat("bytes ", first, "-", last, "/", body.size()));
  if (sent == std::string::npos) return answer;
  answer.body = {BodyStep::Bytes(body.substr(first, sent)),
                 BodyStep::Error(absl::DataLossError("short body"))};
  return answer;
}

FakeAnswer NotModified() { return Status(304, {{"ETag", "\"v1\""}}); }

class WantedPartTest : public FetchTest {
 protected:
  jobs::Job Ranged(std::uint64_t first, std::optional<std::uint64_t> last) {
    jobs::Job job = NewJob();
    job.spec.range = ByteRange{first, last};
    return job;
  }
  absl::StatusOr<StreamEnd> Fetch(jobs::FetchSpec spec, std::uint64_t offset = 0) {
    StreamRun run(StreamDeps(), std::move(spec), offset, Deadline::Never(), receiver_);
    return Await(run.Run());
  }
  std::string Reason(const absl::Status& status) {
    return GetReason(status).value_or(fetchd::Reason{}).reason;
  }
  void MakeFile(const std::string& content) const {
    std::filesystem::create_directories(root_ / "out");
    std::ofstream(root_ / "out/file") << content;
  }

  const std::string body_ = Pattern(500'000);
  CollectingReceiver receiver_;
};

TEST_F(WantedPartTest, ARangeIsTheWholeFile) {
  Script({PartOf(body_, 100'000, 299'999)});
  jobs::Job job = Ranged(100'000, 299'999);
  job.spec.expected_size = 200'000;
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(body_).subspan(100'000, 200'000)));
  job.spec.digests = digester.Finish();

  const jobs::Job ended = RunToEnd(std::move(job));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_EQ(Content("out/file"), body_.substr(100'000, 200'000));
  EXPECT_EQ(ended.result->size_bytes, 200'000u);
  EXPECT_EQ(ended.result->http_status, 206);
  EXPECT_EQ(client_->Header(0, "Range"), "bytes=100000-299999");
  EXPECT_EQ(client_->Header(0, "If-Range"), "");
}

TEST_F(WantedPartTest, TheRestOfARangeIsAskedForBehindWhatIsKept) {
  Script({PartOf(body_, 100'000, 299'999, 150'000), PartOf(body_, 250'000, 299'999)});

  const jobs::Job ended = RunToEnd(Ranged(100'000, 299'999));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_EQ(Content("out/file"), body_.substr(100'000, 200'000));
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=250000-299999");
  EXPECT_EQ(client_->Header(1, "If-Range"), "\"v1\"");
}

TEST_F(WantedPartTest, ARangeOfAnotherVersionBeginsAnew) {
  const std::string other = Pattern(500'000, 2);
  FakeAnswer changed = Whole(other, "\"v2\"");
  FakeAnswer part = PartOf(other, 100'000, 299'999);
  part.headers[0].second = "\"v2\"";
  Script({PartOf(body_, 100'000, 299'999, 150'000), changed, part});

  const jobs::Job ended = RunToEnd(Ranged(100'000, 299'999));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_EQ(Content("out/file"), other.substr(100'000, 200'000));
  EXPECT_EQ(client_->Header(2, "Range"), "bytes=100000-299999");
  EXPECT_EQ(client_->Header(2, "If-Range"), "");
}

TEST_F(WantedPartTest, ARangeIsNotGoneOnWithAtAnotherPlace) {
  const std::string other = Pattern(500'000, 2);
  const FakeAnswer to_a = Status(302, {{"Location", "https://a.mirror.test/file"}});
  const FakeAnswer to_b = Status(302, {{"Location", "https://b.mirror.test/file"}});
  Script({to_a, PartOf(body_, 100'000, 299'999, 150'000), to_b, PartOf(other, 250'000, 299'999),
          to_b, PartOf(other, 100'000, 299'999)});

  const jobs::Job ended = RunToEnd(Ranged(100'000, 299'999));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_EQ(Content("out/file"), other.substr(100'000, 200'000));
  EXPECT_EQ(client_->Header(5, "Range"), "bytes=100000-299999");
}

TEST_F(WantedPartTest, ARangeThatIsAllKeptIsAskedForItsLastByte) {
  // All bytes come, and then not the end.
  FakeAnswer first = PartOf(body_, 100'000, 299'999, 200'000);
  first.content_length.reset();
  Script({first, PartOf(body_, 299'999, 299'999)});

  const jobs::Job ended = RunToEnd(Ranged(100'000, 299'999));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_EQ(Content("out/file"), body_.substr(100'000, 200'000));
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=299999-299999");
}

TEST_F(WantedPartTest, ARangeMayReachBeyondTheEnd) {
  Script({PartOf(body_, 400'000, 499'999)});

  EXPECT_EQ(RunToEnd(Ranged(400'000, 900'000)).state, State::kSucceeded);
  EXPECT_EQ(Content("out/file"), body_.substr(400'000));
}

TEST_F(WantedPartTest, ARangeOfAllIsNoRange) {
  Script({Whole(body_)});

  EXPECT_EQ(RunToEnd(Ranged(0, std::nullopt)).state, State::kSucceeded);
  EXPECT_EQ(client_->Header(0, "Range"), "");
}

TEST_F(WantedPartTest, WhatCannotBeHadFailsAtOnceAndSaysWhy) {
  Script({Whole(body_)});
  EXPECT_EQ(Reason(RunToEnd(Ranged(5, 9)).error), "RANGE_NOT_SUPPORTED");
  Script({Status(416, {{"Content-Range", "bytes */4"}})});
  const jobs::Job beyond = RunToEnd(Ranged(5, 9));
  EXPECT_EQ(Reason(beyond.error), "RANGE_NOT_SATISFIABLE");
  EXPECT_TRUE(absl::IsOutOfRange(beyond.error));
  EXPECT_THAT(Attempts(beyond.id), SizeIs(1));
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WantedPartTest, AStreamOfARangeCountsFromItsBeginning) {
  Script({PartOf(body_, 100'000, 299'999, 50'000), PartOf(body_, 150'000, 299'999)});
  jobs::FetchSpec spec = NewJob().spec;
  spec.range = ByteRange{100'000, 299'999};

  const auto end = Fetch(spec);

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.body, body_.substr(100'000, 200'000));
  EXPECT_EQ(receiver_.head.offset, 0u);
  EXPECT_EQ(receiver_.head.total_bytes, 200'000u);
  EXPECT_EQ(end->size_bytes, 200'000u);
  EXPECT_THAT(end->digests, SizeIs(1));
}

TEST_F(WantedPartTest, AStreamOfARangeBeginsAtAnOffsetOfIt) {
  Script({PartOf(body_, 150'000, 299'999)});
  jobs::FetchSpec spec = NewJob().spec;
  spec.range = ByteRange{100'000, 299'999};

  ASSERT_TRUE(Fetch(spec, 50'000).ok());

  EXPECT_EQ(receiver_.head.offset, 50'000u);
  EXPECT_EQ(receiver_.body, body_.substr(150'000, 150'000));
  EXPECT_EQ(client_->Header(0, "Range"), "bytes=150000-299999");
}

TEST_F(WantedPartTest, AStreamThatHasDeliveredItsRangeIsDone) {
  FakeAnswer all = PartOf(body_, 100'000, 299'999, 200'000);
  all.content_length.reset();
  Script({all});
  jobs::FetchSpec spec = NewJob().spec;
  spec.range = ByteRange{100'000, 299'999};

  const auto end = Fetch(spec);

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->size_bytes, 200'000u);
  EXPECT_THAT(end->digests, SizeIs(1));
  EXPECT_THAT(client_->requests(), SizeIs(1));
}

TEST_F(WantedPartTest, AStreamThatHasDeliveredItsRangeIsCheckedAllTheSame) {
  FakeAnswer all = PartOf(body_, 100'000, 299'999, 200'000);
  all.content_length.reset();
  Script({all});
  jobs::FetchSpec spec = NewJob().spec;
  spec.range = ByteRange{100'000, 299'999};
  spec.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};

  EXPECT_EQ(Reason(Fetch(spec).status()), "DIGEST_MISMATCH");
}

TEST_F(WantedPartTest, AStreamOfARangeThatHasNoByteYetFindsAnotherVersion) {
  FakeAnswer other = PartOf(body_, 100'000, 299'999);
  other.headers[0].second = "\"v2\"";
  Script({PartOf(body_, 100'000, 299'999, 0), other});
  jobs::FetchSpec spec = NewJob().spec;
  spec.range = ByteRange{100'000, 299'999};

  EXPECT_EQ(Reason(Fetch(spec).status()), "BODY_CHANGED");
  EXPECT_EQ(receiver_.body, "");
}

TEST_F(WantedPartTest, ConditionsAreSentToEveryUrl) {
  Script({Status(503), Whole("x")});
  jobs::Job job = NewJob();
  job.spec.urls.push_back("https://mirror.example/file");
  job.spec.if_none_match = {"\"v1\"", "W/\"v2\""};
  job.spec.if_modified_since = WallTime(std::chrono::sys_days(std::chrono::year{1994} / 11 / 6)) +
                               std::chrono::milliseconds(31'777'999);

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);

  for (const std::size_t n : {0u, 1u}) {
    EXPECT_EQ(client_->Header(n, "If-None-Match"), "\"v1\", W/\"v2\"");
    EXPECT_EQ(client_->Header(n, "If-Modified-Since"), "Sun, 06 Nov 1994 08:49:37 GMT");
  }
}

TEST_F(WantedPartTest, NotModifiedIsASuccessThatTouchesNothing) {
  Script({NotModified()});
  MakeFile("as it was");
  jobs::Job job = NewJob();
  job.spec.if_none_match = {"\"v1\""};
  job.spec.expected_size = 17;
  job.spec.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};

  const jobs::Job ended = RunToEnd(std::move(job));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_TRUE(ended.result->not_modified);
  EXPECT_EQ(ended.result->http_status, 304);
  EXPECT_EQ(ended.result->size_bytes, 0u);
  EXPECT_THAT(ended.result->digests, IsEmpty());
  EXPECT_EQ(ended.result->destination, "");
  EXPECT_EQ(Content("out/file"), "as it was");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(WantedPartTest, NotModifiedMakesNoFile) {
  Script({NotModified()});
  jobs::Job job = NewJob();
  job.spec.if_modified_since = clock_.WallNow();

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WantedPartTest, ABodyThatCameToBeTheOneAtHandIsDropped) {
  Script({Cut(body_, 300'000, "\"v2\""), NotModified()});
  MakeFile("version 1");
  jobs::Job job = NewJob();
  job.spec.if_none_match = {"\"v1\""};

  const jobs::Job ended = RunToEnd(std::move(job));

  EXPECT_TRUE(ended.result->not_modified);
  EXPECT_EQ(Content("out/file"), "version 1");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(WantedPartTest, ModifiedIsFetched) {
  Script({Whole(body_, "\"v2\"")});
  MakeFile("version 1");
  jobs::Job job = NewJob();
  job.spec.if_none_match = {"\"v1\""};

  EXPECT_FALSE(RunToEnd(std::move(job)).result->not_modified);
  EXPECT_EQ(Content("out/file"), body_);
}

TEST_F(WantedPartTest, NotModifiedWithoutAConditionIsAnError) {
  Script({NotModified()});

  EXPECT_EQ(Reason(RunToEnd(NewJob()).error), "HTTP_STATUS");
}

TEST_F(WantedPartTest, AStreamThatIsNotModifiedIsItsHead) {
  Script({NotModified()});
  jobs::FetchSpec spec = NewJob().spec;
  spec.if_none_match = {"\"v1\""};
  spec.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};

  const auto end = Fetch(spec);

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.head.http_status, 304);
  EXPECT_EQ(receiver_.body, "");
  EXPECT_EQ(end->size_bytes, 0u);
  EXPECT_THAT(end->digests, IsEmpty());
}

TEST_F(WantedPartTest, NotModifiedAfterAHeadIsAnotherVersion) {
  Script({Cut(body_, 300'000, "\"v2\""), NotModified()});
  jobs::FetchSpec spec = NewJob().spec;
  spec.if_none_match = {"\"v1\""};

  EXPECT_EQ(Reason(Fetch(spec).status()), "BODY_CHANGED");
}

class DecodedTest : public WantedPartTest {
 protected:
  jobs::Job Decoded() {
    jobs::Job job = NewJob();
    job.spec.decode = true;
    return job;
  }
  /// As the decoding client passes it on.
  FakeAnswer AsDecoded(const std::string& body) {
    FakeAnswer answer = Whole(body);
    answer.headers.emplace_back("Content-Encoding", "gzip");
    answer.content_length.reset();
    return answer;
  }
};

TEST_F(DecodedTest, IsAskedForWithTheLimitsOfTheJob) {
  Script({AsDecoded("body")});
  config_.decode.max_ratio = 17;
  jobs::Job job = Decoded();
  job.spec.max_bytes = 1000;
  job.spec.expected_size = 4;

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);

  const http::Request request = client_->requests().at(0);
  EXPECT_EQ(request.decode->max_bytes, 1000u);
  EXPECT_EQ(request.decode->max_ratio, 17u);
  EXPECT_EQ(RunToEnd(NewJob()).state, State::kSucceeded);
  EXPECT_FALSE(client_->requests().at(1).decode.has_value());
}

TEST_F(DecodedTest, AnAttemptThatBreaksOffBeginsAnew) {
  FakeAnswer cut = Cut(body_, 300'000);
  cut.content_length.reset();
  Script({cut, AsDecoded(body_)});
  jobs::Job job = Decoded();
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
  EXPECT_EQ(RunOnce(id).checkpoint, jobs::Checkpoint());
  clock_.Advance(std::chrono::minutes(1));

  EXPECT_EQ(RunOnce(id).state, State::kSucceeded);

  EXPECT_EQ(client_->Header(1, "Range"), "");
  EXPECT_EQ(Content("out/file"), body_);
}

TEST_F(DecodedTest, ACheckpointIsNeverGoneOnWith) {
  Script({Cut(body_, 300'000), AsDecoded(Pattern(400'000, 2))});
  jobs::Job job = NewJob();
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
  EXPECT_EQ(RunOnce(id).checkpoint.bytes, 300'000u);
  clock_.Advance(std::chrono::minutes(1));

  auto claims = *Await(store_.ClaimReady(1, {}));
  claims.at(0).job.spec.decode = true;
  JobRun run(RunDeps(), std::move(claims.at(0)), transfers_.TryAcquire(1), {}, {});
  EXPECT_EQ(Await(run.Run()), absl::OkStatus());

  EXPECT_EQ(client_->Header(1, "Range"), "");
  EXPECT_EQ(client_->Header(1, "If-Range"), "");
  EXPECT_EQ(Content("out/file"), Pattern(400'000, 2));
}

TEST_F(DecodedTest, ABodyThatGrowsTooMuchIsFinal) {
  FakeAnswer bomb = AsDecoded("x");
  bomb.body.push_back(BodyStep::Error(
      WithReason(absl::ResourceExhaustedError("1 bytes became 300"), {"DECODE_LIMIT", {}})));
  Script({bomb});

  const jobs::Job ended = RunToEnd(Decoded());

  EXPECT_EQ(Reason(ended.error), "DECODE_LIMIT");
  EXPECT_THAT(Attempts(ended.id), SizeIs(1));
  EXPECT_EQ(Files(), 0u);
}

TEST_F(DecodedTest, AStreamIsNotGoneOnWithOnceBytesAreDelivered) {
  FakeAnswer cut = Cut(body_, 300'000);
  cut.content_length.reset();
  Script({Status(503), cut, AsDecoded(body_)});

  const auto end = Fetch(Decoded().spec);

  EXPECT_TRUE(absl::IsDataLoss(end.status())) << end.status();
  EXPECT_THAT(client_->requests(), SizeIs(2));
}

TEST_F(DecodedTest, AnInterruptedStreamComesBackToItsBeginning) {
  FakeAnswer stalls = Stalls(Pattern(3'000'000), 1 << 20);
  stalls.content_length.reset();
  Script({stalls});
  StreamRun run(StreamDeps(), Decoded().spec, 0, Deadline::Never(), receiver_);
  std::optional<absl::StatusOr<StreamEnd>> end;
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("stream", Keep(run.Run(), &end));
  loop_.restart();
  while (receiver_.body.empty()) loop_.run_one();

  run.Interrupt();
  RunLoop(group);

  const auto reason = GetReason(end->status());
  EXPECT_EQ(reason->reason, "INTERRUPTED");
  EXPECT_EQ(reason->metadata[0].second, "0");
}

}  // namespace
}  // namespace fetchd::fetch
