#include "objstore/azure_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "objstore/azure_block_id.h"

namespace fetchd::objstore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AzureAnswersTest, BlocksAreReadByWhereTheyStand) {
  const auto lists = ReadBlockLists(
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n <CommittedBlocks>"
      "<Block><Name>Yg==</Name><Size>4194304000</Size></Block></CommittedBlocks>"
      "<UncommittedBlocks><Block><Name>YQ==</Name><Size>1</Size></Block>"
      "<Block><Name>Yw==</Name><Size>2</Size></Block></UncommittedBlocks></BlockList>");

  ASSERT_TRUE(lists.ok()) << lists.status();
  EXPECT_THAT(lists->committed, ElementsAre(Block{"Yg==", 4'194'304'000}));
  EXPECT_THAT(lists->uncommitted, ElementsAre(Block{"YQ==", 1}, Block{"Yw==", 2}));
}

TEST(AzureAnswersTest, ListsMayBeEmptyOrLeftOut) {
  const auto lists = ReadBlockLists("<BlockList><CommittedBlocks /></BlockList>");

  ASSERT_TRUE(lists.ok()) << lists.status();
  EXPECT_THAT(lists->committed, IsEmpty());
  EXPECT_THAT(lists->uncommitted, IsEmpty());
}

TEST(AzureAnswersTest, WhatIsNoListOfBlocksIsDataLoss) {
  for (const char* body :
       {"", "<html/>", "<BlockList>",
        "<BlockList><CommittedBlocks><Block><Size>1</Size></Block></CommittedBlocks></BlockList>",
        "<BlockList><UncommittedBlocks><Block><Name>YQ==</Name><Size>-1</Size></Block>"
        "</UncommittedBlocks></BlockList>"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadBlockLists(body).status())) << body;
  }
}

TEST(AzureAnswersTest, AnErrorIsItsCodeAndItsFirstLine) {
  const auto error = ReadAzureError(
      "<Error><Code>BlobNotFound</Code><Message>Not there.\nRequestId:1</Message></Error>");

  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "BlobNotFound");
  EXPECT_EQ(error->message, "Not there.");
  EXPECT_FALSE(ReadAzureError("<BlockList/>"));
  EXPECT_FALSE(ReadAzureError("busy"));
}

TEST(AzureAnswersTest, AListNamesBlocksThatWait) {
  EXPECT_EQ(ComposeBlockList({"YQ==", "Yg=="}),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Uncommitted>YQ==</Uncommitted>"
            "<Uncommitted>Yg==</Uncommitted></BlockList>");
}

TEST(BlockIdTest, AllAreOfOneLengthAndLeadBack) {
  const std::string upload = NewUploadId();
  ASSERT_TRUE(IsUploadId(upload)) << upload;
  for (const int number : {1, 42, 10'000}) {
    const std::string id = BlockId(upload, number);
    EXPECT_EQ(id.size(), 52U);
    EXPECT_LE(Base64Decode(id)->size(), 64U);
    const auto place = ParseBlockId(id);
    ASSERT_TRUE(place) << id;
    EXPECT_EQ(place->upload, upload);
    EXPECT_EQ(place->number, number);
  }
}

TEST(BlockIdTest, OthersAreNone) {
  const std::string upload(32, 'a');
  for (const std::string& text :
       {std::string("x"), Concat(upload, "-000000"), Concat(upload, "-010001"),
        Concat(upload, "_000001"), Concat(upload, "-00000x"),
        Concat(std::string(32, 'G'), "-000001"), Concat(upload, "-0000001")}) {
    EXPECT_FALSE(ParseBlockId(Base64Encode(text))) << text;
  }
  EXPECT_FALSE(ParseBlockId("no base64"));
  EXPECT_FALSE(IsUploadId(""));
}

TEST(BlockIdTest, NoTwoUploadsHaveOneId) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.insert(NewUploadId());

  EXPECT_EQ(ids.size(), 100U);
}

}  // namespace
}  // namespace fetchd::objstore
