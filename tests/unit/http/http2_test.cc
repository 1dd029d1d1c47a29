// HTTP/2 through the pool and its client, against nghttp2 as the server.
#include <gmock/gmock.h>

#include "http/pooled_client.h"
#include "unit/http/http2_peer.h"

namespace fetchd::http {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

/// One request: from Send to the end of its body, when it reads.
struct Fetched {
  absl::Status status = absl::UnknownError("not finished");
  int http_status = 0;
  std::optional<Response> response;
  std::string body;
  bool reads = true;
  std::vector<ExchangeRecord> records;
};

Task<absl::Status> ReadToEnd(Fetched& out) {
  std::vector<std::byte> room(16 * 1024);
  while (true) {
    const absl::StatusOr<std::size_t> read = co_await out.response->body->Read(room);
    out.status = read.status();
    if (!read.ok() || *read == 0) co_return absl::OkStatus();
    out.body.append(reinterpret_cast<const char*>(room.data()), *read);
  }
}

Task<absl::Status> Fetch(Client& client, Request request, Call call, Fetched& out) {
  call.records = &out.records;
  absl::StatusOr<Response> response = co_await client.Send(std::move(request), call);
  out.status = response.status();
  if (!response.ok()) co_return absl::OkStatus();
  out.http_status = response->head.status;
  out.response = *std::move(response);
  if (!out.reads) co_return absl::OkStatus();
  co_return co_await ReadToEnd(out);
}

Task<absl::Status> Discard(Body& body) {
  co_await body.Discard();
  co_return absl::OkStatus();
}

/// Why, for programs; empty without one.
std::string ReasonOf(const absl::Status& status) {
  const std::optional<Reason> reason = GetReason(status);
  return reason ? reason->reason : std::string();
}

constexpr std::uint32_t kWindow = 65'535;

class Http2Test : public ShardTest {
 protected:
  ~Http2Test() override {
    fetches_.clear();
    pool_.Close();
    tasks_.Cancel();
    Poll();
    EXPECT_EQ(budget_.open(), 0U);
    EXPECT_EQ(book_.in_flight().now(), 0U);
  }

  static Request Get(const std::string& url = "https://example.org/a?b") {
    return Request(*Url::Parse(url));
  }
  /// Starts a fetch; it goes on whenever the shard is polled.
  Fetched& Start(Request request = Get(), Call call = {}, bool reads = true) {
    Fetched& fetched = *fetches_.emplace_back(std::make_unique<Fetched>());
    fetched.reads = reads;
    handle_ = tasks_.Spawn("fetch", Fetch(client_, std::move(request), call, fetched));
    return fetched;
  }
  Fetched& Do(Request request = Get(), Call call = {}, bool reads = true) {
    Fetched& fetched = Start(std::move(request), call, reads);
    Poll();
    return fetched;
  }
  void Read(Fetched& fetched) {
    tasks_.Spawn("read", ReadToEnd(fetched));
    Poll();
  }

  /// Every connection finds an HTTP/2 server with these settings.
  std::vector<nghttp2_settings_entry> settings_;
  std::function<void(Http2Peer& peer, std::size_t index)> script_;
  std::vector<std::unique_ptr<Http2Peer>> peers_;

  Watchdog watchdog_{clock_, tasks_};
  FakeDialer dialer_{context_.get_executor()};
  HostBudget budget_{{.max_connections = 4, .max_per_host = 2}, 1};
  OriginBook book_{clock_};
  ConnectionPool pool_{context_.get_executor(),
                       0,
                       {.http2_origins = {Url::Parse("http://cleartext.test/")->origin()},
                        .http2 = {.stream_window_bytes = kWindow}},
                       {budget_, book_, dialer_, watchdog_, tasks_}};
  const OriginRules rules_;
  const ProxyRoutes routes_;
  PooledClient client_{pool_, rules_, routes_, "tester"};
  std::vector<std::unique_ptr<Fetched>> fetches_;
  runtime::TaskHandle handle_;  ///< Of the fetch started last.

  void SetUp() override {
    dialer_.script = [this](FakePeer& peer, std::size_t index) {
      peers_.push_back(std::make_unique<Http2Peer>(peer, settings_));
      if (script_) script_(*peers_.back(), index);
    };
  }
};

TEST_F(Http2Test, RequestIsSentAsTheStandardSays) {
  Request request = Get("https://example.org:8443/a?b");
  request.headers = {{"X-One", "1"}};
  const Fetched& fetched = Do(std::move(request));

  EXPECT_EQ(fetched.status, absl::OkStatus());
  EXPECT_EQ(fetched.http_status, 200);
  EXPECT_EQ(fetched.body, "hello");
  EXPECT_EQ(fetched.response->content_length, 5U);
  EXPECT_TRUE(dialer_.offered_http2);
  ASSERT_THAT(peers_[0]->requests, SizeIs(1));
  EXPECT_THAT(peers_[0]->requests[0].second,
              ElementsAre(Pair(":method", "GET"), Pair(":scheme", "https"),
                          Pair(":authority", "example.org:8443"), Pair(":path", "/a?b"),
                          Pair("user-agent", "tester"), Pair("accept", "*/*"),
                          Pair("accept-encoding", "identity"), Pair("x-one", "1")));
}

TEST_F(Http2Test, CredentialsAreNeverIndexed) {
  Request request = Get();
  request.headers = {{"Authorization", "Basic x"},
                     {"Accept-Language", "de"},
                     {"X-Api-Key", "1"},
                     {"Cookie", std::string(50, 'c')}};
  EXPECT_EQ(Do(std::move(request)).status, absl::OkStatus());

  EXPECT_THAT(peers_[0]->never_indexed, ElementsAre("authorization", "x-api-key", "cookie"));
}

TEST_F(Http2Test, OneConnectServesAllWhoWaitForIt) {
  for (int i = 0; i < 20; ++i) Start();
  Poll();

  for (const auto& fetched : fetches_) EXPECT_EQ(fetched->body, "hello");
  EXPECT_THAT(dialer_.dialled, SizeIs(1));
  EXPECT_EQ(budget_.open(), 1U);
  EXPECT_EQ(book_.Read().all.reused, 19U);
}

TEST_F(Http2Test, OriginThatChoosesHttp1GetsAConnectionForEach) {
  dialer_.script = nullptr;
  Fetched& first = Start(Get(), {}, false);
  Fetched& second = Start(Get(), {}, false);
  Poll();

  EXPECT_EQ(first.status, absl::OkStatus());
  EXPECT_EQ(second.status, absl::OkStatus());
  EXPECT_THAT(dialer_.dialled, SizeIs(2));
}

TEST_F(Http2Test, NobodyWaitsForASecondFailedConnect) {
  dialer_.failure = absl::UnavailableError("refused");
  for (int i = 0; i < 3; ++i) Start();
  Poll();

  for (const auto& fetched : fetches_) EXPECT_TRUE(absl::IsUnavailable(fetched->status));
  dialer_.failure = absl::OkStatus();
  EXPECT_EQ(Do().body, "hello");
}

TEST_F(Http2Test, CancelledConnectIsTakenOverByTheNextInLine) {
  Start();
  const runtime::TaskHandle first = handle_;
  Fetched& second = Start();
  Fetched& third = Start();
  dialer_.hangs = true;
  Poll();
  dialer_.hangs = false;
  first.Cancel();
  Poll();

  EXPECT_EQ(second.body, "hello");
  EXPECT_EQ(third.body, "hello");
  EXPECT_THAT(dialer_.dialled, SizeIs(2));
}

TEST_F(Http2Test, ConnectThatSaysCancelledHasNotFailed) {
  dialer_.failures = {absl::CancelledError("by its caller")};
  for (int i = 0; i < 3; ++i) Start();
  Poll();

  EXPECT_TRUE(absl::IsCancelled(fetches_[0]->status)) << fetches_[0]->status;
  EXPECT_EQ(fetches_[1]->body, "hello");
  EXPECT_EQ(fetches_[2]->body, "hello");
  EXPECT_THAT(dialer_.dialled, SizeIs(2));  // The third waited for the second.
}

TEST_F(Http2Test, PriorKnowledgeNeedsNoTls) {
  EXPECT_EQ(Do(Get("http://cleartext.test/")).body, "hello");
  EXPECT_FALSE(dialer_.offered_http2);
  EXPECT_THAT(peers_[0]->requests, SizeIs(1));
}

TEST_F(Http2Test, PeersLimitOfStreamsIsKeptInOrderOfArrival) {
  settings_ = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}};
  Fetched& first = Do(Get("https://example.org/1"), {}, false);
  Start(Get("https://example.org/2"));
  Start(Get("https://example.org/3"));
  Poll();
  EXPECT_THAT(peers_[0]->requests, SizeIs(1));

  Read(first);
  for (const auto& fetched : fetches_) EXPECT_EQ(fetched->body, "hello");
  ASSERT_THAT(peers_[0]->requests, SizeIs(3));
  EXPECT_THAT(peers_[0]->requests[1].second, ::testing::Contains(Pair(":path", "/2")));
  EXPECT_THAT(peers_[0]->requests[2].second, ::testing::Contains(Pair(":path", "/3")));
  EXPECT_THAT(dialer_.dialled, SizeIs(1));
}

TEST_F(Http2Test, WaitForAStreamEndsAtItsDeadlineAndPassesThePlaceOn) {
  settings_ = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}};
  Fetched& first = Do(Get(), {}, false);
  Call impatient;
  impatient.timeouts.pool_wait = seconds(1);
  Fetched& second = Start(Get(), impatient);
  Fetched& third = Start();
  Pass(seconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(second.status)) << second.status;
  EXPECT_THAT(second.status.message(), HasSubstr("pool wait"));

  first.response.reset();
  Poll();
  EXPECT_EQ(third.body, "hello");
}

TEST_F(Http2Test, PeerSendsNoMoreThanTheReaderHasRoomFor) {
  const std::string body(1'000'000, 'x');
  script_ = [&](Http2Peer& peer, std::size_t) {
    peer.respond = [&](std::int32_t, const Fields&) {
      return Http2Answer{.fields = {{":status", "200"}}, .body = body};
    };
  };
  Fetched& slow = Do(Get(), {}, false);
  EXPECT_EQ(peers_[0]->body_sent[1], kWindow);
  EXPECT_EQ(slow.response->body->Buffered(), kWindow);

  // Another stream of the connection is not held up.
  EXPECT_EQ(Do().body.size(), body.size());
  EXPECT_EQ(peers_[0]->body_sent[1], kWindow);

  Read(slow);
  EXPECT_EQ(slow.status, absl::OkStatus());
  EXPECT_TRUE(slow.body == body);
}

TEST_F(Http2Test, ClosedConnectionSaysGoodbye) {
  Do();
  EXPECT_FALSE(peers_[0]->said_goodbye);
  pool_.Close();

  EXPECT_TRUE(peers_[0]->said_goodbye);
  Poll();
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(Http2Test, ExpiredConnectionSaysGoodbye) {
  Do();
  Pass(minutes(1));

  EXPECT_TRUE(peers_[0]->said_goodbye);
  EXPECT_EQ(pool_.counters().expired, 1U);
}

TEST_F(Http2Test, IdleConnectionThatItsPeerEndsIsLost) {
  Do();
  peers_[0]->GoAway(1);
  Poll();

  EXPECT_EQ(budget_.open(), 0U);
  EXPECT_EQ(pool_.counters().lost, 1U);
}

TEST_F(Http2Test, DiscardedBodyResetsItsStreamAndKeepsTheConnection) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t id, const Fields&) {
      Http2Answer answer;
      answer.ends = id != 1;
      return answer;
    };
  };
  Fetched& first = Do(Get(), {}, false);
  tasks_.Spawn("discard", Discard(*first.response->body));
  Poll();

  EXPECT_EQ(peers_[0]->resets.count(1), 1U);
  EXPECT_EQ(budget_.open(), 1U);
}

TEST_F(Http2Test, DroppedBodyResetsItsStreamAlone) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t id, const Fields&) {
      Http2Answer answer;
      answer.ends = id != 1;
      return answer;
    };
  };
  Fetched& first = Do(Get(), {}, false);
  first.response.reset();
  EXPECT_EQ(Do().body, "hello");

  EXPECT_EQ(peers_[0]->resets.count(1), 1U);
  EXPECT_THAT(dialer_.dialled, SizeIs(1));
}

TEST_F(Http2Test, RefusedStreamIsTriedAgain) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [&peer](std::int32_t id, const Fields&) {
      if (id == 1) peer.Reset(id, NGHTTP2_REFUSED_STREAM);
      return Http2Answer{.answers = id != 1};
    };
  };
  const Fetched& fetched = Do();

  EXPECT_EQ(fetched.body, "hello");
  EXPECT_TRUE(fetched.records[0].redialled);
  EXPECT_THAT(dialer_.dialled, SizeIs(1));
}

TEST_F(Http2Test, PeerThatRefusesEverythingIsGivenUp) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [&peer](std::int32_t id, const Fields&) {
      peer.Reset(id, NGHTTP2_REFUSED_STREAM);
      return Http2Answer{.answers = false};
    };
  };
  const Fetched& fetched = Do();

  EXPECT_TRUE(absl::IsUnavailable(fetched.status));
  EXPECT_EQ(ReasonOf(fetched.status), "REQUEST_UNPROCESSED");
  EXPECT_THAT(peers_[0]->requests, SizeIs(4));
}

TEST_F(Http2Test, RequestBeyondAGoAwayGoesToANewConnection) {
  script_ = [](Http2Peer& peer, std::size_t index) {
    if (index > 0) return;
    peer.respond = [&peer](std::int32_t, const Fields&) {
      peer.GoAway(0);
      return Http2Answer{.answers = false};
    };
  };
  const Fetched& fetched = Do();

  EXPECT_EQ(fetched.body, "hello");
  EXPECT_THAT(dialer_.dialled, SizeIs(2));
  EXPECT_EQ(budget_.open(), 1U);
}

TEST_F(Http2Test, GoAwayLetsTheStreamsBeforeItFinish) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [&peer](std::int32_t id, const Fields&) {
      peer.GoAway(id);
      return Http2Answer();
    };
  };
  EXPECT_EQ(Do().body, "hello");
  EXPECT_EQ(Do().body, "hello");
  EXPECT_THAT(dialer_.dialled, SizeIs(2));
}

TEST_F(Http2Test, StaleConnectionIsReplacedOnce) {
  EXPECT_EQ(Do().body, "hello");
  dialer_.peers[0]->ends = true;  // Seen as soon as it happens, without anybody asking.
  dialer_.peers[0]->Say("");
  Poll();
  EXPECT_EQ(budget_.open(), 0U);
  EXPECT_EQ(Do().body, "hello");
  EXPECT_THAT(dialer_.dialled, SizeIs(2));
}

struct Ending {
  std::string name;
  std::function<void(FakePeer& stream, Http2Peer& peer, std::int32_t id)> act;
  absl::StatusCode code;
  std::string reason;
};

class EndingTest : public Http2Test, public ::testing::WithParamInterface<Ending> {};

TEST_P(EndingTest, IsAnErrorAndNeverAWholeBody) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t, const Fields&) {
      return Http2Answer{.fields = {{":status", "200"}, {"content-length", "9"}}, .ends = false};
    };
  };
  Fetched& fetched = Start();
  Poll();
  GetParam().act(*dialer_.peers[0], *peers_[0], 1);
  Poll();

  EXPECT_EQ(fetched.status.code(), GetParam().code) << fetched.status;
  EXPECT_EQ(ReasonOf(fetched.status), GetParam().reason);
  EXPECT_EQ(fetched.body, "hello");
}

INSTANTIATE_TEST_SUITE_P(
    MidBody, EndingTest,
    ::testing::Values(Ending{"Reset",
                             [](FakePeer&, Http2Peer& peer, std::int32_t id) {
                               peer.Reset(id, NGHTTP2_INTERNAL_ERROR);
                             },
                             absl::StatusCode::kUnavailable, "STREAM_RESET"},
                      Ending{"CleanReset",
                             [](FakePeer&, Http2Peer& peer, std::int32_t id) {
                               peer.Reset(id, NGHTTP2_NO_ERROR);
                             },
                             absl::StatusCode::kDataLoss, "TRUNCATED_BODY"},
                      Ending{"ShortBody",
                             [](FakePeer& stream, Http2Peer&, std::int32_t) {
                               // DATA, no bytes, END_STREAM, stream 1.
                               stream.Say(std::string("\0\0\0\0\1\0\0\0\1", 9));
                             },
                             absl::StatusCode::kDataLoss, "TRUNCATED_BODY"},
                      Ending{"LongBody",
                             [](FakePeer& stream, Http2Peer&, std::int32_t) {
                               stream.Say(std::string("\0\0\5\0\0\0\0\0\1", 9) + "hello");
                             },
                             absl::StatusCode::kDataLoss, "MALFORMED_RESPONSE"},
                      Ending{"ConnectionClosed",
                             [](FakePeer& stream, Http2Peer&, std::int32_t) {
                               stream.ends = true;
                               stream.Say("");
                             },
                             absl::StatusCode::kUnavailable, "CONNECTION_LOST"},
                      Ending{"Garbage",
                             [](FakePeer& stream, Http2Peer&, std::int32_t) {
                               stream.Say(std::string(64, '\xff'));
                             },
                             absl::StatusCode::kDataLoss, "MALFORMED_RESPONSE"}),
    [](const auto& each) { return each.param.name; });

struct BadHead {
  std::string name;
  Fields fields;
};

class BadHeadTest : public Http2Test, public ::testing::WithParamInterface<BadHead> {};

TEST_P(BadHeadTest, IsMalformed) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t, const Fields&) {
      return Http2Answer{.fields = GetParam().fields};
    };
  };
  const Fetched& fetched = Do();

  EXPECT_TRUE(absl::IsDataLoss(fetched.status)) << fetched.status;
  EXPECT_EQ(ReasonOf(fetched.status), "MALFORMED_RESPONSE");
  EXPECT_EQ(fetched.body, "");
}

Fields ManyFields(std::size_t count, std::size_t value_bytes) {
  Fields fields = {{":status", "200"}};
  for (std::size_t i = 0; i < count; ++i) {
    fields.emplace_back("x", std::string(value_bytes, 'v'));
  }
  return fields;
}

INSTANTIATE_TEST_SUITE_P(
    Head, BadHeadTest,
    ::testing::Values(
        BadHead{"NoStatus", {{"content-length", "5"}}},
        BadHead{"StatusOfTwoDigits", {{":status", "20"}}},
        BadHead{"StatusBelow100", {{":status", "099"}}},
        BadHead{"StatusAbove599", {{":status", "600"}}},
        BadHead{"ProtocolSwitch", {{":status", "101"}}},
        BadHead{"ConnectionField", {{":status", "200"}, {"connection", "close"}}},
        BadHead{"TransferEncoding", {{":status", "200"}, {"transfer-encoding", "chunked"}}},
        BadHead{"LineBreakInValue", {{":status", "200"}, {"x", "a\r\nb: c"}}},
        BadHead{"TwoLengths",
                {{":status", "200"}, {"content-length", "5"}, {"content-length", "6"}}},
        BadHead{"TwoLocations", {{":status", "302"}, {"location", "/a"}, {"location", "/b"}}},
        BadHead{"TooManyFields", ManyFields(300, 1)},
        BadHead{"TooManyBytes", ManyFields(40, 2000)}),
    [](const auto& each) { return each.param.name; });

TEST_F(Http2Test, InformationalHeadsAreSkippedAndLimited) {
  std::size_t heads = 2;
  script_ = [&](Http2Peer& peer, std::size_t) {
    peer.respond = [&](std::int32_t id, const Fields&) {
      for (std::size_t i = 0; i < heads; ++i) peer.Inform(id, "103");
      return Http2Answer();
    };
  };
  const Fetched& few = Do();
  EXPECT_EQ(few.http_status, 200);
  EXPECT_EQ(few.body, "hello");

  heads = 17;
  EXPECT_TRUE(absl::IsDataLoss(Do().status));
}

TEST_F(Http2Test, HeadHasNoBody) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t, const Fields&) { return Http2Answer{.body = ""}; };
  };
  Request request = Get();
  request.method = "HEAD";
  const Fetched& fetched = Do(std::move(request));

  EXPECT_EQ(fetched.status, absl::OkStatus());
  EXPECT_EQ(fetched.response->head.headers.Get("content-length"), "5");
  EXPECT_EQ(fetched.body, "");
}

TEST_F(Http2Test, TrailersEndTheBody) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t, const Fields&) {
      return Http2Answer{.fields = {{":status", "200"}}, .trailers = {{"x-checksum", "1"}}};
    };
  };
  const Fetched& fetched = Do();

  EXPECT_EQ(fetched.status, absl::OkStatus());
  EXPECT_EQ(fetched.body, "hello");
  EXPECT_FALSE(fetched.response->head.headers.Has("x-checksum"));
  EXPECT_EQ(fetched.response->body->Trailers().Get("x-checksum"), "1");
}

TEST_F(Http2Test, TimeoutEndsTheStreamAndNotTheConnection) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t id, const Fields&) { return Http2Answer{.answers = id > 1}; };
  };
  Call call;
  call.timeouts.first_byte = seconds(2);
  const Fetched& first = Start(Get(), call);
  Pass(seconds(2));
  EXPECT_TRUE(absl::IsDeadlineExceeded(first.status)) << first.status;
  EXPECT_EQ(ReasonOf(first.status), "TIMEOUT");

  EXPECT_EQ(Do().body, "hello");
  EXPECT_EQ(peers_[0]->resets[1], std::uint32_t{NGHTTP2_CANCEL});
  EXPECT_THAT(dialer_.dialled, SizeIs(1));
}

TEST_F(Http2Test, SilenceInTheBodyTimesOut) {
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t, const Fields&) {
      return Http2Answer{.fields = {{":status", "200"}}, .ends = false};
    };
  };
  Call call;
  call.timeouts.read_idle = seconds(2);
  const Fetched& fetched = Start(Get(), call);
  Pass(seconds(2));

  EXPECT_TRUE(absl::IsDeadlineExceeded(fetched.status));
  EXPECT_THAT(fetched.status.message(), HasSubstr("read idle"));
}

TEST_F(Http2Test, PeerThatAnswersNoPingIsGivenUp) {
  Call patient;
  patient.timeouts.read_idle = minutes(10);
  patient.timeouts.min_speed_bytes_per_sec = 0;
  script_ = [](Http2Peer& peer, std::size_t) {
    peer.respond = [](std::int32_t, const Fields&) {
      return Http2Answer{.fields = {{":status", "200"}}, .ends = false};
    };
  };
  const Fetched& fetched = Start(Get(), patient);
  for (int i = 0; i < 8; ++i) Pass(seconds(15));  // It answers: nothing happens.
  EXPECT_EQ(fetched.body, "hello");
  EXPECT_EQ(budget_.open(), 1U);

  peers_[0]->silent = true;
  for (int i = 0; i < 3; ++i) Pass(seconds(15));
  EXPECT_TRUE(absl::IsDeadlineExceeded(fetched.status)) << fetched.status;
  EXPECT_EQ(budget_.open(), 0U);
}

TEST_F(Http2Test, IdleConnectionIsClosedAfterItsTime) {
  EXPECT_EQ(Do().body, "hello");
  EXPECT_EQ(budget_.open(), 1U);
  Pass(seconds(56));

  EXPECT_EQ(budget_.open(), 0U);
  EXPECT_TRUE(dialer_.peers[0]->closed);
}

TEST_F(Http2Test, IdleConnectionGivesItsPlaceToAnotherHost) {
  for (const char* host : {"a", "b", "c", "d", "e"}) {
    EXPECT_EQ(Do(Get(std::string("https://") + host + ".test/")).body, "hello");
    Pass(seconds(1));
  }
  EXPECT_EQ(budget_.open(), 4U);
  EXPECT_TRUE(dialer_.peers[0]->closed);
}

TEST_F(Http2Test, ConnectionIsNotUsedBeyondItsLifetime) {
  Fetched& early = Do(Get(), {}, false);
  for (int i = 0; i < 12; ++i) Pass(minutes(1));
  EXPECT_EQ(Do().body, "hello");

  EXPECT_THAT(dialer_.dialled, SizeIs(2));
  EXPECT_EQ(budget_.open(), 2U);
  early.response.reset();
  EXPECT_EQ(budget_.open(), 1U);
}

TEST_F(Http2Test, CancelAtAnyMomentLeaksNothing) {
  for (int steps = 0; steps < 60; ++steps) {
    Fetched& fetched = Start();
    context_.restart();
    for (int i = 0; i < steps; ++i) context_.poll_one();
    handle_.Cancel();
    Poll();
    fetched.response.reset();
    Poll();
    EXPECT_EQ(book_.in_flight().now(), 0U) << steps;
    EXPECT_LE(budget_.open(), 1U) << steps;
    EXPECT_EQ(Do().body, "hello") << steps;
  }
}

TEST_F(Http2Test, CancelledWaitersPassTheirTurnOn) {
  settings_ = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}};
  for (int steps = 0; steps < 20; ++steps) {
    Fetched& first = Do(Get(), {}, false);
    Fetched& second = Start();
    const runtime::TaskHandle second_task = handle_;
    Fetched& third = Start();
    Poll();
    first.response.reset();
    context_.restart();
    for (int i = 0; i < steps; ++i) context_.poll_one();
    second_task.Cancel();
    Poll();
    second.response.reset();
    Poll();
    EXPECT_EQ(third.body, "hello") << steps;
  }
}

}  // namespace
}  // namespace fetchd::http
