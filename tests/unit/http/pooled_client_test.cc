#include "http/pooled_client.h"

#include <gmock/gmock.h>

#include "fake_net.h"

namespace fetchd::http {
namespace {

using std::chrono::seconds;

struct Answered {
  absl::Status status = absl::UnknownError("not finished");
  std::optional<Response> response;
  std::string body;
};

Task<absl::Status> SendOnce(Client& client, Request request, Call call, Answered& outcome) {
  absl::StatusOr<Response> response = co_await client.Send(std::move(request), call);
  outcome.status = response.status();
  if (response.ok()) outcome.response = *std::move(response);
  co_return absl::OkStatus();
}

Task<absl::Status> ReadOnce(Body& body, Answered& outcome) {
  std::array<std::byte, 1024> out;
  const absl::StatusOr<std::size_t> read = co_await body.Read(out);
  outcome.status = read.status();
  if (read.ok()) outcome.body.append(reinterpret_cast<const char*>(out.data()), *read);
  co_return absl::OkStatus();
}

Task<absl::Status> DiscardOnce(Body& body) {
  co_await body.Discard();
  co_return absl::OkStatus();
}

class PooledClientTest : public ShardTest {
 protected:
  ~PooledClientTest() override {
    tasks_.Cancel();
    Poll();
    pool_.Close();
    EXPECT_EQ(budget_.open(), 0U);
    EXPECT_EQ(book_.in_flight().now(), 0U);
  }

  Answered Send(std::string method = "GET", Call call = {}, egress::SubjectPtr subject = nullptr) {
    Request request(*Url::Parse("http://example.org/"));
    request.method = std::move(method);
    request.subject = std::move(subject);
    Answered outcome;
    call.records = &records_;
    tasks_.Spawn("send", SendOnce(client_, std::move(request), call, outcome));
    Poll();
    return outcome;
  }
  void SendAndCancelAfter(Duration time) {
    Answered outcome;
    Call call;
    call.records = &records_;
    const auto task = tasks_.Spawn(
        "send", SendOnce(client_, Request(*Url::Parse("http://example.org/")), call, outcome));
    Poll();
    clock_.Advance(time);
    task.Cancel();
    Poll();
  }
  void Read(Answered& outcome) {
    tasks_.Spawn("read", ReadOnce(*outcome.response->body, outcome));
    Poll();
  }

  /// As a caller does that does not want the body.
  void Discard(Answered& outcome) {
    tasks_.Spawn("discard", DiscardOnce(*outcome.response->body));
    Poll();
    outcome.response.reset();
    Poll();
  }
  /// Every connection answers with this head, and later with these pieces of its body.
  void AnswerInPieces(const std::string& head, std::vector<std::string> pieces) {
    dialer_.script = [head, pieces](FakePeer& peer, std::size_t) {
      peer.answers = {{head}};
      peer.answers.front().insert(peer.answers.front().end(), pieces.begin(), pieces.end());
    };
  }

  Watchdog watchdog_{clock_, tasks_};
  FakeDialer dialer_{context_.get_executor()};
  HostBudget budget_{{}, 1};
  OriginBook book_{clock_};
  ConnectionPool pool_{
      context_.get_executor(), 0, {}, {budget_, book_, dialer_, watchdog_, tasks_}};
  const OriginRules rules_;
  const ProxyRoutes routes_;
  const std::shared_ptr<const egress::Policy> own_policy_ = *egress::Policy::Create({});
  PooledClient client_{pool_, rules_, routes_, "tester", own_policy_.get()};
  std::vector<ExchangeRecord> records_;
  Answered next_;
};

TEST_F(PooledClientTest, TheReadThatEndsTheBodyFreesTheConnection) {
  Answered first = Send();
  EXPECT_EQ(first.response->content_length, 5U);
  EXPECT_EQ(first.response->body->Buffered(), 5U);
  EXPECT_EQ(book_.in_flight().now(), 1U);

  Read(first);
  EXPECT_EQ(first.body, "hello");
  EXPECT_EQ(book_.in_flight().now(), 0U);
  const Answered second = Send();
  EXPECT_EQ(dialer_.peers.size(), 1U);
  EXPECT_TRUE(records_[1].reused);
}

TEST_F(PooledClientTest, EndIsZeroAgainAndAgain) {
  Answered outcome = Send();
  for (int i = 0; i < 3; ++i) Read(outcome);

  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.body, "hello");
}

TEST_F(PooledClientTest, TrailersOutliveTheConnection) {
  dialer_.answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
  Answered outcome = Send();
  for (int i = 0; i < 3; ++i) Read(outcome);

  EXPECT_EQ(outcome.body, "hello");
  EXPECT_EQ(book_.in_flight().now(), 0U);
  EXPECT_EQ(outcome.response->body->Trailers().Get("x-sum"), "1");
  EXPECT_FALSE(outcome.response->head.headers.Has("x-sum"));
}

TEST_F(PooledClientTest, BodyDroppedBeforeItsEndClosesTheConnection) {
  Answered outcome = Send();
  outcome.response.reset();

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(budget_.open(), 0U);
}

TEST_F(PooledClientTest, DiscardedBodyThatIsHereFreesTheConnectionAtOnce) {
  Answered outcome = Send();
  tasks_.Spawn("discard", DiscardOnce(*outcome.response->body));
  tasks_.Spawn("next", SendOnce(client_, Request(*Url::Parse("http://example.org/")), {}, next_));
  Poll();

  EXPECT_TRUE(next_.status.ok());
  next_.response.reset();
  EXPECT_EQ(dialer_.peers.size(), 1U);
  EXPECT_EQ(pool_.counters().read_out, 1U);
}

TEST_F(PooledClientTest, DiscardedBodyIsReadInTheBackground) {
  AnswerInPieces("HTTP/1.1 404 No\r\nContent-Length: 131072\r\n\r\n",
                 {std::string(65536, 'x'), std::string(65536, 'x')});
  Answered outcome = Send();
  Discard(outcome);

  EXPECT_EQ(pool_.counters().read_out, 1U);
  EXPECT_EQ(book_.in_flight().now(), 0U);
  EXPECT_FALSE(dialer_.peers[0]->destroyed);
}

TEST_F(PooledClientTest, DiscardedChunkedBodyIsReadInTheBackground) {
  AnswerInPieces("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n",
                 {"5\r\nhello\r\n", "0\r\n\r\n"});
  Answered outcome = Send();
  Discard(outcome);

  EXPECT_FALSE(dialer_.peers[0]->destroyed);
}

TEST_F(PooledClientTest, LongBodyThatIsDiscardedClosesTheConnection) {
  AnswerInPieces("HTTP/1.1 404 No\r\nContent-Length: 131073\r\n\r\n", {});
  Answered fixed = Send();
  const std::size_t reads = dialer_.peers[0]->reads;
  Discard(fixed);
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(dialer_.peers[0]->reads, reads);

  AnswerInPieces("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n",
                 {"30000\r\n", std::string(0x30000, 'x'), "\r\n0\r\n\r\n"});
  Answered chunked = Send();
  Discard(chunked);
  EXPECT_TRUE(dialer_.peers[1]->destroyed);
  EXPECT_EQ(pool_.counters().read_out, 0U);
}

TEST_F(PooledClientTest, DiscardedBodyThatDoesNotComeClosesTheConnection) {
  AnswerInPieces("HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n", {"hello"});
  Answered outcome = Send();
  Discard(outcome);
  EXPECT_FALSE(dialer_.peers[0]->destroyed);

  Pass(std::chrono::milliseconds(5));
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(budget_.open(), 0U);
}

TEST_F(PooledClientTest, DiscardedBodyThatIsBrokenClosesTheConnection) {
  AnswerInPieces("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", {"nonsense\r\n"});
  Answered outcome = Send();
  Discard(outcome);

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(PooledClientTest, HeadFreesItsConnectionAtOnce) {
  dialer_.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  Answered outcome = Send("HEAD");
  EXPECT_EQ(book_.in_flight().now(), 0U);
  Read(outcome);

  EXPECT_EQ(outcome.body, "");
  EXPECT_EQ(outcome.response->head.headers.Get("content-length"), "5");
  EXPECT_EQ(outcome.response->content_length, 5U);
  EXPECT_EQ(budget_.open(), 1U);
}

TEST_F(PooledClientTest, HeadThatDoesNotSayHasNoLength) {
  dialer_.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

  EXPECT_EQ(Send("HEAD").response->content_length, std::nullopt);
}

TEST_F(PooledClientTest, CancelledWhileDialledLeavesItsHop) {
  dialer_.hangs = true;
  SendAndCancelAfter(seconds(3));

  ASSERT_EQ(records_.size(), 1U);
  EXPECT_EQ(records_[0].url, "http://example.org/");
  EXPECT_EQ(records_[0].failed_phase, Phase::kConnect);
  EXPECT_EQ(records_[0].dial.connect, seconds(3));
  EXPECT_EQ(records_[0].served_at, clock_.Now() - seconds(3));
}

TEST_F(PooledClientTest, CancelledInPoolWaitLeavesItsHop) {
  std::vector<Answered> held;
  for (int i = 0; i < 8; ++i) held.push_back(Send());
  SendAndCancelAfter(seconds(3));

  ASSERT_EQ(records_.size(), 9U);
  EXPECT_EQ(records_[8].failed_phase, Phase::kPoolWait);
  EXPECT_EQ(records_[8].pool_wait, seconds(3));
  EXPECT_FALSE(records_[8].served_at);
}

TEST_F(PooledClientTest, CancelledBeforeTheFirstByteLeavesItsHop) {
  dialer_.script = [](FakePeer& peer, std::size_t) { peer.answers.clear(); };
  SendAndCancelAfter(seconds(3));

  ASSERT_EQ(records_.size(), 1U);
  EXPECT_EQ(records_[0].failed_phase, Phase::kFirstByte);
  EXPECT_EQ(records_[0].first_byte, seconds(3));
}

TEST_F(PooledClientTest, CancelledInARedialLeavesTheTimeOfThatDial) {
  Answered first = Send();
  Read(first);
  dialer_.peers[0]->answers.clear();
  dialer_.peers[0]->ends = true;
  clock_.Advance(seconds(5));
  dialer_.hangs = true;
  SendAndCancelAfter(seconds(3));

  ASSERT_EQ(records_.size(), 2U);
  EXPECT_TRUE(records_[1].redialled);
  EXPECT_EQ(records_[1].failed_phase, Phase::kConnect);
  EXPECT_EQ(records_[1].dial.connect, seconds(3));
}

TEST_F(PooledClientTest, ShortBodyIsDataLossEveryTime) {
  dialer_.script = [](FakePeer& peer, std::size_t) {
    peer.answers = {{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"}};
    peer.ends = true;
  };
  Answered outcome = Send();
  for (int i = 0; i < 2; ++i) {
    Read(outcome);
    EXPECT_TRUE(absl::IsDataLoss(outcome.status));
  }
  EXPECT_EQ(budget_.open(), 0U);
}

/// A peer that answers `answers` requests and then closes.
void ClosesAfter(FakePeer& peer, std::size_t answers) {
  peer.answers.resize(answers);
  peer.ends = true;
}

TEST_F(PooledClientTest, StaleConnectionIsReplacedOnce) {
  dialer_.script = [](FakePeer& peer, std::size_t index) {
    if (index == 0) ClosesAfter(peer, 1);
  };
  Answered first = Send();
  Read(first);
  Answered second = Send();

  EXPECT_EQ(second.status, absl::OkStatus());
  EXPECT_EQ(dialer_.peers.size(), 2U);
  EXPECT_TRUE(records_[1].redialled);
  EXPECT_EQ(book_.Read().all.redialled, 1U);
  EXPECT_EQ(budget_.open(), 1U);
}

TEST_F(PooledClientTest, APostThatMayHaveBeenActedUponIsNotSentAgain) {
  dialer_.script = [](FakePeer& peer, std::size_t index) {
    if (index == 0) ClosesAfter(peer, 1);
  };
  Answered first = Send();
  Read(first);

  EXPECT_TRUE(absl::IsUnavailable(Send("POST").status));
  EXPECT_EQ(dialer_.peers.size(), 1U);
}

TEST_F(PooledClientTest, FreshConnectionIsNotReplaced) {
  dialer_.script = [](FakePeer& peer, std::size_t index) { ClosesAfter(peer, index == 0 ? 1 : 0); };
  Answered first = Send();
  Read(first);
  const Answered second = Send();

  EXPECT_TRUE(absl::IsUnavailable(second.status));
  EXPECT_EQ(dialer_.peers.size(), 2U);
  EXPECT_EQ(records_[1].failed_phase, Phase::kFirstByte);

  EXPECT_TRUE(absl::IsUnavailable(Send().status));
  EXPECT_EQ(dialer_.peers.size(), 3U);
}

TEST_F(PooledClientTest, NoRedialAfterAResponseByte) {
  dialer_.script = [](FakePeer& peer, std::size_t) {
    ClosesAfter(peer, 1);
    peer.answers.push_back({"H"});
  };
  Answered first = Send();
  Read(first);
  const Answered second = Send();

  EXPECT_FALSE(second.status.ok());
  EXPECT_EQ(dialer_.peers.size(), 1U);
}

TEST_F(PooledClientTest, NoRedialAfterATimeout) {
  dialer_.script = [](FakePeer& peer, std::size_t) { peer.answers.resize(1); };
  Answered first = Send();
  Read(first);
  Answered second;
  tasks_.Spawn("send", SendOnce(client_, Request(*Url::Parse("http://example.org/")), {}, second));
  Pass(seconds(30));

  EXPECT_TRUE(absl::IsDeadlineExceeded(second.status));
  EXPECT_EQ(dialer_.peers.size(), 1U);
}

TEST_F(PooledClientTest, FailedDialIsRecordedWithItsPhase) {
  dialer_.failure = absl::UnavailableError("refused");
  EXPECT_TRUE(absl::IsUnavailable(Send().status));
  EXPECT_EQ(records_[0].failed_phase, Phase::kConnect);
  EXPECT_EQ(records_[0].url, "http://example.org/");
}

TEST_F(PooledClientTest, CancelAtAnyMomentLeaksNothing) {
  for (int steps = 0; steps < 30; ++steps) {
    Answered outcome;
    const auto handle = tasks_.Spawn(
        "send", SendOnce(client_, Request(*Url::Parse("http://example.org/")), {}, outcome));
    context_.restart();
    for (int i = 0; i < steps; ++i) context_.poll_one();
    handle.Cancel();
    Poll();
    outcome.response.reset();
    EXPECT_EQ(book_.in_flight().now(), 0U) << steps;
    EXPECT_EQ(budget_.open(), 0U) << steps;
  }
}

TEST_F(PooledClientTest, WhoIsJudgedByThePoolsOwnPolicyUsesTheConnectionsOfNobody) {
  Answered nobody = Send();
  Read(nobody);
  Answered same = Send("GET", {}, std::make_shared<egress::Subject>(own_policy_));
  Read(same);
  const auto subject = std::make_shared<egress::Subject>(*egress::Policy::Create({}));
  Answered other = Send("GET", {}, subject);
  Read(other);

  EXPECT_TRUE(records_[1].reused);
  EXPECT_FALSE(records_[2].reused);
  ASSERT_EQ(dialer_.requests.size(), 2U);
  EXPECT_EQ(dialer_.requests[1].policy, subject->policy);
  EXPECT_EQ(dialer_.requests[1].subject, subject);
}

}  // namespace
}  // namespace fetchd::http
