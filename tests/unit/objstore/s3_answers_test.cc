#include "objstore/s3_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::objstore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr WallTime kAugust2015 = WallTime(std::chrono::sys_days(std::chrono::year{2015} / 8 / 30)) +
                                 std::chrono::hours(12) + std::chrono::minutes(36);

TEST(ReadErrorTest, TakesWhatItSays) {
  const auto error = ReadError(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>RequestTimeTooSkewed</Code>"
      "<Message>The difference is too large.</Message><RequestId>4442587FB7D0A2F9</RequestId>"
      "<HostId>h/d</HostId><Region>eu-west-1</Region><Endpoint>b.s3.example</Endpoint>"
      "<ServerTime>2015-08-30T12:36:00Z</ServerTime><Other>x</Other></Error>");

  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "RequestTimeTooSkewed");
  EXPECT_EQ(error->message, "The difference is too large.");
  EXPECT_EQ(error->request_id, "4442587FB7D0A2F9");
  EXPECT_EQ(error->host_id, "h/d");
  EXPECT_EQ(error->region, "eu-west-1");
  EXPECT_EQ(error->endpoint, "b.s3.example");
  EXPECT_EQ(error->server_time, "2015-08-30T12:36:00Z");
}

TEST(ReadErrorTest, TakesThoseOfTokenServicesToo) {
  const auto error = ReadError(
      "<ErrorResponse "
      "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
      "<Code>InvalidIdentityToken</Code><Message>m</Message></Error><RequestId>r</RequestId>"
      "</ErrorResponse>");

  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "InvalidIdentityToken");
  EXPECT_EQ(error->request_id, "r");
}

TEST(ReadErrorTest, OtherBodiesAreNone) {
  for (const char* body :
       {"", "<html>Bad Gateway</html>", "<Error>", "not XML", "<CompleteMultipartUploadResult/>"}) {
    EXPECT_FALSE(ReadError(body)) << body;
  }
}

TEST(ReadUploadTest, TheIdOfOneThatWasBegun) {
  EXPECT_EQ(*ReadBegunUpload("<InitiateMultipartUploadResult "
                             "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket>"
                             "<UploadId>VXBs</UploadId></InitiateMultipartUploadResult>"),
            "VXBs");
  EXPECT_TRUE(absl::IsDataLoss(ReadBegunUpload("<InitiateMultipartUploadResult/>").status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadBegunUpload("<Other><UploadId>x</UploadId></Other>").status()));
}

TEST(ReadUploadTest, OneThatIsCompleteMayBePrecededByWhiteSpace) {
  const auto complete = ReadCompletedUpload(
      "   \n<?xml version=\"1.0\"?>\n\n  <CompleteMultipartUploadResult>"
      "<ETag>&quot;3858f62230ac3c915f300c664312c11f-9&quot;</ETag></"
      "CompleteMultipartUploadResult>");

  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_EQ(complete->etag, "\"3858f62230ac3c915f300c664312c11f-9\"");
  EXPECT_EQ(ReadCompletedUpload("<CompleteMultipartUploadResult><ETag>e-1</ETag>"
                                "</CompleteMultipartUploadResult>")
                ->etag,
            "\"e-1\"");
  EXPECT_TRUE(absl::IsDataLoss(ReadCompletedUpload("<Error/>").status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadCompletedUpload("    ").status()));
}

TEST(ReadPartsTest, AllOfAPage) {
  const auto page = ReadParts(
      "<ListPartsResult><Bucket>b</Bucket><NextPartNumberMarker>3</NextPartNumberMarker>"
      "<IsTruncated>true</IsTruncated>"
      "<Part><PartNumber>2</PartNumber><ETag>\"a\"</ETag><Size>10485760</Size></Part>"
      "<Part><Size>1</Size><ETag>\"b\"</ETag><PartNumber>3</PartNumber>"
      "<ChecksumCRC32C>sDqh4g==</ChecksumCRC32C></Part></ListPartsResult>");

  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->parts,
              ElementsAre(Part{2, "\"a\"", 10485760, ""}, Part{3, "\"b\"", 1, "sDqh4g=="}));
  EXPECT_EQ(page->next, 3);
}

TEST(ReadPartsTest, TheLastPageNamesNoOther) {
  const auto page = ReadParts(
      "<ListPartsResult><NextPartNumberMarker>0</NextPartNumberMarker>"
      "<IsTruncated>false</IsTruncated></ListPartsResult>");

  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->parts, IsEmpty());
  EXPECT_FALSE(page->next);
}

TEST(ReadPartsTest, NonsenseIsDataLoss) {
  for (const char* body :
       {"<Other/>", "<ListPartsResult><Part><Size>1</Size></Part></ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>10001</PartNumber></Part></ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>-1</PartNumber></Part></ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>1</PartNumber><Size>x</Size></Part></ListPartsResult>",
        "<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadParts(body).status())) << body;
  }
}

TEST(ReadUploadsTest, AllOfAPageWithKeysDecoded) {
  const auto page = ReadUploads(
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<NextKeyMarker>b%2Fc</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker>"
      "<Upload><Key>a+b%2B%C3%BC</Key><UploadId>1</UploadId>"
      "<Initiated>2015-08-30T12:36:00.123Z</Initiated><Owner><ID>o</ID></Owner></Upload>"
      "<Upload><Key>b%2Fc</Key><UploadId>2</UploadId></Upload></ListMultipartUploadsResult>",
      /*encoded=*/false);

  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->uploads.size(), 2U);
  EXPECT_EQ(page->uploads[0].key, "a b+\xc3\xbc");
  EXPECT_EQ(page->uploads[0].id, "1");
  EXPECT_EQ(page->uploads[0].begun_at, kAugust2015);
  EXPECT_EQ(page->uploads[1].begun_at, WallTime());
  EXPECT_EQ(page->next, (UploadsPage::Marker{"b/c", "2"}));
}

TEST(ReadUploadsTest, KeysAreAsTheyAreWithoutAnEncoding) {
  const auto page = ReadUploads(
      "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
      "<Upload><Key>a+b%20</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>",
      /*encoded=*/false);

  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->uploads[0].key, "a+b%20");
  EXPECT_FALSE(page->next);
}

TEST(ReadUploadsTest, KeysThatWereAskedForEncodedAre) {
  const auto page = ReadUploads(
      "<ListMultipartUploadsResult><Upload><Key>a%01b</Key><UploadId>1</UploadId></Upload>"
      "</ListMultipartUploadsResult>",
      /*encoded=*/true);

  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->uploads[0].key,
            "a\x01"
            "b");
}

TEST(ReadUploadsTest, NonsenseIsDataLoss) {
  for (const char* body :
       {"<Other/>", "<ListMultipartUploadsResult><Upload/></ListMultipartUploadsResult>",
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></"
        "ListMultipartUploadsResult>"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadUploads(body, false).status())) << body;
  }
}

TEST(ParseS3TimeTest, ReadsBothFormsAndRefusesTheRest) {
  EXPECT_EQ(ParseS3Time("2015-08-30T12:36:00Z"), kAugust2015);
  EXPECT_EQ(ParseS3Time("2015-08-30T12:36:00.999Z"), kAugust2015);
  EXPECT_EQ(ParseS3Time("20150830T123600Z"), kAugust2015);
  for (const char* text : {"", "Z", "2015-08-30", "2015-13-30T12:36:00Z", "2015-02-30T12:36:00Z",
                           "9999-01-01T00:00:00Z", "2015-08-30T25:36:00Z", "T20150830123600Z",
                           "2015-08-30T12:36:00+02:00", "99999999999999999999Z"}) {
    EXPECT_FALSE(ParseS3Time(text)) << text;
  }
}

TEST(ComposeCompletionTest, NamesEachPart) {
  EXPECT_EQ(ComposeCompletion({{1, "\"a<\"", 5, ""}, {2, "\"b\"", 1, "sDqh4g=="}}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>\"a&lt;\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag>"
            "<ChecksumCRC32C>sDqh4g==</ChecksumCRC32C></Part></CompleteMultipartUpload>");
}

}  // namespace
}  // namespace fetchd::objstore
