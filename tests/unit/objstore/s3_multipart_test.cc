#include "objstore/payload.h"
#include "objstore/s3_answers.h"
#include "s3_fixture.h"

namespace fetchd::objstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using S3MultipartTest = S3StoreTest;

const ObjectName kWhole{"b", "k"};
// MD5 of "a" and of "b"; the last one is that of the two.
constexpr char kPartA[] = "\"0cc175b9c0f1b6a831c399e269772661\"";
constexpr char kPartB[] = "\"92eb5ffee6ae2fec3ad71c777531578f\"";
constexpr char kOfBoth[] = "\"5b6e9c7e6e8a1e0f37a5d1a7a0a6c4c2-2\"";
const std::vector<Part> kParts = {{1, kPartA, 5, ""}, {2, kPartB, 3, ""}};

FakeAnswer SayHead(std::uint64_t size, std::string etag,
                   std::vector<std::pair<std::string, std::string>> more = {}) {
  more.emplace_back("ETag", std::move(etag));
  FakeAnswer answer = Say(200, "", std::move(more));
  answer.content_length = size;
  return answer;
}

TEST_F(S3MultipartTest, AnUploadIsBegunAndItsIdIsEncoded) {
  answers_ = {Say(200,
                  "<InitiateMultipartUploadResult><UploadId>a/b+c</UploadId>"
                  "</InitiateMultipartUploadResult>"),
              Say(200, "", {{"ETag", kPartA}})};

  const auto id = Run(store().BeginUpload(kWhole, {}));
  ASSERT_TRUE(id.ok()) << id.status();
  const auto part = Run(store().PutPart(kWhole, *id, 1, Bytes("a")));

  EXPECT_EQ(*id, "a/b+c");
  EXPECT_EQ(Asked(0), "POST /b/k?uploads=");
  EXPECT_EQ(Asked(1), "PUT /b/k?partNumber=1&uploadId=a%2Fb%2Bc");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(*part, (Part{1, kPartA, 1, ""}));
}

TEST_F(S3MultipartTest, ChecksumsGoWithThePartsAndAreNamedAtTheEnd) {
  config_.checksum = Checksum::kCrc32c;
  answers_ = {
      Say(200,
          "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
          "</InitiateMultipartUploadResult>"),
      Say(200, "", {{"ETag", kPartA}, {"x-amz-checksum-crc32c", "wdBDMA=="}}),
      Say(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")};

  ASSERT_TRUE(Run(store().BeginUpload(kWhole, {})).ok());
  const auto part = Run(store().PutPart(kWhole, "u", 1, Bytes("a")));
  ASSERT_TRUE(part.ok());
  ASSERT_TRUE(Run(store().CompleteUpload(kWhole, "u", {*part}, {}, Precondition::kNone)).ok());

  EXPECT_EQ(client_.Header(0, "x-amz-checksum-algorithm"), "CRC32C");
  EXPECT_EQ(client_.Header(1, "x-amz-checksum-crc32c"), "wdBDMA==");
  EXPECT_THAT(bodies_[2], HasSubstr("<ChecksumCRC32C>wdBDMA==</ChecksumCRC32C>"));
  EXPECT_EQ(client_.Header(2, "x-amz-checksum-crc32c"), "");
}

TEST_F(S3MultipartTest, APartWithoutAnEtagIsNoPart) {
  answers_ = {Say(200)};
  EXPECT_TRUE(absl::IsDataLoss(Run(store().PutPart(kWhole, "u", 1, Bytes("a"))).status()));
  for (const int number : {0, 10'001, -1}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(Run(store().PutPart(kWhole, "u", number, Bytes("a"))).status()));
  }
}

TEST_F(S3MultipartTest, AllPagesOfPartsAreRead) {
  answers_ = {
      Say(200,
          "<ListPartsResult><IsTruncated>true</IsTruncated>"
          "<NextPartNumberMarker>2</NextPartNumberMarker><Part><PartNumber>2</PartNumber>"
          "</Part><Part><PartNumber>1</PartNumber></Part></ListPartsResult>"),
      Say(200,
          "<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>3</PartNumber>"
          "<Size>7</Size></Part></ListPartsResult>")};

  const auto parts = Run(store().ListParts(kWhole, "u"));

  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_THAT(*parts, ElementsAre(Part{1}, Part{2}, Part{3, "", 7, ""}));
  EXPECT_EQ(Asked(0), "GET /b/k?uploadId=u");
  EXPECT_EQ(Asked(1), "GET /b/k?part-number-marker=2&uploadId=u");
}

TEST_F(S3MultipartTest, AListOfPartsThatTurnsInACircleIsDataLoss) {
  const auto page = Say(200,
                        "<ListPartsResult><IsTruncated>true</IsTruncated>"
                        "<NextPartNumberMarker>2</NextPartNumberMarker></ListPartsResult>");
  answers_ = {page, page};

  EXPECT_TRUE(absl::IsDataLoss(Run(store().ListParts(kWhole, "u")).status()));
}

TEST_F(S3MultipartTest, AllPagesOfUploadsAreRead) {
  answers_ = {Say(200,
                  "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
                  "<EncodingType>url</EncodingType><NextKeyMarker>a%20b</NextKeyMarker>"
                  "<NextUploadIdMarker>1</NextUploadIdMarker><Upload><Key>a%20b</Key>"
                  "<UploadId>1</UploadId></Upload></ListMultipartUploadsResult>"),
              Say(200,
                  "<ListMultipartUploadsResult><Upload><Key>c</Key><UploadId>2</UploadId>"
                  "</Upload></ListMultipartUploadsResult>")};

  const auto uploads = Run(store().ListUploads("b", "a/"));

  ASSERT_TRUE(uploads.ok()) << uploads.status();
  ASSERT_EQ(uploads->size(), 2U);
  EXPECT_EQ((*uploads)[0].key, "a b");
  EXPECT_EQ((*uploads)[1].key, "c");
  EXPECT_EQ(Asked(0), "GET /b?prefix=a%2F&uploads=");
  EXPECT_EQ(Asked(1), "GET /b?key-marker=a%20b&prefix=a%2F&upload-id-marker=1&uploads=");
}

TEST_F(S3MultipartTest, KeysThatXmlCannotHoldAreAskedForEncoded) {
  const auto list = [](std::string_view key) {
    return Say(200, Concat("<ListMultipartUploadsResult><Upload><Key>", key,
                           "</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>"));
  };
  answers_ = {list("a&#1;%"), list("a%01%25")};

  const auto uploads = Run(store().ListUploads("b", ""));

  ASSERT_TRUE(uploads.ok()) << uploads.status();
  EXPECT_EQ((*uploads)[0].key, "a\x01%");
  EXPECT_EQ(Asked(1), "GET /b?encoding-type=url&prefix=&uploads=");

  answers_ = {list("a&#1;"), list("a&#1;")};
  EXPECT_TRUE(absl::IsDataLoss(Run(store().ListUploads("b", "")).status()));
}

TEST_F(S3MultipartTest, AListOfUploadsThatStandsStillIsDataLoss) {
  const auto page = Say(200,
                        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
                        "<NextKeyMarker>a</NextKeyMarker></ListMultipartUploadsResult>");
  answers_ = {page, page};

  EXPECT_TRUE(absl::IsDataLoss(Run(store().ListUploads("b", "")).status()));
}

TEST_F(S3MultipartTest, AnUploadIsCompletedWithItsPartsInOrder) {
  answers_ = {Say(200,
                  "  <CompleteMultipartUploadResult><ETag>\"e-2\"</ETag>"
                  "</CompleteMultipartUploadResult>",
                  {{"x-amz-version-id", "v"}})};

  const auto info =
      Run(store().CompleteUpload(kWhole, "u", {kParts[1], kParts[0]}, {}, Precondition::kAbsent));

  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->etag, "\"e-2\"");
  EXPECT_EQ(info->size_bytes, 8U);
  EXPECT_EQ(info->version, "v");
  EXPECT_EQ(Asked(0), "POST /b/k?uploadId=u");
  EXPECT_EQ(bodies_[0], ComposeCompletion(kParts));
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "*");
}

TEST_F(S3MultipartTest, ACompletionThatNamesNoEtagIsLookedAt) {
  answers_ = {Say(200, "<CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>"),
              SayHead(8, "\"e-2\"")};

  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone));

  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->etag, "\"e-2\"");
}

TEST_F(S3MultipartTest, AnErrorBehindA200IsOne) {
  answers_ = {SayError(200, "InternalError"),
              Say(200,
                  "<CompleteMultipartUploadResult><ETag>\"e\"</ETag>"
                  "</CompleteMultipartUploadResult>")};
  EXPECT_TRUE(Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone)).ok());

  answers_ = {SayError(200, "InvalidPart")};
  config_.timing.retry.max_attempts = 1;
  store_.reset();
  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone));
  EXPECT_FALSE(info.ok());
  EXPECT_THAT(MessageOf(info.status()), HasSubstr("InvalidPart"));
}

TEST_F(S3MultipartTest, AnUploadThatWasCompletedBeforeIsFoundByItsEtag) {
  const std::string etag = MultipartEtag({kPartA, kPartB});
  answers_ = {SayNothing(absl::UnavailableError("connection lost")), SayError(404, "NoSuchUpload"),
              SayHead(8, etag)};

  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone));

  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->etag, etag);
  EXPECT_EQ(Asked(2), kHead);
}

TEST_F(S3MultipartTest, AnotherObjectOfTheSameSizeIsNotOurs) {
  answers_ = {SayError(404, "NoSuchUpload"), SayHead(8, kOfBoth)};

  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone));

  EXPECT_TRUE(absl::IsNotFound(info.status())) << info.status();
  EXPECT_THAT(MessageOf(info.status()), HasSubstr("NoSuchUpload"));
}

TEST_F(S3MultipartTest, WhereEtagsAreNoMd5sTheSizeCounts) {
  const std::vector<Part> parts = {{1, "\"opaque\"", 8, ""}};
  answers_ = {SayError(404, "NoSuchUpload"),
              SayHead(8, "\"other\""),
              SayError(404, "NoSuchUpload"),
              SayHead(9, "\"other\""),
              SayError(404, "NoSuchUpload"),
              SayHead(8, kOfBoth, {{"x-amz-server-side-encryption", "aws:kms"}})};

  EXPECT_TRUE(Run(store().CompleteUpload(kWhole, "u", parts, {}, Precondition::kNone)).ok());
  EXPECT_FALSE(Run(store().CompleteUpload(kWhole, "u", parts, {}, Precondition::kNone)).ok());
  EXPECT_TRUE(Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone)).ok());
}

TEST_F(S3MultipartTest, AnUploadThatIsGoneWithItsObjectIsNotFound) {
  answers_ = {SayError(404, "NoSuchUpload"), Say(404)};

  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kNone));

  EXPECT_THAT(MessageOf(info.status()), HasSubstr("NoSuchUpload"));
}

TEST_F(S3MultipartTest, AConditionThatDoesNotHoldIsAlreadyExistsWhileTheUploadIsThere) {
  answers_ = {SayError(412, "PreconditionFailed"), Say(200, "<ListPartsResult/>")};

  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kAbsent));

  EXPECT_TRUE(absl::IsAlreadyExists(info.status())) << info.status();
}

TEST_F(S3MultipartTest, AConditionFailsOnOurOwnObjectWhenTheUploadWasCompletedBefore) {
  answers_ = {SayError(412, "PreconditionFailed"), SayError(404, "NoSuchUpload"),
              SayHead(8, MultipartEtag({kPartA, kPartB}))};

  const auto info = Run(store().CompleteUpload(kWhole, "u", kParts, {}, Precondition::kAbsent));

  EXPECT_TRUE(info.ok()) << info.status();
}

TEST_F(S3MultipartTest, AnUploadWithoutPartsIsNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      Run(store().CompleteUpload(kWhole, "u", {}, {}, Precondition::kNone)).status()));
}

TEST(MultipartEtagTest, IsThatOfTheParts) {
  // md5(md5("a") + md5("b"))
  EXPECT_EQ(MultipartEtag({kPartA, kPartB}), "\"96e024ba2074fe77e8e965ba43a704be-2\"");
  EXPECT_EQ(MultipartEtag({kPartA, "\"opaque\""}), "");
  EXPECT_TRUE(IsMultipartEtag(kOfBoth));
  EXPECT_FALSE(IsMultipartEtag(kPartA));
  EXPECT_FALSE(IsMultipartEtag("\"0cc175b9c0f1b6a831c399e269772661-\""));
  EXPECT_FALSE(IsMultipartEtag(""));
}

}  // namespace
}  // namespace fetchd::objstore
