#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/strings.h"
#include "net/resolver.h"
#include "support/manual_clock.h"
#include "support/process.h"
#include "unit/net/fake_dns_server.h"
#include "unit/net/loop.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using asio::ip::make_address;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Answer = absl::StatusOr<Resolution>;

class AresResolverTest : public ::testing::Test {
 protected:
  AresResolverTest() : dns_(loop_.executor()) {
    loop_.tasks().Spawn("dns", dns_.Serve());
    config_.servers = {dns_.address()};
    resolver_ = MakeAresResolver(loop_.executor(), clock_, config_);
  }
  ~AresResolverTest() override { loop_.Stop(); }

  Answer Resolve(const std::string& host) {
    return loop_.Run(resolver_->Resolve(host, Deadline::Never()));
  }

  /// Runs until only time can bring the answer; that is due in `wait`.
  void ExpectWait(const std::optional<Answer>& answer, Duration wait) {
    loop_.RunUntil([&] {
      return answer.has_value() || clock_.NextWakeAt() == std::optional(clock_.Now() + wait);
    });
    EXPECT_FALSE(answer.has_value());
  }

  testing::ManualClock clock_;
  Loop loop_;
  FakeDnsServer dns_;
  ResolverConfig config_;
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(AresResolverTest, ReturnsBothFamiliesAndTheSmallestTtl) {
  dns_.Set("both.test", {.addresses = {make_address("192.0.2.1"), make_address("2001:db8::1"),
                                       make_address("192.0.2.2")},
                         .ttl_seconds = 42});
  const Answer answer = Resolve("both.test");

  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->addresses,
              UnorderedElementsAre(make_address("192.0.2.1"), make_address("192.0.2.2"),
                                   make_address("2001:db8::1")));
  EXPECT_EQ(answer->ttl, std::chrono::seconds(42));
  EXPECT_FALSE(answer->cached);
}

TEST_F(AresResolverTest, AsksForTheNameAloneWithoutSearchDomains) {
  setenv("LOCALDOMAIN", "search.example", 1);
  resolver_ = MakeAresResolver(loop_.executor(), clock_, config_);
  unsetenv("LOCALDOMAIN");

  EXPECT_TRUE(absl::IsNotFound(Resolve("host.test").status()));
  EXPECT_TRUE(absl::IsNotFound(Resolve("host").status()));

  EXPECT_THAT(dns_.questions(), Each(::testing::AnyOf("host.test", "host")));
}

TEST_F(AresResolverTest, AtMostSixteenAddressesAndNeitherFamilyCrowdsOutTheOther) {
  FakeDnsServer::Script script;
  for (int i = 1; i <= 30; ++i) {
    script.addresses.push_back(make_address(Concat("192.0.2.", i)));
  }
  script.addresses.push_back(make_address("2001:db8::1"));
  dns_.Set("many.test", script);
  const Answer answer = Resolve("many.test");

  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->addresses.size(), 16u);
  EXPECT_THAT(answer->addresses, ::testing::Contains(make_address("2001:db8::1")));
}

TEST_F(AresResolverTest, NameThatDoesNotExistIsNotFound) {
  const Answer answer = Resolve("missing.test");

  EXPECT_TRUE(absl::IsNotFound(answer.status())) << answer.status();
  EXPECT_EQ(GetReason(answer.status())->reason, "DNS_NAME_NOT_FOUND");
}

TEST_F(AresResolverTest, NameWithoutAddressIsNotFound) {
  dns_.Set("empty.test", {});

  EXPECT_TRUE(absl::IsNotFound(Resolve("empty.test").status()));
}

TEST_F(AresResolverTest, ServerFailureIsUnavailable) {
  dns_.Set("broken.test", {.rcode = FakeDnsServer::kServFail});
  const Answer answer = Resolve("broken.test");

  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_EQ(GetReason(answer.status())->reason, "DNS_FAILED");
}

TEST_F(AresResolverTest, DeadAaaaIsWaitedForNoLongerThan50Ms) {
  dns_.Set("four.test", {.addresses = {make_address("192.0.2.1")},
                         .ttl_seconds = 42,
                         .silent = true,
                         .only_for = FakeDnsServer::kAaaa});
  std::optional<Answer> answer;
  loop_.Start(resolver_->Resolve("four.test", Deadline::Never()), &answer);
  ExpectWait(answer, 50ms);

  clock_.Advance(50ms);
  loop_.RunUntil([&] { return answer.has_value(); });
  ASSERT_TRUE(answer->ok()) << answer->status();
  EXPECT_THAT((*answer)->addresses, ElementsAre(make_address("192.0.2.1")));
  EXPECT_EQ((*answer)->ttl, 42s);
}

TEST_F(AresResolverTest, AaaaWaitsForTheAUntilItHasBeenAskedForAgain) {
  dns_.Set(
      "six.test",
      {.addresses = {make_address("2001:db8::1")}, .silent = true, .only_for = FakeDnsServer::kA});
  std::optional<Answer> answer;
  loop_.Start(resolver_->Resolve("six.test", Deadline::Never()), &answer);
  ExpectWait(answer, config_.timeout / 2);

  clock_.Advance(config_.timeout / 2);
  loop_.RunUntil([&] { return answer.has_value(); });
  ASSERT_TRUE(answer->ok()) << answer->status();
  EXPECT_THAT((*answer)->addresses, ElementsAre(make_address("2001:db8::1")));
  EXPECT_EQ((*answer)->ttl, 0s);  // Half an answer is soon asked for again.
}

TEST_F(AresResolverTest, AtTheDeadlineCountsWhatHasCome) {
  dns_.Set(
      "six.test",
      {.addresses = {make_address("2001:db8::1")}, .silent = true, .only_for = FakeDnsServer::kA});
  std::optional<Answer> answer;
  loop_.Start(resolver_->Resolve("six.test", Deadline::After(clock_, 1s)), &answer);
  // The answers come in order: with a later one, the AAAA is there.
  EXPECT_TRUE(absl::IsNotFound(Resolve("later.test").status()));
  ExpectWait(answer, 1s);

  clock_.Advance(1s);
  loop_.RunUntil([&] { return answer.has_value(); });
  EXPECT_TRUE(answer->ok()) << answer->status();
}

struct HalfFailure {
  std::string name;
  std::uint16_t failing;  ///< Type of the question.
  int rcode;
  std::string other_address;  ///< What the other type has; empty = nothing.
  absl::StatusCode expected;
};

class HalfFailureTest : public AresResolverTest,
                        public ::testing::WithParamInterface<HalfFailure> {};

TEST_P(HalfFailureTest, IsJudgedByBothFamilies) {
  FakeDnsServer::Script script{.rcode = GetParam().rcode, .only_for = GetParam().failing};
  if (!GetParam().other_address.empty()) {
    script.addresses = {make_address(GetParam().other_address)};
  }
  dns_.Set("half.test", script);
  const Answer answer = Resolve("half.test");

  EXPECT_EQ(answer.status().code(), GetParam().expected) << answer.status();
}

INSTANTIATE_TEST_SUITE_P(
    All, HalfFailureTest,
    ::testing::Values(HalfFailure{"AaaaFails", FakeDnsServer::kAaaa, FakeDnsServer::kServFail,
                                  "192.0.2.1", absl::StatusCode::kOk},
                      HalfFailure{"AaaaIsDenied", FakeDnsServer::kAaaa, FakeDnsServer::kNxDomain,
                                  "192.0.2.1", absl::StatusCode::kOk},
                      HalfFailure{"AFails", FakeDnsServer::kA, FakeDnsServer::kServFail,
                                  "2001:db8::1", absl::StatusCode::kOk},
                      HalfFailure{"AaaaFailsWhereThereIsNoA", FakeDnsServer::kAaaa,
                                  FakeDnsServer::kServFail, "", absl::StatusCode::kUnavailable},
                      HalfFailure{"AFailsWhereThereIsNoAaaa", FakeDnsServer::kA,
                                  FakeDnsServer::kServFail, "", absl::StatusCode::kUnavailable},
                      HalfFailure{"AaaaIsDeniedWhereThereIsNoA", FakeDnsServer::kAaaa,
                                  FakeDnsServer::kNxDomain, "", absl::StatusCode::kNotFound}),
    [](const auto& each) { return each.param.name; });

TEST_F(AresResolverTest, NextServerIsAskedWhenTheFirstRefuses) {
  asio::ip::udp::endpoint nobody;
  {
    const asio::ip::udp::socket closed(loop_.executor(), {asio::ip::address_v4::loopback(), 0});
    nobody = closed.local_endpoint();
  }
  config_.servers = {nobody, dns_.address()};
  resolver_ = MakeAresResolver(loop_.executor(), clock_, config_);
  dns_.Set("good.test", {.addresses = {make_address("192.0.2.1")}});

  EXPECT_TRUE(Resolve("good.test").ok());
}

TEST_F(AresResolverTest, HostsFileComesFirstUnlessServersAreConfigured) {
  const testing::TempFolder folder;
  const std::string hosts = (folder.path() / "hosts").string();
  testing::WriteFile(hosts, "192.0.2.9 listed.test\n");
  setenv("CARES_HOSTS", hosts.c_str(), 1);
  dns_.Set("listed.test", {.addresses = {make_address("192.0.2.1")}});
  const auto system = MakeAresResolver(loop_.executor(), clock_, {});
  const Answer listed = loop_.Run(system->Resolve("listed.test", Deadline::Never()));
  const Answer asked = Resolve("listed.test");
  unsetenv("CARES_HOSTS");

  ASSERT_TRUE(listed.ok() && asked.ok());
  EXPECT_THAT(listed->addresses, ElementsAre(make_address("192.0.2.9")));
  EXPECT_THAT(asked->addresses, ElementsAre(make_address("192.0.2.1")));
}

TEST_F(AresResolverTest, SilentServerEndsAtTheTimeoutAndNamesDns) {
  dns_.Set("silent.test", {.silent = true});
  std::optional<Answer> answer;
  loop_.Start(resolver_->Resolve("silent.test", Deadline::Never()), &answer);
  loop_.RunUntil([&] { return clock_.sleepers() == 1 && !dns_.questions().empty(); });
  EXPECT_FALSE(answer.has_value());

  clock_.Advance(config_.timeout);
  loop_.RunUntil([&] { return answer.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer->status()));
  EXPECT_THAT(MessageOf(answer->status()), HasSubstr("DNS"));
}

TEST_F(AresResolverTest, CallersDeadlineShortensTheTimeout) {
  dns_.Set("silent.test", {.silent = true});
  std::optional<Answer> answer;
  const Deadline soon = Deadline::After(clock_, std::chrono::milliseconds(10));
  loop_.Start(resolver_->Resolve("silent.test", soon), &answer);
  loop_.RunUntil([&] { return clock_.sleepers() == 1; });

  clock_.Advance(std::chrono::milliseconds(10));
  loop_.RunUntil([&] { return answer.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer->status()));
}

TEST_F(AresResolverTest, CancelledLookupLeavesTheResolverUsable) {
  dns_.Set("silent.test", {.silent = true});
  dns_.Set("good.test", {.addresses = {make_address("192.0.2.1")}});
  std::optional<Answer> answer;
  const auto lookup = loop_.Start(resolver_->Resolve("silent.test", Deadline::Never()), &answer);
  loop_.RunUntil([&] { return !dns_.questions().empty(); });

  lookup.Cancel();
  EXPECT_TRUE(Resolve("good.test").ok());
  EXPECT_TRUE(!answer.has_value() || absl::IsCancelled(answer->status()));
}

TEST_F(AresResolverTest, LiteralsAndLocalhostNeedNoServer) {
  const Answer v4 = Resolve("192.0.2.7");
  const Answer v6 = Resolve("2001:db8::7");
  const Answer localhost = Resolve("localhost");

  ASSERT_TRUE(v4.ok() && v6.ok() && localhost.ok());
  EXPECT_THAT(v4->addresses, ElementsAre(make_address("192.0.2.7")));
  EXPECT_THAT(v6->addresses, ElementsAre(make_address("2001:db8::7")));
  EXPECT_THAT(localhost->addresses,
              UnorderedElementsAre(make_address("127.0.0.1"), make_address("::1")));
  EXPECT_THAT(dns_.questions(), IsEmpty());
}

}  // namespace
}  // namespace fetchd::net
