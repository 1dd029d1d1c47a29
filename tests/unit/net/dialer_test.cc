#include "net/dialer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/semaphore.h"
#include "base/strings.h"
#include "net/connect_race.h"
#include "support/manual_clock.h"
#include "unit/net/fixed_resolver.h"
#include "unit/net/loop.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using asio::ip::make_address;
using asio::ip::tcp;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Dialled = absl::StatusOr<std::unique_ptr<Stream>>;

/// A listener that answers no further connect: its queue is full, so Linux drops the SYN.
class DeafListener {
 public:
  DeafListener(const asio::any_io_executor& executor, const tcp::endpoint& endpoint)
      : acceptor_(executor, endpoint.protocol()) {
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen(0);
    for (int i = 0; i < 2; ++i) {
      tcp::socket& filler = fillers_.emplace_back(executor, endpoint.protocol());
      filler.native_non_blocking(true);
      const tcp::endpoint full = acceptor_.local_endpoint();
      // Not asio's connect: it waits for the outcome even on a non-blocking socket.
      connect(filler.native_handle(), full.data(), static_cast<socklen_t>(full.size()));
    }
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> fillers_;
};

std::shared_ptr<const egress::Policy> Allowing(std::vector<std::string> rules) {
  egress::PolicyConfig config;
  config.allow = std::move(rules);
  return *egress::Policy::Create(std::move(config));
}

class DialerTest : public ::testing::Test {
 protected:
  DialerTest() { UsePolicy(Allowing({"127.0.0.0/8", "::1/128"})); }
  ~DialerTest() override { loop_.Stop(); }

  void UsePolicy(std::shared_ptr<const egress::Policy> policy) {
    dialer_ = MakeDialer(loop_.executor(), clock_, resolver_, std::move(policy), tls_);
  }
  DialRequest To(const std::string& host, std::uint16_t port) {
    return DialRequest{.origin = {"http", host, port}};
  }
  Dialled Dial(DialRequest request) {
    return loop_.Run(dialer_->Dial(std::move(request), Deadline::Never(), &record_));
  }
  std::vector<std::string> Outcomes() const {
    std::vector<std::string> outcomes;
    for (const auto& each : record_.tries) outcomes.push_back(each.outcome);
    return outcomes;
  }
  tcp::acceptor Listen(const std::string& address, std::uint16_t port = 0) {
    return tcp::acceptor(loop_.executor(), {make_address(address), port});
  }
  static bool HasCaller(tcp::acceptor& acceptor) {
    acceptor.non_blocking(true);
    boost::system::error_code error;
    const tcp::socket caller = acceptor.accept(error);
    return !error;
  }

  testing::ManualClock clock_;
  Loop loop_;
  FixedResolver resolver_;
  std::shared_ptr<TlsContexts> tls_ = *TlsContexts::Create({});
  std::unique_ptr<Dialer> dialer_;
  DialRecord record_;
};

Task<IoResult> Write(Stream* stream, std::string text) {
  co_return co_await stream->WriteAll(std::as_bytes(std::span(text)));
}

TEST_F(DialerTest, ConnectsToAnAllowedAddressAndCarriesBytes) {
  auto acceptor = Listen("127.0.0.1");
  const std::uint16_t port = acceptor.local_endpoint().port();
  resolver_.Set("origin.test", {"127.0.0.1"});
  const Dialled stream = Dial(To("origin.test", port));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), acceptor.local_endpoint());
  EXPECT_THAT(Outcomes(), ElementsAre("connected"));
  EXPECT_EQ(record_.tries[0].address, Concat("127.0.0.1:", port));
  tcp::socket accepted = acceptor.accept();
  EXPECT_FALSE(loop_.Run(Write(stream->get(), "ping")).error);
  std::string got(4, '\0');
  accepted.receive(asio::buffer(got));
  EXPECT_EQ(got, "ping");
}

/// What is there of this process and leads to `peer`.
int SocketTo(const tcp::endpoint& peer) {
  int found = -1;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    tcp::endpoint other;
    auto size = static_cast<socklen_t>(other.capacity());
    if (getpeername(fd, other.data(), &size) != 0) continue;
    other.resize(size);
    if (other == peer) found = fd;
  }
  return found;
}

TEST_F(DialerTest, SmallWritesDoNotWaitForAnAcknowledgement) {
  auto acceptor = Listen("127.0.0.1");
  const Dialled stream = Dial(To("127.0.0.1", acceptor.local_endpoint().port()));
  ASSERT_TRUE(stream.ok()) << stream.status();
  const int fd = SocketTo(acceptor.local_endpoint());
  ASSERT_GE(fd, 0);

  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
  EXPECT_NE(no_delay, 0);
}

TEST_F(DialerTest, LiteralNeedsNoResolver) {
  auto acceptor = Listen("127.0.0.1");

  EXPECT_TRUE(Dial(To("127.0.0.1", acceptor.local_endpoint().port())).ok());
}

TEST_F(DialerTest, LoopbackIsDeniedByDefaultAndNothingConnects) {
  UsePolicy(Allowing({}));
  auto acceptor = Listen("127.0.0.1");
  const std::uint16_t port = acceptor.local_endpoint().port();
  resolver_.Set("rebound.test", {"127.0.0.1"});

  for (const std::string host : {"rebound.test", "127.0.0.1"}) {
    const Dialled stream = Dial(To(host, port));
    EXPECT_TRUE(absl::IsPermissionDenied(stream.status())) << stream.status();
    EXPECT_THAT(record_.tries, IsEmpty());
  }
  EXPECT_FALSE(HasCaller(acceptor));
}

TEST_F(DialerTest, OneDeniedAddressRefusesTheNameWithoutSayingWhichAddress) {
  auto acceptor = Listen("127.0.0.1");
  resolver_.Set("mixed.test", {"127.0.0.1", "10.11.12.13"});
  const Dialled stream = Dial(To("mixed.test", acceptor.local_endpoint().port()));

  EXPECT_TRUE(absl::IsPermissionDenied(stream.status())) << stream.status();
  EXPECT_THAT(MessageOf(stream.status()), Not(HasSubstr("10.11.12.13")));
  EXPECT_FALSE(HasCaller(acceptor));
}

TEST_F(DialerTest, MappedAddressIsJudgedAndConnectedAsIpv4) {
  auto acceptor = Listen("127.0.0.1");
  resolver_.Set("mapped.test", {"::ffff:127.0.0.1", "127.0.0.1"});
  const Dialled stream = Dial(To("mapped.test", acceptor.local_endpoint().port()));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_TRUE((*stream)->peer().address().is_v4());
  EXPECT_THAT(Outcomes(), ElementsAre("connected"));

  UsePolicy(Allowing({}));
  EXPECT_TRUE(
      absl::IsPermissionDenied(Dial(To("mapped.test", acceptor.local_endpoint().port())).status()));
}

TEST_F(DialerTest, UnknownNameKeepsTheResolversError) {
  EXPECT_TRUE(absl::IsNotFound(Dial(To("nowhere.test", 80)).status()));
  EXPECT_EQ(record_.failed_phase, Phase::kResolve);
}

TEST_F(DialerTest, RefusedPortIsUnavailableAndNamesTheOriginOnly) {
  std::uint16_t port = 0;
  {
    port = Listen("127.0.0.1").local_endpoint().port();
  }
  resolver_.Set("closed.test", {"127.0.0.1"});
  const Dialled stream = Dial(To("closed.test", port));

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "CONNECT_FAILED");
  EXPECT_THAT(MessageOf(stream.status()), HasSubstr("closed.test"));
  EXPECT_THAT(MessageOf(stream.status()), Not(HasSubstr("127.0.0.1")));
  EXPECT_THAT(Outcomes(), ElementsAre("refused"));
  EXPECT_EQ(record_.failed_phase, Phase::kConnect);
}

TEST_F(DialerTest, NextAddressIsTriedAtOnceWhenOneRefuses) {
  auto acceptor = Listen("127.0.0.3");
  resolver_.Set("two.test", {"127.0.0.2", "127.0.0.3"});
  const Dialled stream = Dial(To("two.test", acceptor.local_endpoint().port()));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_THAT(Outcomes(), ElementsAre("refused", "connected"));
}

TEST_F(DialerTest, SilentFirstAddressDelaysTheSecondBy250Ms) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  auto acceptor = Listen("127.0.0.3", deaf.port());
  resolver_.Set("two.test", {"127.0.0.2", "127.0.0.3"});
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("two.test", deaf.port()), Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });
  EXPECT_EQ(clock_.NextWakeAt(), clock_.Now() + 250ms);

  clock_.Advance(250ms);
  loop_.RunUntil([&] { return stream.has_value(); });
  ASSERT_TRUE(stream->ok()) << stream->status();
  EXPECT_EQ((**stream)->peer().address(), make_address("127.0.0.3"));
  EXPECT_THAT(Outcomes(), ElementsAre("abandoned", "connected"));
  EXPECT_EQ(record_.connect, 250ms);
}

TEST_F(DialerTest, FailureStartsTheNextAtOnceThoughAnotherIsStillTried) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  auto acceptor = Listen("127.0.0.4", deaf.port());
  resolver_.Set("three.test", {"127.0.0.2", "127.0.0.3", "127.0.0.4"});
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("three.test", deaf.port()), Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });

  clock_.Advance(250ms);
  loop_.RunUntil([&] { return stream.has_value(); });
  EXPECT_THAT(Outcomes(), ElementsAre("abandoned", "refused", "connected"));
}

TEST_F(DialerTest, AddressThatWasSilentOrRefusedIsTriedLastTheNextTime) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  auto acceptor = Listen("127.0.0.4", deaf.port());
  resolver_.Set("three.test", {"127.0.0.2", "127.0.0.3", "127.0.0.4"});
  std::optional<Dialled> first;
  loop_.Start(dialer_->Dial(To("three.test", deaf.port()), Deadline::Never(), &record_), &first);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });
  clock_.Advance(250ms);
  loop_.RunUntil([&] { return first.has_value(); });

  EXPECT_TRUE(Dial(To("three.test", deaf.port())).ok());
  EXPECT_THAT(Outcomes(), ElementsAre("connected"));
  EXPECT_EQ(record_.tries[0].address, Concat("127.0.0.4:", deaf.port()));

  clock_.Advance(60s);
  std::optional<Dialled> later;
  loop_.Start(dialer_->Dial(To("three.test", deaf.port()), Deadline::Never(), &record_), &later);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });
  clock_.Advance(250ms);
  loop_.RunUntil([&] { return later.has_value(); });
  EXPECT_THAT(Outcomes(), ElementsAre("abandoned", "refused", "connected"));
}

TEST_F(DialerTest, NoMoreThanFourAddressesAreTriedAtATime) {
  DeafListener first(loop_.executor(), {make_address("127.0.0.2"), 0});
  std::vector<std::unique_ptr<DeafListener>> others;
  std::vector<std::string> addresses = {"127.0.0.2"};
  for (int i = 3; i < 7; ++i) {
    addresses.push_back(Concat("127.0.0.", i));
    others.push_back(std::make_unique<DeafListener>(
        loop_.executor(), tcp::endpoint(make_address(addresses.back()), first.port())));
  }
  resolver_.Set("many.test", addresses);
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("many.test", first.port()), Deadline::Never(), &record_), &stream);
  for (int i = 0; i < 4; ++i) {
    loop_.RunUntil([&] { return clock_.sleepers() == 1; });
    clock_.Advance(250ms);
    loop_.RunUntil([&] { return clock_.sleepers() == 1; });
  }
  clock_.Advance(9s);
  loop_.RunUntil([&] { return stream.has_value(); });

  ASSERT_THAT(record_.tries, ::testing::SizeIs(5));
  EXPECT_EQ(record_.tries[0].took, 1s);  // Given up for the fifth.
  EXPECT_EQ(record_.tries[1].took, 9750ms);
}

std::size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_F(DialerTest, AddressThatRefusesGivesItsSocketBackAtOnce) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.9"), 0});
  resolver_.Set("many.test", {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.9"});
  const std::size_t before = OpenDescriptors();
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("many.test", deaf.port()), Deadline::Never(), &record_), &stream);
  // Only the deaf one is left when the race waits for the deadline.
  loop_.RunUntil([&] { return clock_.NextWakeAt() == clock_.Now() + 10s; });

  EXPECT_EQ(OpenDescriptors(), before + 1);
  EXPECT_EQ(SpareSockets().in_use(), 0u);
}

TEST_F(DialerTest, WithoutASpareSocketTheNextAddressWaitsASecondForTheFirst) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  auto acceptor = Listen("127.0.0.3", deaf.port());
  resolver_.Set("two.test", {"127.0.0.2", "127.0.0.3"});
  const Permit others = SpareSockets().TryAcquire(kSpareSockets);
  ASSERT_TRUE(others);
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("two.test", deaf.port()), Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });

  clock_.Advance(250ms);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });
  EXPECT_EQ(clock_.NextWakeAt(), clock_.Now() + 750ms);
  clock_.Advance(750ms);
  loop_.RunUntil([&] { return stream.has_value(); });

  ASSERT_TRUE(stream->ok()) << stream->status();
  EXPECT_THAT(Outcomes(), ElementsAre("timed out", "connected"));
  EXPECT_EQ(record_.tries[0].took, 1s);
}

TEST_F(DialerTest, SpareSocketsComeBackWhenTheRaceIsOver) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  auto acceptor = Listen("127.0.0.3", deaf.port());
  resolver_.Set("two.test", {"127.0.0.2", "127.0.0.3"});
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("two.test", deaf.port()), Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });
  clock_.Advance(250ms);
  loop_.RunUntil([&] { return stream.has_value(); });

  EXPECT_EQ(SpareSockets().in_use(), 0u);
  EXPECT_GE(SpareSockets().peak(), 1u);
}

TEST_F(DialerTest, LocalhostIsTriedWhereItIsAllowed) {
  UsePolicy(Allowing({"127.0.0.0/8"}));
  auto acceptor = Listen("127.0.0.1");
  resolver_.Set("localhost", {"::1", "127.0.0.1"});

  EXPECT_TRUE(Dial(To("localhost", acceptor.local_endpoint().port())).ok());
}

TEST_F(DialerTest, ConnectTimeoutNamesItsPhase) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  resolver_.Set("deaf.test", {"127.0.0.2"});
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(To("deaf.test", deaf.port()), Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });

  clock_.Advance(10s);
  loop_.RunUntil([&] { return stream.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream->status())) << stream->status();
  EXPECT_THAT(MessageOf(stream->status()), HasSubstr("connect timed out"));
  EXPECT_THAT(Outcomes(), ElementsAre("timed out"));
  EXPECT_EQ(record_.failed_phase, Phase::kConnect);
}

TEST_F(DialerTest, TotalDeadlineCutsTheConnectTimeout) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  std::optional<Dialled> stream;
  const Deadline total = Deadline::After(clock_, 1s);
  loop_.Start(dialer_->Dial(To("127.0.0.2", deaf.port()), total, &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });

  clock_.Advance(1s);
  loop_.RunUntil([&] { return stream.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream->status()));
}

TEST_F(DialerTest, CancelledDialLeavesNoSocketBehind) {
  DeafListener deaf(loop_.executor(), {make_address("127.0.0.2"), 0});
  std::optional<Dialled> stream;
  const auto dial = loop_.Start(
      dialer_->Dial(To("127.0.0.2", deaf.port()), Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });

  dial.Cancel();
  loop_.RunUntil([&] { return loop_.tasks().size() == 0; });
  EXPECT_FALSE(stream.has_value());
  EXPECT_EQ(clock_.sleepers(), 0u);
}

TEST_F(DialerTest, NoFreeDescriptorIsResourceExhaustedAndNamesTheLimit) {
  auto acceptor = Listen("127.0.0.1");
  const DialRequest request = To("127.0.0.1", acceptor.local_endpoint().port());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const Dialled stream = Dial(request);
  setrlimit(RLIMIT_NOFILE, &before);

  EXPECT_TRUE(absl::IsResourceExhausted(stream.status())) << stream.status();
  EXPECT_THAT(MessageOf(stream.status()), HasSubstr("limits.connections"));
}

TEST_F(DialerTest, UnknownTlsProfileIsInvalidBeforeAnythingConnects) {
  DialRequest request{.origin = {"https", "127.0.0.1", 443}, .tls_profile = "missing"};

  EXPECT_TRUE(absl::IsInvalidArgument(Dial(request).status()));
  EXPECT_THAT(record_.tries, IsEmpty());
}

TEST_F(DialerTest, IdleConnectionIsStaleWhenThePeerSpeaksOrLeaves) {
  auto acceptor = Listen("127.0.0.1");
  const DialRequest request = To("127.0.0.1", acceptor.local_endpoint().port());
  const Dialled spoken = Dial(request);
  const Dialled left = Dial(request);
  ASSERT_TRUE(spoken.ok() && left.ok());
  tcp::socket first = acceptor.accept();
  tcp::socket second = acceptor.accept();
  EXPECT_FALSE((*spoken)->IsStale());
  EXPECT_FALSE((*left)->IsStale());

  first.send(asio::buffer("HTTP/1.1 408", 12));
  second.close();
  while (!(*spoken)->IsStale()) loop_.Poll();  // The kernel may take its time.
  while (!(*left)->IsStale()) loop_.Poll();
}

TEST(InterleaveFamiliesTest, Ipv6FirstThenInTurnKeepingTheOrderInside) {
  const auto address = [](const char* text) { return make_address(text); };

  EXPECT_THAT(InterleaveFamilies({address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.3"),
                                  address("2001:db8::1"), address("2001:db8::2")}),
              ElementsAre(address("2001:db8::1"), address("192.0.2.1"), address("2001:db8::2"),
                          address("192.0.2.2"), address("192.0.2.3")));
}

/// Keeps what it is told.
class ToldDecisions final : public egress::DecisionLog {
 public:
  void Note(const egress::Subject&, std::string_view url,
            const egress::Judgement& judgement) override {
    lines.push_back(Concat(url, " ", judgement.address ? judgement.address->to_string() : "", " ",
                           egress::VerdictName(judgement.verdict)));
  }
  std::vector<std::string> lines;
};

TEST_F(DialerTest, ARequestIsJudgedByItsOwnPolicyAlsoForAnAnswerThatIsCached) {
  auto acceptor = Listen("127.0.0.1");
  resolver_.Set("origin.test", {"127.0.0.1"});
  DialRequest open = To("origin.test", acceptor.local_endpoint().port());
  ToldDecisions told;
  auto subject = std::make_shared<egress::Subject>(*egress::Policy::Create({}));
  subject->decisions = &told;
  DialRequest closed = open;
  closed.policy = subject->policy;
  closed.subject = subject;

  EXPECT_TRUE(Dial(open).ok());
  EXPECT_TRUE(HasCaller(acceptor));
  const Dialled refused = Dial(closed);
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status())) << refused.status();
  EXPECT_FALSE(HasCaller(acceptor));
  EXPECT_THAT(told.lines,
              ElementsAre(Concat("http://origin.test:", acceptor.local_endpoint().port(),
                                 " 127.0.0.1 LOOPBACK")));
}

}  // namespace
}  // namespace fetchd::net
