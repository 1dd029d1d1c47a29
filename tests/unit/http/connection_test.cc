#include "http/connection.h"

#include <gmock/gmock.h>

#include <boost/asio/ssl/error.hpp>
#include <boost/json.hpp>
#include <fstream>
#include <optional>
#include <random>

#include "base/strings.h"
#include "fake_net.h"
#include "net/tls_error.h"

namespace fetchd::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Url TestUrl() { return *Url::Parse("http://example.org/a?b"); }

/// One exchange, and all of its body.
struct Outcome {
  absl::Status status = absl::UnknownError("not finished");
  ResponseHead head;
  std::string body;
  bool reusable = false;
};

Task<absl::Status> RunRequest(Http1Connection& connection, Request request, std::size_t room,
                              Timeouts timeouts, Deadline deadline, Outcome& outcome) {
  outcome.status = connection.Begin(request, "tester", timeouts, deadline);
  if (outcome.status.ok()) outcome.status = co_await connection.Exchange();
  if (!outcome.status.ok()) co_return absl::OkStatus();
  outcome.head = connection.TakeHead();
  std::vector<std::byte> out(room);
  while (true) {
    const absl::StatusOr<std::size_t> read = co_await connection.ReadBody(out);
    outcome.status = read.status();
    if (!read.ok() || *read == 0) break;
    outcome.body.append(reinterpret_cast<const char*>(out.data()), *read);
  }
  outcome.reusable = connection.reusable();
  co_return absl::OkStatus();
}

Task<absl::Status> RunExchange(Http1Connection& connection, bool head_request, std::size_t room,
                               Timeouts timeouts, Deadline deadline, Outcome& outcome) {
  Request request(TestUrl());
  if (head_request) request.method = "HEAD";
  return RunRequest(connection, std::move(request), room, timeouts, deadline, outcome);
}

Request Put(const std::vector<std::string>& blocks) {
  Request request(TestUrl());
  request.method = "PUT";
  for (const std::string& block : blocks) {
    request.body.push_back(std::as_bytes(std::span<const char>(block)));
  }
  return request;
}

class ConnectionTest : public ShardTest {
 protected:
  ~ConnectionTest() override {
    tasks_.Cancel();
    Poll();
  }

  std::unique_ptr<Http1Connection> Connect() {
    return std::make_unique<Http1Connection>(
        std::make_unique<FakeStream>(context_.get_executor(), peer_), "example.org:80", watchdog_);
  }

  /// What becomes of a response that arrives in these pieces.
  Outcome Exchange(std::deque<std::string> pieces, bool head_request = false,
                   std::size_t room = 7) {
    peer_->sends = std::move(pieces);
    connection_ = Connect();
    Outcome outcome;
    tasks_.Spawn("exchange",
                 RunExchange(*connection_, head_request, room, {}, Deadline::Never(), outcome));
    Poll();
    return outcome;
  }

  Outcome Send(Request request, std::deque<std::string> pieces) {
    peer_->sends = std::move(pieces);
    connection_ = Connect();
    Outcome outcome;
    tasks_.Spawn("exchange",
                 RunRequest(*connection_, std::move(request), 7, {}, Deadline::Never(), outcome));
    Poll();
    return outcome;
  }

  Watchdog watchdog_{clock_, tasks_};
  std::shared_ptr<FakePeer> peer_ = std::make_shared<FakePeer>();
  std::unique_ptr<Http1Connection> connection_;
};

TEST_F(ConnectionTest, WritesTheHeadAtOnceHostFirst) {
  Exchange({Answer("x")});

  EXPECT_EQ(peer_->writes, 1U);
  EXPECT_EQ(peer_->received,
            "GET /a?b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: tester\r\nAccept: */*\r\n"
            "Accept-Encoding: identity\r\n\r\n");
}

TEST_F(ConnectionTest, RequestThatTheSocketDoesNotTakeAtOnceIsWrittenAllTheSame) {
  peer_->takes_at_once = false;
  const Outcome outcome = Exchange({Answer("x")});

  EXPECT_EQ(outcome.body, "x");
  EXPECT_TRUE(peer_->received.starts_with("GET /a?b HTTP/1.1\r\n"));
  EXPECT_TRUE(peer_->received.ends_with("\r\n\r\n"));
}

TEST_F(ConnectionTest, BufferIsGivenUpAndMadeAgain) {
  EXPECT_EQ(Connect()->buffer_bytes(), 0U);
  Exchange({Answer("hello")});
  const std::size_t used = connection_->buffer_bytes();
  connection_->Relax(used);
  EXPECT_EQ(connection_->buffer_bytes(), used);
  connection_->Relax(0);
  EXPECT_EQ(connection_->buffer_bytes(), 0U);

  peer_->sends = {Answer("again")};
  Outcome second;
  tasks_.Spawn("second", RunExchange(*connection_, false, 7, {}, Deadline::Never(), second));
  Poll();
  EXPECT_EQ(second.body, "again");
}

TEST_F(ConnectionTest, SmallResponseTakesOneRead) {
  const Outcome outcome = Exchange({Answer("hello")}, false, 1024);

  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.body, "hello");
  EXPECT_TRUE(outcome.reusable);
  EXPECT_EQ(peer_->reads, 1U);
}

TEST_F(ConnectionTest, LargeBodyIsReadIntoTheCallersBuffer) {
  const std::string body(1'000'000, 'x');
  const Outcome outcome = Exchange({Answer(body)}, false, 262'144);

  EXPECT_EQ(outcome.body, body);
  EXPECT_EQ(peer_->largest_read, 262'144U);
  EXPECT_LE(peer_->reads, 6U);
}

TEST_F(ConnectionTest, LargeChunksAreReadIntoTheCallersBuffer) {
  const std::string chunk(200'000, 'x');
  const Outcome outcome =
      Exchange({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30D40\r\n" + chunk +
                "\r\n3\r\nabc\r\n0\r\n\r\n"},
               false, 262'144);

  EXPECT_EQ(outcome.body, chunk + "abc");
  EXPECT_GT(peer_->largest_read, 180'000U);
  EXPECT_TRUE(outcome.reusable);
}

TEST_F(ConnectionTest, LeftoverBytesForbidReuse) {
  const Outcome outcome = Exchange({Answer("abc") + "EXTRA"});

  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.body, "abc");
  EXPECT_FALSE(outcome.reusable);
}

TEST_F(ConnectionTest, SecondExchangeOnTheSameConnection) {
  Exchange({Answer("first")});
  peer_->sends = {Answer("second")};
  Outcome outcome;
  tasks_.Spawn("again", RunExchange(*connection_, false, 99, {}, Deadline::Never(), outcome));
  Poll();

  EXPECT_EQ(outcome.body, "second");
}

TEST_F(ConnectionTest, TooManyInformationalHeads) {
  std::string heads;
  for (int i = 0; i < 17; ++i) heads += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_EQ(Exchange({heads + Answer("abc")}).status.code(), absl::StatusCode::kDataLoss);

  peer_ = std::make_shared<FakePeer>();
  EXPECT_EQ(Exchange({heads.substr(0, heads.size() / 17 * 16) + Answer("abc")}).body, "abc");
}

TEST_F(ConnectionTest, InformationalHeadsAreLimitedInSum) {
  const std::string head =
      "HTTP/1.1 103 Early Hints\r\nLink: " + std::string(30'000, 'x') + "\r\n\r\n";
  EXPECT_EQ(Exchange({head, head, head, Answer("abc")}).status.code(), absl::StatusCode::kDataLoss);

  peer_ = std::make_shared<FakePeer>();
  EXPECT_EQ(Exchange({head, head, Answer("abc")}).body, "abc");
}

TEST_F(ConnectionTest, AProtocolSwitchThatNobodyAskedForIsMalformed) {
  const Outcome outcome =
      Exchange({"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + Answer("abc")});

  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetReason(outcome.status)->reason, "MALFORMED_RESPONSE");
}

TEST_F(ConnectionTest, ResetIsUnavailableAndShortBodyIsDataLoss) {
  const Outcome cut = Exchange({"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"});
  EXPECT_EQ(cut.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetReason(cut.status)->reason, "TRUNCATED_BODY");

  peer_ = std::make_shared<FakePeer>();
  peer_->end = asio::error::connection_reset;
  const Outcome reset = Exchange({"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"});
  EXPECT_EQ(reset.status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(ConnectionTest, TlsCutIsNotTheEndOfABodyWithoutLength) {
  peer_->end = asio::ssl::error::stream_truncated;
  const Outcome outcome = Exchange({"HTTP/1.1 200 OK\r\n\r\nabc"});

  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDataLoss);
}

/// TLS 1.3 servers ask for a client certificate too late for the handshake to fail.
TEST_F(ConnectionTest, WishForAClientCertificateIsNoLostConnection) {
  peer_->end = net::TlsFault::kCertificateWanted;
  const Outcome outcome = Exchange({});

  EXPECT_TRUE(absl::IsFailedPrecondition(outcome.status)) << outcome.status;
  EXPECT_EQ(GetReason(outcome.status)->reason, "TLS_CLIENT_CERTIFICATE");
  EXPECT_THAT(MessageOf(outcome.status),
              StartsWith("TLS example.org:80: the server asks for a client certificate"));
}

TEST_F(ConnectionTest, AnswerToAHalfWrittenRequestCounts) {
  peer_->write_error = asio::error::broken_pipe;
  EXPECT_EQ(Exchange({"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n"}).head.status, 503);
}

TEST_F(ConnectionTest, ABodyFollowsItsLength) {
  const std::vector<std::string> blocks = {"ab", "", std::string(600'000, 'c')};

  const Outcome outcome = Send(Put(blocks), {Answer("x")});

  EXPECT_EQ(outcome.body, "x");
  EXPECT_TRUE(outcome.reusable);
  const std::size_t head_bytes = peer_->received.find("\r\n\r\n") + 4;
  EXPECT_THAT(peer_->received.substr(0, head_bytes), HasSubstr("\r\nContent-Length: 600002\r\n"));
  EXPECT_EQ(peer_->received.substr(head_bytes), "ab" + blocks[2]);
}

TEST_F(ConnectionTest, AnEmptyBodyIsAnnounced) {
  Send(Put({}), {Answer("x")});

  EXPECT_TRUE(peer_->received.starts_with("PUT /a?b HTTP/1.1\r\n"));
  EXPECT_THAT(peer_->received, HasSubstr("\r\nContent-Length: 0\r\n"));
}

TEST_F(ConnectionTest, AConnectionThatDidNotTakeAllOfABodyIsNotUsedAgain) {
  const std::vector<std::string> blocks = {"ab", "cd"};
  peer_->on_write = [this](std::string_view text) {
    if (text == "ab") peer_->write_error = asio::error::connection_reset;
  };

  const Outcome outcome = Send(Put(blocks), {Answer("too large")});

  EXPECT_EQ(outcome.body, "too large");
  EXPECT_FALSE(outcome.reusable);
}

TEST_F(ConnectionTest, WhyAPeerRefusedUsComesBeforeThatItsConnectionIsGone) {
  peer_->write_error = asio::error::broken_pipe;
  peer_->end = net::TlsFault::kCertificateWanted;

  EXPECT_EQ(GetReason(Exchange({}).status)->reason, "TLS_CLIENT_CERTIFICATE");
}

// Deadlines.

class ConnectionDeadlineTest : public ConnectionTest {
 protected:
  void Start(std::deque<std::string> pieces, Timeouts timeouts,
             Deadline deadline = Deadline::Never()) {
    peer_->ends = false;
    peer_->sends = std::move(pieces);
    connection_ = Connect();
    tasks_.Spawn("exchange", RunExchange(*connection_, false, 64, timeouts, deadline, outcome_));
    Poll();
  }
  Outcome outcome_;
};

TEST_F(ConnectionDeadlineTest, FirstByteTimeoutNamesItsPhaseAndPeer) {
  Start({"HTTP/1.1 103 Early Hints\r\n\r\n"}, {});
  Pass(std::chrono::seconds(29));
  EXPECT_FALSE(peer_->closed);

  Pass(std::chrono::seconds(1));
  EXPECT_EQ(outcome_.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(MessageOf(outcome_.status), "first byte timeout after 30 s from example.org:80");
  EXPECT_TRUE(peer_->closed);
}

TEST_F(ConnectionDeadlineTest, ReadIdleTimeoutStartsAnewWithEachRead) {
  Start({"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"}, {.min_speed_bytes_per_sec = 0});
  for (int i = 0; i < 5; ++i) {
    Pass(std::chrono::seconds(29));
    peer_->Say("x");
    Poll();
  }
  EXPECT_EQ(outcome_.body, "xxxxx");
  EXPECT_EQ(outcome_.status, absl::OkStatus());

  Pass(std::chrono::seconds(30));
  EXPECT_THAT(MessageOf(outcome_.status), StartsWith("read idle timeout after 30 s"));
}

TEST_F(ConnectionDeadlineTest, TotalDeadlineIsNamedTotal) {
  Start({}, {}, Deadline::After(clock_, std::chrono::seconds(5)));
  Pass(std::chrono::seconds(5));

  EXPECT_EQ(outcome_.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(MessageOf(outcome_.status), HasSubstr("total deadline"));
}

TEST_F(ConnectionDeadlineTest, DripIsBelowTheMinimumSpeed) {
  Start({"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"}, {});
  for (int i = 0; i < 31; ++i) {
    Pass(std::chrono::seconds(1));
    peer_->Say("x");
    Poll();
  }
  EXPECT_THAT(MessageOf(outcome_.status), HasSubstr("minimum speed"));
}

Task<absl::Status> ReadSlowly(Http1Connection& connection, Clock& clock, Outcome& outcome) {
  const absl::Status begun =
      connection.Begin(Request(TestUrl()), "", Timeouts{}, Deadline::Never());
  outcome.status = co_await connection.Exchange();
  std::array<std::byte, 16> out;
  while (outcome.status.ok() && !connection.at_end()) {
    co_await clock.SleepFor(std::chrono::minutes(1));
    outcome.status = (co_await connection.ReadBody(out)).status();
  }
  co_return begun;
}

TEST_F(ConnectionDeadlineTest, SlowReaderIsNeverHeldAgainstThePeer) {
  peer_->ends = false;
  peer_->sends = {Answer(std::string(100, 'x')).substr(0, 45)};
  for (int i = 0; i < 20; ++i) peer_->sends.push_back("xxxxx");
  connection_ = Connect();
  tasks_.Spawn("slow", ReadSlowly(*connection_, clock_, outcome_));
  for (int i = 0; i < 40; ++i) Pass(std::chrono::minutes(1));

  EXPECT_EQ(outcome_.status, absl::OkStatus());
  EXPECT_TRUE(connection_->at_end());
}

// The corpus of framing cases: right at every split.

struct FramingCase {
  std::string name;
  std::string bytes;
  bool head = false;
  std::optional<std::string> body;  ///< Absent = an error.
};

/// Cases too large for the file.
std::string Generate(const std::string& name) {
  if (name == "trailer 1 MiB") {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: " +
           std::string(1'005'000, 'a') + "\r\n\r\n";
  }
  EXPECT_EQ(name, "10k headers");
  std::string bytes = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 10'000; ++i) bytes += Concat("X", i, ": a\r\n");
  return bytes + "Content-Length: 0\r\n\r\n";
}

std::vector<FramingCase> LoadCases() {
  std::ifstream file(std::string(FETCHD_CORPORA) + "/framing_cases.jsonl");
  std::vector<FramingCase> cases;
  for (std::string line; std::getline(file, line);) {
    const boost::json::object row = boost::json::parse(line).as_object();
    FramingCase entry{.name = std::string(row.at("name").as_string())};
    const auto& hex = row.at("bytes_hex");
    entry.bytes =
        hex.is_null() ? Generate(entry.name) : HexDecode(std::string(hex.as_string())).value();
    entry.head = row.at("head").as_bool();
    if (row.at("expect").as_string() == "ok") entry.body = std::string(row.at("body").as_string());
    cases.push_back(std::move(entry));
  }
  return cases;
}

class FramingCorpusTest : public ConnectionTest {
 protected:
  void Check(const FramingCase& entry, std::deque<std::string> pieces, const std::string& split) {
    peer_ = std::make_shared<FakePeer>();
    peer_->yields = false;
    const Outcome outcome = Exchange(std::move(pieces), entry.head, 4096);
    ASSERT_EQ(outcome.status.ok(), entry.body.has_value())
        << entry.name << " " << split << ": " << outcome.status;
    if (entry.body) ASSERT_EQ(outcome.body, *entry.body) << entry.name << " " << split;
    if (entry.name == "pipelined garbage after" &&
        split == Concat("in pieces of ", entry.bytes.size())) {
      ASSERT_FALSE(outcome.reusable);
    }
  }

  static std::deque<std::string> Cut(const std::string& bytes, std::size_t piece) {
    std::deque<std::string> pieces;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      pieces.push_back(bytes.substr(at, piece));
    }
    return pieces;
  }
};

TEST_F(FramingCorpusTest, RightWholeAndInSmallPieces) {
  const std::vector<FramingCase> cases = LoadCases();
  ASSERT_EQ(cases.size(), 57U);
  for (const FramingCase& entry : cases) {
    for (const std::size_t piece : {entry.bytes.size(), std::size_t{1}, std::size_t{7}}) {
      Check(entry, Cut(entry.bytes, piece), Concat("in pieces of ", piece));
    }
  }
}

TEST_F(FramingCorpusTest, RightAtEverySplitInTwo) {
  for (const FramingCase& entry : LoadCases()) {
    const std::size_t splits = entry.bytes.size() < 100'000 ? 300 : 30;
    const std::size_t step = 1 + entry.bytes.size() / splits;
    for (std::size_t at = 1; at < entry.bytes.size(); at += step) {
      Check(entry, {entry.bytes.substr(0, at), entry.bytes.substr(at)}, Concat("split at ", at));
    }
  }
}

TEST_F(FramingCorpusTest, RightAtRandomSplits) {
  const std::vector<FramingCase> cases = LoadCases();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    for (const FramingCase& entry : cases) {
      std::deque<std::string> pieces;
      for (std::size_t at = 0; at < entry.bytes.size();) {
        const std::size_t size = 1 + random() % (1 + entry.bytes.size() / 4);
        pieces.push_back(entry.bytes.substr(at, size));
        at += size;
      }
      Check(entry, std::move(pieces), Concat("seed ", seed));
    }
  }
}

}  // namespace
}  // namespace fetchd::http
