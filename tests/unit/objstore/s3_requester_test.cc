// What is sent again, when, to where and in whose name.
#include "objstore/s3_requester.h"

#include "s3_fixture.h"

namespace fetchd::objstore {
namespace {

using std::chrono_literals::operator""s;
using ::testing::HasSubstr;

using S3RequesterTest = S3StoreTest;

const ObjectName kAsked{"b", "k"};

TEST_F(S3RequesterTest, WhatMayPassIsTriedAgainAndThenUnavailable) {
  answers_ = {SayNothing(absl::DeadlineExceededError("first byte timeout")), Say(502, "<html>"),
              SayError(500, "InternalError"), SayNothing(absl::DataLossError("not HTTP"))};
  const SteadyTime began = loop_.clock().Now();

  const auto head = Run(store().Head(kAsked));

  EXPECT_TRUE(absl::IsUnavailable(head.status())) << head.status();
  EXPECT_THAT(MessageOf(head.status()), HasSubstr("store \"backup\": HeadObject of b/k: not HTTP"));
  EXPECT_EQ(asked(), 4U);
  // Half of 250 ms, 500 ms and 1 s.
  EXPECT_EQ(loop_.clock().Now() - began, std::chrono::milliseconds(875));
}

TEST_F(S3RequesterTest, WhatDoesNotPassIsNotTriedAgain) {
  for (const auto& status :
       {absl::PermissionDeniedError("egress"), absl::FailedPreconditionError("certificate"),
        absl::CancelledError("closed")}) {
    answers_ = {SayNothing(status)};
    EXPECT_EQ(Run(store().Head(kAsked)).status().code(), status.code());
  }
  answers_ = {SayError(403, "AccessDenied")};
  EXPECT_TRUE(absl::IsPermissionDenied(Run(store().Delete(kAsked))));
}

TEST_F(S3RequesterTest, AHostThatIsNotFoundIsNotAnObjectThatIsNot) {
  config_.timing.retry.max_attempts = 1;
  answers_ = {SayNothing(absl::NotFoundError("no such host"))};

  EXPECT_TRUE(absl::IsUnavailable(Run(store().Head(kAsked)).status()));
}

TEST_F(S3RequesterTest, ADamagedBodyIsSentAgainAndThenDataLoss) {
  answers_ = {SayError(400, "BadDigest"), Say(200, "", {{"ETag", "\"e\""}})};
  EXPECT_TRUE(Run(store().PutPart(kAsked, "u", 1, Bytes("x"))).ok());

  config_.timing.retry.max_attempts = 1;
  store_.reset();
  answers_ = {SayError(400, "XAmzContentSHA256Mismatch")};
  EXPECT_TRUE(absl::IsDataLoss(Run(store().PutPart(kAsked, "u", 1, Bytes("x"))).status()));
}

TEST_F(S3RequesterTest, ABusyStoreIsLeftAloneByAll) {
  FakeAnswer busy = SayError(503, "SlowDown");
  busy.headers = {{"Retry-After", "20"}};
  answers_ = {busy, Say(200), Say(204)};
  const SteadyTime began = loop_.clock().Now();
  std::optional<absl::StatusOr<ObjectInfo>> first;
  loop_.Start(store().Put(kAsked, Bytes("x"), {}, Precondition::kNone), first);
  loop_.Poll();
  loop_.Poll();
  ASSERT_EQ(asked(), 1U);

  EXPECT_TRUE(Run(store().Delete(kAsked)).ok());

  EXPECT_GE(loop_.clock().Now() - began, 20s);
  EXPECT_EQ(asked(), 3U);
  loop_.Poll();
  EXPECT_TRUE(first && first->ok());
}

TEST_F(S3RequesterTest, AStoreThatAsksForTimeAgainAndAgainIsGivenUp) {
  config_.timing.retry.max_attempts = 1;
  FakeAnswer busy = SayError(503, "SlowDown");
  busy.headers = {{"Retry-After", "20"}};
  answers_ = {busy};

  const absl::Status status = Run(store().Delete(kAsked));

  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(GetRetryAfter(status), 20s);
  EXPECT_EQ(CodeOf(status), "SlowDown");
}

TEST_F(S3RequesterTest, NobodyWaitsLongerThanTheLongestRetryAfter) {
  config_.timing.retry.max_retry_after = 10s;
  cooldown_.Hold(loop_.clock().Now(), 11s);

  const absl::Status status = Run(store().Delete(kAsked));

  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(GetRetryAfter(status), 11s);
  EXPECT_EQ(asked(), 0U);
}

/// Gives out what it is told to, one after the other.
class ListedCredentials final : public CredentialsSource {
 public:
  explicit ListedCredentials(std::vector<absl::StatusOr<AwsCredentials>> list)
      : list_(std::move(list)) {}
  Task<absl::StatusOr<AwsCredentials>> Get() override { co_return list_[forgotten]; }
  void Forget(const AwsCredentials&) override { ++forgotten; }

  std::size_t forgotten = 0;

 private:
  const std::vector<absl::StatusOr<AwsCredentials>> list_;
};

TEST_F(S3RequesterTest, CredentialsThatHaveExpiredAreReplacedOnce) {
  const auto keys = [](const char* id) { return AwsCredentials{id, Secret("s"), Secret(), {}}; };
  ListedCredentials listed({keys("OLD"), keys("NEW"), keys("NEWER")});
  S3Store store(config_, client_, listed, cooldown_, loop_.clock(), [] { return 0.5; });
  answers_ = {SayError(400, "ExpiredToken"), Say(204)};

  EXPECT_TRUE(Run(store.Delete(kAsked)).ok());
  EXPECT_THAT(client_.Header(0, "Authorization"), HasSubstr("Credential=OLD/"));
  EXPECT_THAT(client_.Header(1, "Authorization"), HasSubstr("Credential=NEW/"));

  answers_ = {SayError(400, "ExpiredToken"), SayError(400, "ExpiredToken")};
  EXPECT_TRUE(absl::IsPermissionDenied(Run(store.Delete(kAsked))));
  EXPECT_EQ(listed.forgotten, 2U);
}

TEST_F(S3RequesterTest, CredentialsThatAreNotThereAreNotAnObjectThatIsNot) {
  const std::pair<absl::Status, absl::StatusCode> cases[] = {
      {absl::NotFoundError("none"), absl::StatusCode::kFailedPrecondition},
      {absl::InvalidArgumentError("half"), absl::StatusCode::kFailedPrecondition},
      {absl::DeadlineExceededError("late"), absl::StatusCode::kUnavailable},
      {absl::PermissionDeniedError("no"), absl::StatusCode::kPermissionDenied}};
  for (const auto& [status, expected] : cases) {
    ListedCredentials listed({status});
    S3Store store(config_, client_, listed, cooldown_, loop_.clock(), [] { return 0.5; });
    EXPECT_EQ(Run(store.Head(kAsked)).status().code(), expected) << status;
  }
  EXPECT_EQ(asked(), 0U);
}

TEST_F(S3RequesterTest, ACooldownHasItsLimit) {
  Cooldown cooldown(10s);
  cooldown.Hold(loop_.clock().Now(), 3600s);
  EXPECT_EQ(cooldown.Until(loop_.clock().Now()), loop_.clock().Now() + 10s);
  cooldown.Hold(loop_.clock().Now(), 5s);
  EXPECT_EQ(cooldown.Until(loop_.clock().Now()), loop_.clock().Now() + 10s);
  loop_.clock().Advance(10s);
  EXPECT_EQ(cooldown.Until(loop_.clock().Now()), std::nullopt);
}

TEST_F(S3RequesterTest, ABucketIsFoundInItsOwnRegionOfAws) {
  config_.endpoint.reset();
  config_.path_style = false;
  FakeAnswer moved = Say(301, "", {{"x-amz-bucket-region", "eu-west-1"}});
  answers_ = {moved, Say(204), Say(204)};

  EXPECT_TRUE(Run(store().Delete(kAsked)).ok());
  EXPECT_TRUE(Run(store().Delete(kAsked)).ok());

  EXPECT_EQ(AskedOf(0), "https://b.s3.us-east-1.amazonaws.com");
  EXPECT_EQ(AskedOf(1), "https://b.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(AskedOf(2), "https://b.s3.eu-west-1.amazonaws.com");
  EXPECT_THAT(client_.Header(1, "Authorization"), HasSubstr("/eu-west-1/s3/"));
}

TEST_F(S3RequesterTest, AnEndpointOfOnesOwnIsKeptAndGetsTheRegion) {
  answers_ = {SayError(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
              Say(204)};

  EXPECT_TRUE(Run(store().Delete(kAsked)).ok());

  EXPECT_EQ(AskedOf(1), "http://store.test:9000");
  EXPECT_THAT(client_.Header(1, "Authorization"), HasSubstr("/eu-west-1/s3/"));
}

TEST_F(S3RequesterTest, RegionsThatChangeEachTimeAreFollowedOnce) {
  answers_ = {Say(301, "", {{"x-amz-bucket-region", "a-1"}}),
              Say(301, "", {{"x-amz-bucket-region", "b-1"}})};

  const absl::Status status = Run(store().Delete(kAsked));

  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("the bucket is in region b-1"));
}

}  // namespace
}  // namespace fetchd::objstore
