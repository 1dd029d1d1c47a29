#include "fetch/shared_reads.h"

#include <deque>

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

class SharedReadsTest : public FetchTest {
 protected:
  using Answered = absl::StatusOr<http::Response>;

  ~SharedReadsTest() override {
    if (reads_) EXPECT_TRUE(Await(Closed()).ok());
    EXPECT_EQ(buffers_->budget().in_use(), 0u);
  }

  void Begin(std::vector<FakeAnswer> answers) {
    Script(std::move(answers));
    reads_.emplace(SharedReads::Deps{loop_.get_executor(), clock_, *client_, *buffers_, counted_});
  }

  static http::Request NewRequest(const std::string& url = "https://example.org/file") {
    return http::Request(*Url::Parse(url));
  }
  Task<Answered> Send(http::Request request = NewRequest(), std::string scope = "default") {
    http::Call call;
    call.records = &records_.emplace_back();
    return reads_->Send(std::move(request), call, std::move(scope));
  }
  Answered Ask() { return Await(Send()); }

  /// Both at once, the first one first.
  std::pair<Answered, Answered> AskTwice(http::Request first, http::Request second,
                                         const std::string& scope = "default") {
    std::optional<Answered> a, b;
    runtime::TaskGroup group(loop_.get_executor());
    group.Spawn("first", Keep(Send(std::move(first)), &a));
    group.Spawn("second", Keep(Send(std::move(second), scope), &b));
    RunLoop(group);
    return {*std::move(a), *std::move(b)};
  }
  std::pair<Answered, Answered> AskTwice() { return AskTwice(NewRequest(), NewRequest()); }

  static Task<absl::StatusOr<std::string>> ReadUpTo(http::Body& body, std::size_t limit) {
    std::string text;
    std::string block(100'000, '\0');
    while (text.size() < limit) {
      const std::size_t wanted = std::min(block.size(), limit - text.size());
      const auto got = co_await body.Read(std::as_writable_bytes(std::span(block).first(wanted)));
      if (!got.ok()) co_return got.status();
      if (*got == 0) break;
      text += block.substr(0, *got);
    }
    co_return text;
  }
  absl::StatusOr<std::string> Read(const Answered& answered, std::size_t limit = 1 << 30) {
    return Await(ReadUpTo(*answered->body, limit));
  }

  std::size_t Requests() const { return client_->requests().size(); }

  std::unique_ptr<sink::BufferPool> buffers_ =
      std::make_unique<sink::BufferPool>(std::size_t{64} << 20);
  SharingCounters counted_;
  std::deque<std::vector<http::ExchangeRecord>> records_;  ///< Of each request.
  std::optional<SharedReads> reads_;

 private:
  Task<absl::Status> Closed() {
    co_await reads_->Close();
    co_return absl::OkStatus();
  }
};

TEST_F(SharedReadsTest, TwoWhoWantTheSameShareOneRequest) {
  const std::string body = Pattern(300'000);
  Begin({Whole(body)});

  const auto [first, second] = AskTwice();

  EXPECT_EQ(*Read(first), body);
  EXPECT_EQ(*Read(second), body);
  EXPECT_EQ(second->head.headers.Get("ETag"), "\"v1\"");
  EXPECT_EQ(second->content_length, body.size());
  EXPECT_EQ(Requests(), 1u);
  EXPECT_EQ(counted_.joined, 1u);
  ASSERT_THAT(records_, SizeIs(2));
  EXPECT_FALSE(records_[0].front().joined);
  EXPECT_TRUE(records_[1].front().joined);
  EXPECT_EQ(records_[1].front().status, 200);
}

TEST_F(SharedReadsTest, WhoComesLateGetsAllOfItWhileAllOfItIsThere) {
  const std::string body = Pattern(300'000);
  Begin({Whole(body)});
  const Answered first = Ask();
  ASSERT_EQ(*Read(first), body);

  const Answered second = Ask();

  EXPECT_EQ(*Read(second), body);
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, WhoComesWhenTheBeginningIsGoneGetsItsOwn) {
  const std::string body = Pattern(3'000'000);
  Begin({Whole(body)});
  const Answered first = Ask();
  ASSERT_EQ(*Read(first, 2'000'000), body.substr(0, 2'000'000));

  const Answered second = Ask();

  EXPECT_EQ(*Read(second), body);
  EXPECT_EQ(*Read(first), body.substr(2'000'000));
  EXPECT_EQ(Requests(), 2u);
}

TEST_F(SharedReadsTest, NothingIsSharedAfterTheLastReaderHasLeft) {
  Begin({Whole("x")});
  {
    EXPECT_EQ(*Read(Ask()), "x");
  }

  EXPECT_EQ(*Read(Ask()), "x");
  EXPECT_EQ(Requests(), 2u);
}

TEST_F(SharedReadsTest, ALargeBodyIsSharedToItsEnd) {
  const std::string body = Pattern(3'000'000);
  Begin({Whole(body)});
  const auto [first, second] = AskTwice();
  std::string a, b;

  while (a.size() < body.size() || b.size() < body.size()) {
    a += *Read(first, 400'000);
    b += *Read(second, 300'000);
  }

  EXPECT_EQ(a, body);
  EXPECT_EQ(b, body);
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, OneThatHoldsUpTheOthersGoesOnByItself) {
  const std::string body = Pattern(3'000'000);
  FakeAnswer rest = Rest(body, 1'048'576);
  Begin({Whole(body), rest});
  const auto [first, second] = AskTwice();

  EXPECT_EQ(*Read(first), body);
  EXPECT_EQ(counted_.left, 1u);
  EXPECT_EQ(*Read(second), body);

  ASSERT_EQ(Requests(), 2u);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=1048576-");
  EXPECT_EQ(client_->Header(1, "If-Range"), "\"v1\"");
}

TEST_F(SharedReadsTest, WhoGoesOnByItselfNeverMixesVersions) {
  const std::string body = Pattern(3'000'000);
  Begin({Whole(body), Whole(Pattern(3'000'000, 2), "\"v2\"")});
  const auto [first, second] = AskTwice();
  ASSERT_EQ(*Read(first), body);

  EXPECT_TRUE(absl::IsUnavailable(Read(second).status()));
}

TEST_F(SharedReadsTest, TheReadOutlivesTheOneWhoBeganIt) {
  const std::string body = Pattern(300'000);
  FakeAnswer slow = Whole(body);
  slow.place_wait = 10s;
  Begin({slow});
  std::optional<Answered> first, second;
  runtime::TaskGroup group(loop_.get_executor());
  const runtime::TaskHandle beginner = group.Spawn("first", Keep(Send(), &first));
  group.Spawn("second", Keep(Send(), &second));
  while (counted_.joined == 0) loop_.run_one();

  beginner.Cancel();
  RunLoop(group);

  EXPECT_FALSE(first.has_value());
  EXPECT_EQ(*Read(*second), body);
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, WhatNobodyWantsAnyMoreEnds) {
  Begin({Stalls(Pattern(300'000), 100'000)});
  {
    const Answered answered = Ask();
    EXPECT_THAT(*Read(answered, 100'000), SizeIs(100'000));
  }

  while (buffers_->budget().in_use() > 0) Step();
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, ALargeBodyThatCannotBeResumedIsSharedByNobody) {
  const std::string body = Pattern(3'000'000);
  Begin({Whole(body, "W/\"weak\"")});

  const auto [first, second] = AskTwice();

  EXPECT_EQ(*Read(first), body);
  EXPECT_EQ(*Read(second), body);
  EXPECT_EQ(Requests(), 2u);
  ASSERT_THAT(records_.back(), SizeIs(1));
  EXPECT_FALSE(records_.back().front().joined);
}

TEST_F(SharedReadsTest, ASmallBodyNeedsNoValidator) {
  const std::string body = Pattern(300'000);
  Begin({Whole(body, "")});

  const auto [first, second] = AskTwice();

  EXPECT_EQ(*Read(second), body);
  EXPECT_EQ(*Read(first), body);
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, FailuresAreShared) {
  FakeAnswer refused;
  refused.error = absl::UnavailableError("refused");
  Begin({refused});

  const auto [first, second] = AskTwice();

  EXPECT_EQ(MessageOf(first.status()), "refused");
  EXPECT_EQ(MessageOf(second.status()), "refused");
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, SoIsACutBody) {
  const std::string body = Pattern(300'000);
  Begin({Cut(body, 100'000)});
  const auto [first, second] = AskTwice();

  EXPECT_EQ(*Read(first, 100'000), body.substr(0, 100'000));
  EXPECT_TRUE(absl::IsDataLoss(Read(first).status()));
  EXPECT_TRUE(absl::IsDataLoss(Read(second).status()));
  const Answered third = Ask();
  EXPECT_EQ(Requests(), 2u) << "nobody joins a read that has failed";
}

TEST_F(SharedReadsTest, TheDeadlineOfOneIsNotThatOfAnother) {
  FakeAnswer slow = Whole("x");
  slow.place_wait = 10s;
  Begin({slow});
  std::optional<Answered> first, second;
  http::Call call;
  call.deadline = Deadline::After(clock_, 1s);
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("first", Keep(reads_->Send(NewRequest(), call, "default"), &first));
  group.Spawn("second", Keep(Send(), &second));
  RunLoop(group);

  EXPECT_TRUE(absl::IsDeadlineExceeded(first->status()));
  EXPECT_EQ(*Read(*second), "x");
}

TEST_F(SharedReadsTest, ShortOfMemoryEachReadsByItself) {
  buffers_ = std::make_unique<sink::BufferPool>(std::size_t{256} << 10);
  const std::string body = Pattern(600'000);
  Begin({Whole(body), Rest(body, 262'144)});
  const auto [first, second] = AskTwice();

  EXPECT_EQ(*Read(first), body);
  EXPECT_EQ(*Read(second), body);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=262144-");
}

TEST_F(SharedReadsTest, WithoutMemoryOneAloneWaitsForNothing) {
  buffers_ = std::make_unique<sink::BufferPool>(std::size_t{16} << 10);
  Begin({Whole("x")});
  {
    const auto all = Await(buffers_->Acquire(1, clock_, Deadline::Never()));
    const SteadyTime before = clock_.Now();

    const Answered answered = Ask();

    EXPECT_EQ(*Read(answered), "x");
    EXPECT_EQ(clock_.Now(), before);
  }
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, ItIsKnownWhetherOthersRead) {
  const std::string body = Pattern(3'000'000);
  Begin({Whole(body)});
  SharingClient first(*reads_, "default"), second(*reads_, "default");
  EXPECT_FALSE(first.others_read()) << "nothing was asked for";
  std::optional<Answered> mine, other;
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("first", Keep(first.Send(NewRequest(), {}), &mine));
  group.Spawn("second", Keep(second.Send(NewRequest(), {}), &other));
  RunLoop(group);
  EXPECT_TRUE(first.others_read());
  EXPECT_TRUE(second.others_read());

  other.reset();
  ASSERT_EQ(Read(*mine, 2'000'000)->size(), 2'000'000u);

  EXPECT_EQ(Requests(), 1u);
  EXPECT_FALSE(first.others_read()) << "it is alone, and nobody can join any more";
}

struct Difference {
  const char* name;
  void (*change)(http::Request& request);
  const char* scope = "default";
};
void PrintTo(const Difference& difference, std::ostream* out) { *out << difference.name; }

class DifferentRequestsTest : public SharedReadsTest,
                              public ::testing::WithParamInterface<Difference> {};

TEST_P(DifferentRequestsTest, AreNotShared) {
  Begin({Whole("x")});
  http::Request other = NewRequest();
  GetParam().change(other);

  const auto [first, second] = AskTwice(NewRequest(), std::move(other), GetParam().scope);

  EXPECT_TRUE(second.ok());
  EXPECT_EQ(Requests(), 2u);
}

INSTANTIATE_TEST_SUITE_P(
    All, DifferentRequestsTest,
    ::testing::Values(
        Difference{"Path", [](http::Request& r) { r.url = *Url::Parse("https://example.org/b"); }},
        Difference{"Query",
                   [](http::Request& r) { r.url = *Url::Parse("https://example.org/file?a"); }},
        Difference{"Scheme",
                   [](http::Request& r) { r.url = *Url::Parse("http://example.org/file"); }},
        Difference{"Header", [](http::Request& r) { r.headers = {{"Accept", "text/plain"}}; }},
        Difference{"Method", [](http::Request& r) { r.method = "HEAD"; }},
        Difference{"Range", [](http::Request& r) { r.headers = {{"Range", "bytes=0-"}}; }},
        Difference{"Condition", [](http::Request& r) { r.headers = {{"If-None-Match", "\"a\""}}; }},
        Difference{"Decoding", [](http::Request& r) { r.decode.emplace(); }},
        Difference{"Login",
                   [](http::Request& r) { r.credentials = BasicCredentials{"u", Secret("p")}; }},
        Difference{"Token",
                   [](http::Request& r) { r.credentials = BearerCredentials{Secret("t")}; }},
        Difference{"Profile", [](http::Request& r) { r.tls_profile = "corp"; }},
        Difference{"Proxy", [](http::Request& r) { r.proxy = "direct"; }},
        Difference{"Redirected", [](http::Request& r) { r.redirected = true; }},
        Difference{"Scope", [](http::Request&) {}, "another"}),
    [](const auto& info) { return info.param.name; });

TEST_F(SharedReadsTest, TheOrderOfHeadersAndTheCaseOfTheirNamesAreNoDifference) {
  Begin({Whole("x")});
  http::Request first = NewRequest(), second = NewRequest();
  first.headers = {{"Accept", "a"}, {"X-Key", "k"}};
  second.headers = {{"x-key", "k"}, {"accept", "a"}};

  AskTwice(std::move(first), std::move(second));
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SharedReadsTest, AnotherPasswordIsAnotherRead) {
  Begin({Whole("x")});
  http::Request first = NewRequest(), second = NewRequest();
  first.credentials = BasicCredentials{"u", Secret("p")};
  second.credentials = BasicCredentials{"u", Secret("q")};

  AskTwice(std::move(first), std::move(second));
  EXPECT_EQ(Requests(), 2u);
}

TEST(MayShareTest, FetchAndJobsWithADigestDoAndTimingOfOnesOwnDoesNot) {
  jobs::FetchSpec spec;
  EXPECT_TRUE(MayShare(spec, true));
  EXPECT_FALSE(MayShare(spec, false));
  spec.digests.resize(1);
  EXPECT_TRUE(MayShare(spec, false));
  spec.share = jobs::Sharing::kNever;
  EXPECT_FALSE(MayShare(spec, true));
  spec.digests.clear();
  spec.share = jobs::Sharing::kAlways;
  EXPECT_TRUE(MayShare(spec, false));
  spec.timeouts.total = 1s;
  EXPECT_FALSE(MayShare(spec, false));
  spec.timeouts.total.reset();
  spec.max_bytes_per_sec = 2048;
  EXPECT_FALSE(MayShare(spec, true));
}

TEST_F(SharedReadsTest, WhoIsJudgedByAnotherPolicyReadsByHimself) {
  const std::string body = Pattern(1000);
  Begin({Whole(body), Whole(body)});
  http::Request one = NewRequest(), other = NewRequest();
  one.subject = std::make_shared<egress::Subject>(*egress::Policy::Create({}));
  other.subject = std::make_shared<egress::Subject>(*egress::Policy::Create({}));

  const auto [first, second] = AskTwice(one, other);

  EXPECT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(Requests(), 2u);
  EXPECT_EQ(counted_.joined, 0u);
}

}  // namespace
}  // namespace fetchd::fetch
