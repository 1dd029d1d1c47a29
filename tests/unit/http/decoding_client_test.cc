#include "http/decoding_client.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "fake_net.h"
#include "support/content_encoder.h"
#include "support/fake_http_client.h"
#include "support/origin_scripts.h"

namespace fetchd::http {
namespace {

using testing::BodyStep;
using testing::Brotli;
using testing::FakeAnswer;
using testing::Gzip;
using ::testing::HasSubstr;
using testing::Zstd;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

struct Received {
  absl::Status status = absl::UnknownError("not finished");
  bool has_head = false;
  std::optional<std::uint64_t> content_length;
  std::string body;
};

Task<absl::Status> FetchDecoded(Client& client, Request request, Call call, Received& received) {
  absl::StatusOr<Response> response = co_await client.Send(std::move(request), call);
  received.status = response.status();
  if (!response.ok()) co_return absl::OkStatus();
  received.has_head = true;
  received.content_length = response->content_length;
  std::vector<std::byte> out(10'000);
  while (true) {
    const absl::StatusOr<std::size_t> read = co_await response->body->Read(out);
    received.status = read.status();
    if (!read.ok() || *read == 0) co_return absl::OkStatus();
    received.body.append(reinterpret_cast<const char*>(out.data()), *read);
  }
}

class DecodingClientTest : public ShardTest {
 protected:
  ~DecodingClientTest() override { EXPECT_EQ(memory_.in_use(), 0U); }

  Received Get(const std::string& body, const std::string& codings, int status = 200) {
    FakeAnswer answer;
    answer.status = status;
    if (!codings.empty()) answer.headers = {{"Content-Encoding", codings}};
    answer.content_length = body.size();
    for (std::size_t at = 0; at < body.size(); at += 1000) {
      answer.body.push_back(BodyStep::Bytes(body.substr(at, 1000)));
    }
    return Get(answer);
  }
  Received Get(FakeAnswer answer) {
    answer_ = std::move(answer);
    Request request(*Url::Parse("http://example.org/"));
    request.method = method_;
    request.decode = limits_;
    Received received;
    tasks_.Spawn("fetch", FetchDecoded(client_, std::move(request), {}, received));
    Poll();
    return received;
  }
  static std::string ReasonOf(const Received& received) {
    return GetReason(received.status).value_or(Reason{}).reason;
  }

  FakeAnswer answer_;
  testing::FakeHttpClient inner_{[this](const Request&) { return answer_; }};
  Semaphore memory_{40 * kMiB};
  DecodingClient client_{inner_, clock_, memory_};
  std::optional<DecodeLimits> limits_ = DecodeLimits{};
  std::string method_ = "GET";
};

TEST_F(DecodingClientTest, UndoesOneCodingOrTwoInReverse) {
  const std::string body = testing::PatternBody(100'000);

  EXPECT_TRUE(Get(Gzip(body), "gzip").body == body);
  EXPECT_TRUE(Get(Zstd(Gzip(body)), "gzip, zstd").body == body);
  EXPECT_TRUE(Get(Gzip(Brotli(body)), "br, gzip").body == body);
  EXPECT_TRUE(Get(Brotli(Brotli(body)), "br, br").body == body);
}

TEST_F(DecodingClientTest, TheLengthOfADecodedBodyIsUnknown) {
  const Received received = Get(Gzip("body"), "gzip");

  EXPECT_TRUE(received.status.ok()) << received.status;
  EXPECT_EQ(received.content_length, std::nullopt);
}

TEST_F(DecodingClientTest, ABodyWithoutACodingPassesWithItsLength) {
  const Received received = Get("as it is", "identity");

  EXPECT_EQ(received.body, "as it is");
  EXPECT_EQ(received.content_length, 8U);
}

TEST_F(DecodingClientTest, WhoDoesNotAskGetsTheBytesAsTheyCame) {
  limits_.reset();
  const std::string encoded = Gzip("body");

  EXPECT_EQ(Get(encoded, "gzip").body, encoded);
  EXPECT_EQ(Get("x", "unheard-of").body, "x");
}

TEST_F(DecodingClientTest, OnlyBodiesThatAreWantedAreDecoded) {
  const std::string encoded = Gzip("body");

  for (const int status : {206, 302, 404, 500}) {
    EXPECT_EQ(Get(encoded, "gzip", status).body, encoded) << status;
    EXPECT_TRUE(Get(encoded, "unheard-of", status).status.ok()) << status;
  }
}

TEST_F(DecodingClientTest, NoBodyIsNoBody) {
  EXPECT_TRUE(Get("", "gzip").status.ok());
  method_ = "HEAD";
  FakeAnswer head;
  head.headers = {{"Content-Encoding", "br"}};
  EXPECT_TRUE(Get(head).status.ok());
}

TEST_F(DecodingClientTest, AnUnknownCodingIsRefusedBeforeAnyByte) {
  const Received received = Get("x", "gzip, unheard-of");

  EXPECT_FALSE(received.has_head);
  EXPECT_EQ(ReasonOf(received), "CONTENT_CODING_NOT_SUPPORTED");
  EXPECT_THAT(MessageOf(received.status), HasSubstr("http://example.org"));
}

TEST_F(DecodingClientTest, DamageAndCutsAndGarbageAreDataLoss) {
  const std::string encoded = Gzip(testing::PatternBody(5000));
  for (const std::string& body :
       {encoded.substr(0, 4000), encoded + "garbage", std::string("no gzip at all")}) {
    const Received received = Get(body, "gzip");
    EXPECT_TRUE(absl::IsDataLoss(received.status)) << received.status;
    EXPECT_EQ(ReasonOf(received), "MALFORMED_CONTENT");
  }
  FakeAnswer nothing;  // Until the connection is closed: it may have been cut.
  nothing.headers = {{"Content-Encoding", "gzip"}};
  EXPECT_EQ(ReasonOf(Get(nothing)), "MALFORMED_CONTENT");
  EXPECT_EQ(ReasonOf(Get(Brotli(encoded.substr(0, 4000)), "gzip, br")), "MALFORMED_CONTENT");
}

TEST_F(DecodingClientTest, AFailureOfTheBodyInsideIsPassedOn) {
  FakeAnswer answer;
  answer.headers = {{"Content-Encoding", "gzip"}};
  answer.body = {BodyStep::Bytes(Gzip("body").substr(0, 12)),
                 BodyStep::Error(absl::UnavailableError("lost"))};

  EXPECT_TRUE(absl::IsUnavailable(Get(answer).status));
}

struct BombCase {
  const char* name;
  std::function<std::string()> body;
  const char* codings;
};
void PrintTo(const BombCase& c, std::ostream* out) { *out << c.name; }

class BombTest : public DecodingClientTest, public ::testing::WithParamInterface<BombCase> {};

TEST_P(BombTest, EndsAtTheRatioAndNamesBothSizes) {
  const std::string bomb = GetParam().body();

  const Received received = Get(bomb, GetParam().codings);

  ASSERT_TRUE(absl::IsResourceExhausted(received.status)) << received.status;
  EXPECT_EQ(ReasonOf(received), "DECODE_LIMIT");
  const Reason reason = *GetReason(received.status);
  EXPECT_EQ(reason.metadata[0].first, "encoded_bytes");
  EXPECT_EQ(reason.metadata[1].first, "decoded_bytes");
  for (const auto& [name, value] : reason.metadata) {
    EXPECT_THAT(MessageOf(received.status), HasSubstr(Concat(value, " bytes")));
  }
  EXPECT_LE(received.body.size(), 2 * kMiB + 200 * bomb.size());
}

std::string Zeros() { return std::string(4 * kMiB, '\0'); }

INSTANTIATE_TEST_SUITE_P(
    All, BombTest,
    ::testing::Values(BombCase{"Gzip", [] { return Gzip(Zeros()); }, "gzip"},
                      BombCase{"Brotli", [] { return Brotli(Zeros()); }, "br"},
                      BombCase{"Zstd", [] { return Zstd(Zeros()); }, "zstd"},
                      BombCase{"GzipInGzip", [] { return Gzip(Gzip(Zeros())); }, "gzip, gzip"},
                      // What grows is not the body but what lies between the codings.
                      BombCase{"EmptyMembersInBrotli",
                               [] {
                                 std::string members;
                                 while (members.size() < 2 * kMiB) members += Gzip("");
                                 return Brotli(members);
                               },
                               "gzip, br"}),
    [](const auto& info) { return info.param.name; });

TEST_F(DecodingClientTest, DenseBodiesBelowTheFreeSizeAreFine) {
  EXPECT_EQ(Get(Gzip(std::string(kMiB, '\0')), "gzip").body.size(), kMiB);
}

TEST_F(DecodingClientTest, TheLimitOfBytesHoldsBeforeAndAfter) {
  limits_->max_bytes = 10'000;
  EXPECT_EQ(ReasonOf(Get(Gzip(testing::PatternBody(10'001)), "gzip")), "DECODE_LIMIT");
  EXPECT_EQ(Get(Gzip(std::string(10'000, 'x')), "gzip").body.size(), 10'000U);

  // Members without end that decode to nothing.
  std::string members;
  while (members.size() < 20'000) members += Gzip("");
  EXPECT_EQ(ReasonOf(Get(members, "gzip")), "DECODE_LIMIT");
}

TEST_F(DecodingClientTest, WhoFindsNoMemoryWaitsForIt) {
  const std::string body = Brotli("body");
  FakeAnswer hanging;
  hanging.headers = {{"Content-Encoding", "br, br"}};
  hanging.body = {BodyStep::Hang()};
  answer_ = hanging;
  Request request(*Url::Parse("http://example.org/"));
  request.decode = limits_;
  runtime::TaskGroup first(context_.get_executor());
  Received hung;
  first.Spawn("hung", FetchDecoded(client_, request, {}, hung));
  Poll();
  ASSERT_EQ(memory_.in_use(), 40 * kMiB);

  answer_.headers = {{"Content-Encoding", "br"}};
  answer_.body = {BodyStep::Bytes(body)};
  Received patient;
  Received impatient;
  std::vector<ExchangeRecord> records(1);
  Call call{.records = &records};
  tasks_.Spawn("patient", FetchDecoded(client_, request, call, patient));
  call = {.deadline = Deadline::After(clock_, std::chrono::seconds(1))};
  tasks_.Spawn("impatient", FetchDecoded(client_, request, call, impatient));
  const SteadyTime from = clock_.Now();
  Pass(std::chrono::seconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(impatient.status)) << impatient.status;
  EXPECT_FALSE(patient.has_head);
  EXPECT_EQ(records.back().memory_wait_since, from);

  first.Cancel();
  Poll();
  EXPECT_EQ(patient.body, "body");
  EXPECT_EQ(records.back().memory_wait, clock_.Now() - from);
  EXPECT_FALSE(records.back().memory_wait_since.has_value());
  EXPECT_EQ(first.size(), 0U);
}

}  // namespace
}  // namespace fetchd::http
