#include "fetch/declared_digests.h"

#include "unit/fetch/fetch_fixture.h"
#include "unit/fetch/receiver.h"

namespace fetchd::fetch {
namespace {

using jobs::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Of "hello".
constexpr char kSha256[] = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
constexpr char kMd5[] = "XUFAKrxLKna5cZ2REBfFkg==";
constexpr char kCrc32c[] = "mnG7TA==";

struct DeclarationCase {
  const char* name;
  int status;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> digests;  ///< In SRI form.
};
void PrintTo(const DeclarationCase& c, std::ostream* out) { *out << c.name; }

class DeclaredDigestsTest : public ::testing::TestWithParam<DeclarationCase> {};

TEST_P(DeclaredDigestsTest, AreThoseThatSpeakOfTheWholeBody) {
  http::Headers headers;
  for (const auto& [name, value] : GetParam().headers) headers.Add(name, value);
  std::vector<std::string> found;
  for (const Digest& digest : DeclaredDigests(GetParam().status, headers)) {
    found.push_back(digest.ToSri());
  }
  EXPECT_EQ(found, GetParam().digests);
}

const std::string kSri = Concat("sha256-", kSha256);
const std::string kField = Concat("sha-256=:", kSha256, ':');

INSTANTIATE_TEST_SUITE_P(
    All, DeclaredDigestsTest,
    ::testing::Values(
        DeclarationCase{"None", 200, {{"ETag", kField}}, {}},
        DeclarationCase{"OfTheRepresentation", 206, {{"Repr-Digest", kField}}, {kSri}},
        DeclarationCase{
            "AmongOthers",
            200,
            {{"repr-digest", Concat("unixsum=:AAA=:, sha=:x:, ", kField, ";p=1, crc32c=x")}},
            {kSri}},
        DeclarationCase{"OfAnotherAnswer", 416, {{"Repr-Digest", kField}}, {}},
        DeclarationCase{"OfAMessage", 200, {{"Content-Digest", kField}}, {kSri}},
        DeclarationCase{
            "OfAPart",
            206,
            {{"Content-Digest", kField}, {"Content-MD5", kMd5}, {"x-amz-checksum-sha256", kSha256}},
            {}},
        DeclarationCase{"Md5", 200, {{"content-md5", kMd5}}, {Concat("md5-", kMd5)}},
        DeclarationCase{"S3",
                        200,
                        {{"X-Amz-Checksum-Crc32c", kCrc32c}, {"x-amz-checksum-sha1", "x"}},
                        {Concat("crc32c-", kCrc32c)}},
        DeclarationCase{"S3OfParts", 200, {{"x-amz-checksum-crc32c", "mnG7TA==-3"}}, {}},
        DeclarationCase{"Unreadable",
                        200,
                        {{"Repr-Digest", "sha-256=:short:"},
                         {"Repr-Digest", "sha-256=:"},
                         {"Repr-Digest", "=::,,sha-256"},
                         {"Content-MD5", "5d41402abc4b2a76b9719d911017c592"}},
                        {}}),
    [](const auto& info) { return info.param.name; });

class DeclaringOriginTest : public FetchTest {
 protected:
  FakeAnswer Hello(const std::string& name, const std::string& value) {
    FakeAnswer answer = Whole("hello");
    answer.headers.emplace_back(name, value);
    return answer;
  }
  static std::string Sha256Of(const std::string& text) {
    Digester digester({DigestAlgorithm::kSha256});
    digester.Update(std::as_bytes(std::span(text)));
    return Concat("sha-256=:", Base64Encode(digester.Finish().at(0).bytes), ':');
  }
  static std::string ReasonOf(const jobs::Job& job) {
    return GetReason(job.error).value_or(Reason{}).reason;
  }
};

TEST_F(DeclaringOriginTest, WhatItSaysHolds) {
  for (const auto& [name, value] : {std::pair("Repr-Digest", kField), {"Content-MD5", kMd5}}) {
    Script({Hello(name, value)});
    const jobs::Job job = RunToEnd(NewJob());
    ASSERT_EQ(job.state, State::kSucceeded) << job.error;
    // What it declares is checked and not told: the result has what was asked for.
    EXPECT_THAT(job.result->digests, SizeIs(1));
  }
}

TEST_F(DeclaringOriginTest, ABodyThatIsNotItIsTriedOnceMoreAndNeverAppears) {
  for (const auto& [name, value] :
       {std::pair<std::string, std::string>("Repr-Digest", Sha256Of("other")),
        {"Content-MD5", "XUFAKrxLKna5cZ2REBfFkQ=="}}) {
    Script({Hello(name, value)});
    const jobs::Job job = RunToEnd(NewJob());
    EXPECT_EQ(ReasonOf(job), "DIGEST_MISMATCH");
    EXPECT_THAT(MessageOf(job.error), HasSubstr("by the origin's word"));
    EXPECT_THAT(Attempts(job.id), SizeIs(2));
    EXPECT_EQ(Files(), 0u);
  }
}

TEST_F(DeclaringOriginTest, AResumedBodyIsTheWholeOne) {
  const std::string body = Pattern(500'000);
  FakeAnswer rest = Rest(body, 300'000);
  rest.headers.emplace_back("Repr-Digest",
                            Concat(Sha256Of(body), ", sha-512=:", std::string(86, 'A'), "==:"));
  Script({Cut(body, 300'000), rest});
  EXPECT_EQ(RunToEnd(NewJob()).state, State::kSucceeded);

  rest.headers.back().second = Sha256Of("other");
  Script({Cut(body, 300'000), rest});
  jobs::Job job = NewJob();
  job.spec.retry.max_attempts = 2;
  EXPECT_EQ(ReasonOf(RunToEnd(std::move(job))), "DIGEST_MISMATCH");
}

TEST_F(DeclaringOriginTest, TrailersCount) {
  FakeAnswer answer = Whole("hello");
  answer.content_length.reset();
  answer.trailers = {{"Repr-Digest", kField}, {"ETag", "\"v9\""}, {"Content-Length", "1"}};
  Script({answer});
  const jobs::Job job = RunToEnd(NewJob());
  EXPECT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(job.result->etag, "\"v1\"");

  answer.trailers = {{"Repr-Digest", Sha256Of("other")}};
  Script({answer});
  EXPECT_EQ(ReasonOf(RunToEnd(NewJob())), "DIGEST_MISMATCH");
}

TEST_F(DeclaringOriginTest, ATrailerOfAnotherAlgorithmUnsaysNothing) {
  FakeAnswer answer = Hello("Repr-Digest", Sha256Of("other"));
  answer.content_length.reset();
  answer.trailers = {{"Repr-Digest", "sha-512=:" + Base64Encode(std::string(64, 'x')) + ":"}};
  Script({answer});

  EXPECT_EQ(ReasonOf(RunToEnd(NewJob())), "DIGEST_MISMATCH");
}

TEST_F(DeclaringOriginTest, ARangeThatIsAllOfTheBodyIsChecked) {
  Script({Hello("Repr-Digest", Sha256Of("other"))});
  jobs::Job all = NewJob();
  all.spec.range = ByteRange{0, std::nullopt};

  EXPECT_EQ(ReasonOf(RunToEnd(std::move(all))), "DIGEST_MISMATCH");
}

TEST_F(DeclaringOriginTest, PartsAndDecodedBodiesAreNotWhatItSpeaksOf) {
  Script({Hello("Repr-Digest", Sha256Of("other"))});
  jobs::Job decoded = NewJob();
  decoded.spec.decode = true;
  EXPECT_EQ(RunToEnd(std::move(decoded)).state, State::kSucceeded);
  jobs::Job range = NewJob();
  range.spec.range = ByteRange{0, 4};
  EXPECT_EQ(RunToEnd(std::move(range)).state, State::kSucceeded);
}

TEST_F(DeclaringOriginTest, TheOperatorMayNotCare) {
  config_.verify_declared = false;
  Script({Hello("Content-MD5", "XUFAKrxLKna5cZ2REBfFkQ==")});

  EXPECT_EQ(RunToEnd(NewJob()).state, State::kSucceeded);
}

}  // namespace
}  // namespace fetchd::fetch
