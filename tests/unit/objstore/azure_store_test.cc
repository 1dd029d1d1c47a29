#include "objstore/azure_store.h"

#include "azure_fixture.h"
#include "base/hash.h"

namespace fetchd::objstore {
namespace {

using std::chrono_literals::operator""s;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Md5Base64(std::string_view text) {
  return Base64Encode(*HexDecode(*HashHex(HashAlgorithm::kMd5, text)));
}

TEST_F(AzureStoreTest, APutIsABlockBlobAndSaysWhatItIs) {
  answers_ = {
      Say(201, "",
          {{"ETag", "\"0x8D\""}, {"x-ms-version-id", "v1"}, {"Content-MD5", Md5Base64("bytes")}})};
  const ObjectAttributes attributes{.content_type = "text/plain",
                                    .content_disposition = "inline",
                                    .cache_control = "no-store",
                                    .storage_class = "Cool",
                                    .metadata = {{"Job_1", "J 1"}},
                                    .tags = {{"team", "a b"}}};

  const auto put = Run(store().Put(blob_, Bytes("bytes"), attributes, Precondition::kNone));

  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->size_bytes, 5U);
  EXPECT_EQ(put->etag, "\"0x8D\"");
  EXPECT_EQ(put->version, "v1");
  EXPECT_EQ(put->md5, *HashHex(HashAlgorithm::kMd5, "bytes"));
  EXPECT_EQ(Asked(0), "PUT /acct1/con/k");
  EXPECT_EQ(bodies_[0], "bytes");
  EXPECT_EQ(client_.Header(0, "x-ms-blob-type"), "BlockBlob");
  EXPECT_EQ(client_.Header(0, "x-ms-version"), kAzureVersion);
  EXPECT_EQ(client_.Header(0, "x-ms-blob-content-type"), "text/plain");
  EXPECT_EQ(client_.Header(0, "x-ms-blob-content-disposition"), "inline");
  EXPECT_EQ(client_.Header(0, "x-ms-blob-cache-control"), "no-store");
  EXPECT_EQ(client_.Header(0, "x-ms-access-tier"), "Cool");
  EXPECT_EQ(client_.Header(0, "x-ms-meta-Job_1"), "J 1");
  EXPECT_EQ(client_.Header(0, "x-ms-tags"), "team=a%20b");
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "");
  EXPECT_EQ(client_.Header(0, "Content-MD5"), "");
  EXPECT_THAT(client_.Header(0, "Authorization"), StartsWith("SharedKey acct1:"));
}

TEST_F(AzureStoreTest, AttributesThatAzureDoesNotTakeAreRefusedInWords) {
  const std::pair<ObjectAttributes, const char*> cases[] = {
      {{.encryption = "AES256"}, "with the keys that the account says"},
      {{.metadata = {{"job-id", "1"}}}, "begin with no digit"},
      {{.metadata = {{"1job", "1"}}}, "begin with no digit"},
      {{.metadata = {{"job", "1"}, {"JOB", "2"}}}, "is there twice"},
      {{.metadata = {{"job", std::string(8192, 'x')}}}, "more than 8192 bytes"},
      {{.metadata = {{"job", "\xc3\xbc"}}}, "printable ASCII"},
      {{.tags = {{"a?", "b"}}}, "tags: Azure takes"},
      {{.tags = {{"", "b"}}}, "tags: Azure takes"},
      {{.tags = std::vector<std::pair<std::string, std::string>>(11, {"a", "b"})},
       "tags: more than 10"}};
  for (const auto& [attributes, words] : cases) {
    const auto put = Run(store().Put(blob_, Bytes("x"), attributes, Precondition::kNone));
    const auto begun = Run(store().BeginUpload(blob_, attributes));

    EXPECT_TRUE(absl::IsInvalidArgument(put.status())) << put.status();
    EXPECT_THAT(MessageOf(put.status()), HasSubstr(words));
    EXPECT_EQ(begun.status(), put.status());
  }
  EXPECT_EQ(asked(), 0U);
}

TEST_F(AzureStoreTest, ANameThatAzureWouldChangeIsNeverAskedFor) {
  const absl::Status status = Run(store().Head({"con", "a/../b"})).status();

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(MessageOf(status),
              HasSubstr("store \"backup\": Get Blob Properties of con/a/../b: Azure would not"));
  EXPECT_TRUE(absl::IsInvalidArgument(Run(store().BeginUpload({"con", "a."}, {})).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Run(store().BeginUpload({"Con", "a"}, {})).status()));
  EXPECT_EQ(asked(), 0U);
}

TEST_F(AzureStoreTest, TheChecksumIsSentWhereItIsWanted) {
  config_.content_md5 = true;
  answers_ = {Say(201), Say(201)};

  ASSERT_TRUE(Run(store().Put(blob_, Bytes("bytes"), {}, Precondition::kNone)).ok());
  ASSERT_TRUE(Run(store().PutPart(blob_, std::string(32, 'a'), 1, Bytes("part"))).ok());

  EXPECT_EQ(client_.Header(0, "Content-MD5"), Md5Base64("bytes"));
  EXPECT_EQ(client_.Header(1, "Content-MD5"), Md5Base64("part"));
}

TEST_F(AzureStoreTest, ATokenIsPartOfTheUrlAndOfNoMessage) {
  access_ = {Secret(), Secret("sv=1&sig=hunter2")};
  config_.timing.retry.max_attempts = 1;
  answers_ = {SayError(403, "AuthenticationFailed"),
              SayNothing(absl::UnavailableError("connection refused"))};

  const absl::Status refused =
      Run(store().PutPart(blob_, std::string(32, 'a'), 1, Bytes("x"))).status();
  const absl::Status unanswered = Run(store().Head(blob_)).status();

  EXPECT_THAT(Asked(0), HasSubstr("&comp=block&sv=1&sig=hunter2"));
  EXPECT_EQ(Asked(1), "HEAD /acct1/con/k?sv=1&sig=hunter2");
  EXPECT_EQ(client_.Header(0, "Authorization"), "");
  EXPECT_EQ(client_.Header(0, "x-ms-version"), kAzureVersion);
  for (const absl::Status& status : {refused, unanswered}) {
    EXPECT_THAT(MessageOf(status), Not(HasSubstr("hunter2")));
  }
}

TEST_F(AzureStoreTest, EachAttemptIsSignedAnewWithItsTime) {
  answers_ = {SayError(503, "ServerBusy"), Say(201)};
  answers_[0].headers = {{"Retry-After", "20"}};
  const SteadyTime began = loop_.clock().Now();

  ASSERT_TRUE(Run(store().Put(blob_, Bytes("x"), {}, Precondition::kNone)).ok());

  EXPECT_GE(loop_.clock().Now() - began, 20s);
  EXPECT_NE(client_.Header(0, "x-ms-date"), client_.Header(1, "x-ms-date"));
  EXPECT_NE(client_.Header(0, "Authorization"), client_.Header(1, "Authorization"));
}

TEST_F(AzureStoreTest, WhatMayPassIsTriedAgainAndThenUnavailable) {
  answers_ = {SayError(500, "OperationTimedOut"), SayError(500, "InternalError"),
              SayNothing(absl::DeadlineExceededError("first byte timeout")), Say(502, "<html>")};

  const absl::Status status = Run(store().Head(blob_)).status();

  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(asked(), 4U);
}

TEST_F(AzureStoreTest, ADamagedBodyIsSentAgainAndThenDataLoss) {
  config_.timing.retry.max_attempts = 2;
  answers_ = {SayError(400, "Md5Mismatch"), SayError(400, "Md5Mismatch")};

  const absl::Status status =
      Run(store().PutPart(blob_, std::string(32, 'a'), 1, Bytes("x"))).status();

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(CodeOf(status), "Md5Mismatch");
  EXPECT_EQ(asked(), 2U);
}

TEST_F(AzureStoreTest, APutThatFindsAnotherIsRefused) {
  answers_ = {SayError(409, "BlobAlreadyExists")};

  const absl::Status status =
      Run(store().Put(blob_, Bytes("x"), {}, Precondition::kAbsent)).status();

  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "*");
}

TEST_F(AzureStoreTest, APutWhoseAnswerWasLostIsFoundByItsMd5) {
  const auto head = [](std::string_view body) {
    return Say(200, "", {{"ETag", "\"e\""}, {"Content-MD5", Md5Base64(body)}});
  };
  FakeAnswer ours = head("mine!"), others = head("other");
  ours.content_length = others.content_length = 5;
  const FakeAnswer lost = SayNothing(absl::UnavailableError("lost"));
  const FakeAnswer exists = SayError(409, "BlobAlreadyExists");
  answers_ = {lost, exists, ours, lost, exists, others};

  const auto found = Run(store().Put(blob_, Bytes("mine!"), {}, Precondition::kAbsent));
  const auto refused = Run(store().Put(blob_, Bytes("mine!"), {}, Precondition::kAbsent));

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->etag, "\"e\"");
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
}

TEST_F(AzureStoreTest, HeadSaysWhatIsThere) {
  FakeAnswer answer = Say(200, "", {{"ETag", "\"e\""}, {"Last-Modified", "then"}});
  answer.content_length = 7;
  answers_ = {answer, SayCode(404, "BlobNotFound"), SayCode(404, "ContainerNotFound")};

  const auto head = Run(store().Head(blob_));
  const absl::Status no_blob = Run(store().Head(blob_)).status();
  const absl::Status no_container = Run(store().Head(blob_)).status();

  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->size_bytes, 7U);
  EXPECT_EQ(head->last_modified, "then");
  EXPECT_EQ(head->md5, "");
  EXPECT_TRUE(absl::IsNotFound(no_blob));
  EXPECT_EQ(CodeOf(no_container), "ContainerNotFound");
}

TEST_F(AzureStoreTest, AHeadWithoutALengthIsDataLoss) {
  answers_ = {Say(200)};
  answers_[0].content_length.reset();

  EXPECT_TRUE(absl::IsDataLoss(Run(store().Head(blob_)).status()));
}

TEST_F(AzureStoreTest, AReadGoesOnFromAnOffsetOfTheSameVersion) {
  answers_ = {Say(206, "rest", {{"Content-Range", "bytes 3-6/7"}}),
              SayError(412, "ConditionNotMet"), SayError(416, "InvalidRange"),
              Say(206, "rest", {{"Content-Range", "bytes 0-3/7"}})};

  const auto got = Run(store().Get(blob_, 3, "\"e\""));
  const absl::Status another = Run(store().Get(blob_, 3, "\"e\"")).status();
  const absl::Status beyond = Run(store().Get(blob_, 9, "")).status();
  const absl::Status wrong = Run(store().Get(blob_, 3, "")).status();

  EXPECT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(client_.Header(0, "Range"), "bytes=3-");
  EXPECT_EQ(client_.Header(0, "If-Match"), "\"e\"");
  EXPECT_TRUE(absl::IsNotFound(another)) << another;
  EXPECT_TRUE(absl::IsOutOfRange(beyond)) << beyond;
  EXPECT_TRUE(absl::IsDataLoss(wrong)) << wrong;
}

TEST_F(AzureStoreTest, DeletingWhatIsNotThereIsDone) {
  answers_ = {Say(202), SayError(404, "BlobNotFound"), SayError(404, "ContainerNotFound"),
              SayError(409, "SnapshotsPresent")};

  EXPECT_TRUE(Run(store().Delete(blob_)).ok());
  EXPECT_TRUE(Run(store().Delete(blob_)).ok());
  EXPECT_TRUE(absl::IsNotFound(Run(store().Delete(blob_))));
  EXPECT_TRUE(absl::IsFailedPrecondition(Run(store().Delete(blob_))));
}

}  // namespace
}  // namespace fetchd::objstore
