#include "objstore/s3_store.h"

#include "s3_fixture.h"

namespace fetchd::objstore {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const ObjectName kObject{"b", "k"};

TEST_F(S3StoreTest, APutIsOneSignedRequest) {
  answers_ = {Say(200, "", {{"ETag", "\"e\""}, {"x-amz-version-id", "v1"}})};
  ObjectAttributes attributes;
  attributes.content_type = "text/plain";
  attributes.metadata = {{"Origin", "here"}};
  attributes.tags = {{"a b", "c&d"}};

  const auto put = Run(store().Put(kObject, Bytes("hello"), attributes, Precondition::kNone));

  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->size_bytes, 5U);
  EXPECT_EQ(put->etag, "\"e\"");
  EXPECT_EQ(put->version, "v1");
  EXPECT_EQ(Asked(0), "PUT /b/k");
  EXPECT_EQ(bodies_[0], "hello");
  EXPECT_EQ(client_.Header(0, "Content-Type"), "text/plain");
  EXPECT_EQ(client_.Header(0, "x-amz-meta-origin"), "here");
  EXPECT_EQ(client_.Header(0, "x-amz-tagging"), "a%20b=c%26d");
  EXPECT_EQ(client_.Header(0, "x-amz-content-sha256"),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(client_.Header(0, "X-Amz-Security-Token"), "token");
  EXPECT_THAT(client_.Header(0, "Authorization"),
              StartsWith("AWS4-HMAC-SHA256 Credential=AKID/20241218/us-east-1/s3/aws4_request, "
                         "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
                         "x-amz-meta-origin;x-amz-security-token;x-amz-tagging, Signature="));
  EXPECT_THAT(client_.Header(0, "Authorization"), Not(HasSubstr("hunter2")));
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "");
}

TEST_F(S3StoreTest, ChecksumsAreSentWhereConfigured) {
  config_.checksum = Checksum::kCrc32c;
  config_.content_md5 = true;
  answers_ = {Say(200)};

  ASSERT_TRUE(Run(store().Put(kObject, Bytes("hello"), {}, Precondition::kNone)).ok());

  EXPECT_EQ(client_.Header(0, "x-amz-checksum-crc32c"), "mnG7TA==");
  EXPECT_EQ(client_.Header(0, "Content-MD5"), "XUFAKrxLKna5cZ2REBfFkg==");
}

TEST_F(S3StoreTest, AnUnsignedPayloadIsForHttpsOnly) {
  config_.payload = PayloadSigning::kUnsigned;
  answers_ = {Say(200)};
  ASSERT_TRUE(Run(store().Put(kObject, Bytes("hello"), {}, Precondition::kNone)).ok());
  EXPECT_THAT(client_.Header(0, "x-amz-content-sha256"), StartsWith("2cf24dba"));

  store_.reset();
  config_.endpoint = *Url::Parse("https://store.test");
  answers_ = {Say(200)};
  ASSERT_TRUE(Run(store().Put(kObject, Bytes("hello"), {}, Precondition::kNone)).ok());
  EXPECT_EQ(client_.Header(1, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

TEST_F(S3StoreTest, AConditionThatDoesNotHoldIsAlreadyExists) {
  answers_ = {SayError(412, "PreconditionFailed")};

  const auto put = Run(store().Put(kObject, Bytes("hello"), {}, Precondition::kAbsent));

  EXPECT_TRUE(absl::IsAlreadyExists(put.status())) << put.status();
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "*");
}

TEST_F(S3StoreTest, AConditionThatTheStoreDoesNotKnowIsNotSent) {
  config_.features = {.conditional_put = false, .conditional_complete = false};

  const auto put = Run(store().Put(kObject, Bytes("x"), {}, Precondition::kAbsent));
  const auto complete =
      Run(store().CompleteUpload(kObject, "u", {{1, "\"e\"", 1, ""}}, {}, Precondition::kAbsent));

  EXPECT_TRUE(absl::IsUnimplemented(put.status()));
  EXPECT_TRUE(absl::IsUnimplemented(complete.status()));
  EXPECT_EQ(asked(), 0U);
}

TEST_F(S3StoreTest, APutWhoseAnswerWasLostFindsItsOwnObject) {
  const auto lost = SayNothing(absl::UnavailableError("connection lost"));
  answers_ = {
      lost, SayError(412, "PreconditionFailed"),
      Say(200, "", {{"ETag", "\"5d41402abc4b2a76b9719d911017c592\""}, {"Content-Length", "5"}})};
  answers_.back().content_length = 5;

  const auto put = Run(store().Put(kObject, Bytes("hello"), {}, Precondition::kAbsent));

  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->size_bytes, 5U);
  EXPECT_EQ(Asked(2), kHead);
}

TEST_F(S3StoreTest, APutWhoseAnswerWasLostFindsThatOfAnother) {
  answers_ = {SayNothing(absl::UnavailableError("connection lost")),
              SayError(412, "PreconditionFailed"), Say(200, "", {{"ETag", "\"other\""}})};
  answers_.back().content_length = 5;

  const auto put = Run(store().Put(kObject, Bytes("hello"), {}, Precondition::kAbsent));

  EXPECT_TRUE(absl::IsAlreadyExists(put.status())) << put.status();
}

TEST_F(S3StoreTest, HeadSaysWhatIsThere) {
  answers_ = {Say(200, "",
                  {{"ETag", "\"e\""},
                   {"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"},
                   {"x-amz-version-id", "v"}})};
  answers_.back().content_length = 77;

  const auto info = Run(store().Head(kObject));

  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size_bytes, 77U);
  EXPECT_EQ(info->etag, "\"e\"");
  EXPECT_EQ(info->version, "v");
  EXPECT_EQ(info->last_modified, "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_F(S3StoreTest, AHeadWithoutALengthIsDataLoss) {
  answers_ = {Say(200)};
  answers_.back().content_length.reset();

  EXPECT_TRUE(absl::IsDataLoss(Run(store().Head(kObject)).status()));
}

TEST_F(S3StoreTest, GetReadsFromAnOffsetOfOneVersion) {
  answers_ = {Say(206, "llo", {{"Content-Range", "bytes 2-4/5"}})};

  const auto got = Run(store().Get(kObject, 2, "\"e\""));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->content_length, 3U);
  EXPECT_EQ(client_.Header(0, "Range"), "bytes=2-");
  EXPECT_EQ(client_.Header(0, "If-Match"), "\"e\"");
}

TEST_F(S3StoreTest, GetRefusesAnotherPartThanItAskedFor) {
  answers_ = {Say(200, "hello"), Say(206, "ello", {{"Content-Range", "bytes 1-4/5"}}),
              Say(206, "llo")};

  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(absl::IsDataLoss(Run(store().Get(kObject, 2, "")).status()));
  }
}

TEST_F(S3StoreTest, GetOfAnotherVersionOrBehindTheEnd) {
  answers_ = {SayError(412, "PreconditionFailed"), SayError(416, "InvalidRange")};

  EXPECT_TRUE(absl::IsNotFound(Run(store().Get(kObject, 0, "\"e\"")).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Run(store().Get(kObject, 9, "")).status()));
}

TEST_F(S3StoreTest, WhatIsNotThereIsDeletedAlready) {
  answers_ = {SayError(404, "NoSuchKey"), Say(404), SayError(404, "NoSuchBucket"),
              SayError(404, "NoSuchUpload")};

  EXPECT_TRUE(Run(store().Delete(kObject)).ok());
  EXPECT_TRUE(Run(store().Delete(kObject)).ok());
  EXPECT_TRUE(absl::IsNotFound(Run(store().Delete(kObject))));
  EXPECT_TRUE(Run(store().AbortUpload(kObject, "u")).ok());
}

TEST_F(S3StoreTest, AttributesThatCannotBeSentAreRefused) {
  ObjectAttributes line, name, space, many;
  line.content_type = "a\r\nb: c";
  name.metadata = {{"a b", "x"}};
  space.metadata = {{"a", " x"}};
  many.metadata = {{"a", std::string(2048, 'x')}};

  for (const ObjectAttributes& attributes : {line, name, space, many}) {
    const auto put = Run(store().Put(kObject, Bytes("x"), attributes, Precondition::kNone));
    EXPECT_TRUE(absl::IsInvalidArgument(put.status())) << put.status();
  }
  EXPECT_EQ(asked(), 0U);
}

}  // namespace
}  // namespace fetchd::objstore
